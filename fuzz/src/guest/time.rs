//! Virtual time, and randomness that is always the same.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kcore::host::{Clock, ClockSource, Entropy, Nanos};
use platform::Sleeper;

/// A clock that each look at it moves a little.
#[derive(Debug, Default)]
pub struct VirtualClock(AtomicU64);

const EPOCH: Nanos = 1_700_000_000_000_000_000;
const STEP: Nanos = 100;

impl Clock for VirtualClock {
    fn now(&self, source: ClockSource) -> Nanos {
        let now = self.0.fetch_add(STEP, Ordering::Relaxed);
        match source {
            ClockSource::Monotonic => now,
            ClockSource::Realtime => EPOCH + now,
        }
    }
}

/// Numbers from a counter.
#[derive(Debug, Default)]
pub struct Chance(AtomicU64);

impl Entropy for Chance {
    fn fill(&self, dst: &mut [u8]) {
        for chunk in dst.chunks_mut(8) {
            let n = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&n.to_le_bytes()[..chunk.len()]);
        }
    }
}

type Action = Box<dyn Fn() + Send>;

/// Sleeping moves the clock. With nothing to sleep for, or after very many timers, it does what it was told to.
pub(super) struct Idle {
    clock: Arc<VirtualClock>,
    epoch: AtomicU32,
    sleeps: AtomicU32,
    stuck: Mutex<Option<Action>>,
}

/// Sleeps after which nobody is expected to get anywhere.
const MAX_SLEEPS: u32 = 300;
/// Times that killing everybody may take.
const MAX_KILLS: u32 = 20;

impl Idle {
    pub(super) fn new(clock: Arc<VirtualClock>) -> Idle {
        Idle { clock, epoch: AtomicU32::new(0), sleeps: AtomicU32::new(0), stuck: Mutex::new(None) }
    }
    pub(super) fn when_stuck(&self, action: impl Fn() + Send + 'static) {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(action));
    }
}

impl Sleeper for Idle {
    fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }
    fn sleep(&self, epoch: u32, timeout: Option<Nanos>, _last: bool) {
        if epoch != self.epoch() {
            return;
        }
        let sleeps = self.sleeps.fetch_add(1, Ordering::Relaxed);
        if let Some(ns) = timeout
            && sleeps < MAX_SLEEPS
        {
            self.clock.0.fetch_add(ns, Ordering::Relaxed);
            return;
        }
        let before = self.sleeps.fetch_max(MAX_SLEEPS, Ordering::Relaxed);
        assert!(before < MAX_SLEEPS + MAX_KILLS, "a process cannot be killed");
        if let Some(action) = &*self.stuck.lock().unwrap_or_else(PoisonError::into_inner) {
            action();
        }
    }
    fn wake(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }
}
