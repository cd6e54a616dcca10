//! Memory of freed pages goes back to the host when it has not been used again for a while.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};

use kcore::host::{Clock, Nanos};
use kcore::timer::{TimerQueue, TimerTarget};
use mm::FrameAllocator;

use crate::kernel::Host;

/// How long it may wait to be used again.
const FIRST: Nanos = 500_000_000;
/// Between two steps: each takes a worker a few milliseconds.
const STEP: Nanos = 50_000_000;
/// Freed pages keep their memory till then: one part in so many of the machine's, but no more than this.
const SHARE: u64 = 16;
const MOST: u64 = 512 << 20;

struct Trim {
    frames: Weak<FrameAllocator>,
    timers: Weak<TimerQueue>,
    clock: Arc<dyn Clock>,
}

/// Lets freed pages keep their memory for a moment, and has it given back later.
pub(crate) fn keep_freed(host: &Host, timers: &Arc<TimerQueue>) {
    let trim = Arc::new(Trim {
        frames: Arc::downgrade(&host.frames),
        timers: Arc::downgrade(timers),
        clock: host.clock.clone(),
    });
    let pages = (host.machine.memory / SHARE).min(MOST) / kcore::addr::PAGE_SIZE;
    host.frames.keep_freed(pages, Box::new(move || trim.clone().after(trim.clock.monotonic(), FIRST)));
}

impl Trim {
    fn after(self: Arc<Self>, now: Nanos, delay: Nanos) {
        if let Some(timers) = self.timers.upgrade() {
            timers.arm(now.saturating_add(delay), self);
        }
    }
}

impl TimerTarget for Trim {
    fn fire(self: Arc<Self>, now: Nanos) {
        if self.frames.upgrade().is_some_and(|f| f.trim()) {
            self.after(now, STEP);
        }
    }
}
