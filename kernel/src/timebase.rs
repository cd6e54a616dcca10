//! The clocks of timers.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};

use kcore::host::{Clock, ClockSource, Nanos};
use task::timers::TimeBase;
use task::{Task, ThreadGroup};

/// A clock of the host.
pub(crate) struct HostBase {
    clock: Arc<dyn Clock>,
    source: ClockSource,
}

impl HostBase {
    pub(crate) fn new(clock: Arc<dyn Clock>, source: ClockSource) -> HostBase {
        HostBase { clock, source }
    }
}

impl TimeBase for HostBase {
    fn now(&self) -> Nanos {
        self.clock.now(self.source)
    }
    fn wake_at(&self, deadline: Nanos) -> Nanos {
        match self.source {
            ClockSource::Monotonic => deadline,
            ClockSource::Realtime => {
                self.clock.monotonic().saturating_add(deadline.saturating_sub(self.clock.realtime()))
            }
        }
    }
}

/// Whose processor time a clock shows.
pub(crate) enum CpuOf {
    Process(Weak<ThreadGroup>),
    Thread(Weak<Task>),
}

/// Which part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CpuPart {
    User,
    All,
}

/// A clock of processor time. It cannot run faster than the monotonic one times the number of threads: so it is looked at again
/// when the deadline could have come at the earliest.
pub(crate) struct CpuBase {
    clock: Arc<dyn Clock>,
    of: CpuOf,
    part: CpuPart,
    /// What it showed at the last look.
    last: AtomicU64,
}

/// Shortest time between two looks, and the shortest while nothing runs.
const LOOK: (Nanos, Nanos) = (500_000, 20_000_000);

impl CpuBase {
    pub(crate) fn new(clock: Arc<dyn Clock>, of: CpuOf, part: CpuPart) -> CpuBase {
        CpuBase { clock, of, part, last: AtomicU64::new(u64::MAX) }
    }
}

impl TimeBase for CpuBase {
    fn now(&self) -> Nanos {
        let now = self.clock.monotonic();
        let (user, system) = match &self.of {
            CpuOf::Process(g) => g.upgrade().map_or((0, 0), |g| g.cpu_times(now)),
            CpuOf::Thread(t) => t.upgrade().map_or((0, 0), |t| t.times.get(now)),
        };
        if self.part == CpuPart::User { user } else { user + system }
    }
    fn wake_at(&self, deadline: Nanos) -> Nanos {
        let shown = self.now();
        let threads = match &self.of {
            CpuOf::Process(g) => g.upgrade().map_or(1, |g| g.thread_count() as u64),
            CpuOf::Thread(_) => 1,
        };
        let idle = self.last.swap(shown, Ordering::Relaxed) == shown;
        let least = if idle { LOOK.1 } else { LOOK.0 };
        let delay = deadline.saturating_sub(shown) / threads.max(1);
        self.clock.monotonic().saturating_add(delay.max(least))
    }
}
