//! Who uses the processors: time of tasks, and the load of all of them.

use core::future::{Future, poll_fn};
use core::sync::atomic::{AtomicU64, Ordering};

use alloc::boxed::Box;
use alloc::sync::Arc;
use kcore::host::Nanos;
use kcore::sync::{LockClass, Mutex};
use task::rusage::CpuMode;

use crate::kernel::Kernel;

static LOAD: LockClass = LockClass::new("load averages", 150);

/// Polls a task's future and counts the time: as the kernel's, but for what the run loop says is guest code; nothing while it waits.
///
/// Not an `async fn`, which would have room for the future twice.
pub(crate) fn metered(
    kernel: Arc<Kernel>,
    task: Arc<task::Task>,
    future: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send {
    let mut future = Box::pin(future);
    poll_fn(move |cx| {
        let clock = &kernel.host().clock;
        let now = clock.monotonic();
        kernel.load().sample(&kernel, now);
        // A guest may run on while its future is polled for another reason.
        if task.times.mode().0 == CpuMode::Idle {
            task.times.switch(CpuMode::System, now);
        }
        let poll = future.as_mut().poll(cx);
        if poll.is_pending() && task.times.mode().0 == CpuMode::System {
            task.times.switch(CpuMode::Idle, clock.monotonic());
            task.counters.nvcsw.add(1);
        }
        poll
    })
}

/// Bits after the binary point of an average (`FSHIFT`).
pub(crate) const LOAD_SHIFT: u32 = 11;
/// How often the load is sampled (`LOAD_FREQ`).
const PERIOD: Nanos = 5_000_000_000;
/// What is kept of an average in one period, for 1, 5 and 15 minutes (`EXP_1` and so on).
const KEPT: [u64; 3] = [1884, 2014, 2037];
/// Periods after which nothing of an average is left.
const FORGOTTEN: u64 = 2000;

/// The load averages, `getloadavg(3)`: how many tasks use a processor or wait for one.
///
/// Nothing ticks: whoever runs or asks brings them up to date. When no task was polled for some periods, then those that ran all
/// the time count, and everybody else slept.
pub(crate) struct Load {
    next: AtomicU64,
    averages: Mutex<[u64; 3]>,
}

impl Load {
    /// No load; the first sample is one period from `now`.
    pub(crate) fn new(now: Nanos) -> Load {
        Load { next: AtomicU64::new(now + PERIOD), averages: Mutex::new(&LOAD, [0; 3]) }
    }
    /// Brings the averages up to date.
    pub(crate) fn sample(&self, kernel: &Kernel, now: Nanos) {
        if now >= self.next.load(Ordering::Relaxed) {
            self.sample_with(now, |at| kernel.processes().running_since(at));
        }
    }
    fn sample_with(&self, now: Nanos, running_since: impl Fn(Nanos) -> usize) {
        let mut averages = self.averages.lock();
        let mut next = self.next.load(Ordering::Relaxed);
        let missed = now.saturating_sub(next) / PERIOD;
        if missed > FORGOTTEN {
            next += (missed - FORGOTTEN) * PERIOD;
        }
        while next <= now {
            let active = u64::try_from(running_since(next)).unwrap_or(u64::MAX).min(1 << 20) << LOAD_SHIFT;
            for (average, kept) in averages.iter_mut().zip(KEPT) {
                // Rounded up while the load rises, so that it gets to where it stays.
                let up = if active >= *average { (1 << LOAD_SHIFT) - 1 } else { 0 };
                *average = (*average * kept + active * ((1 << LOAD_SHIFT) - kept) + up) >> LOAD_SHIFT;
            }
            next += PERIOD;
        }
        self.next.store(next, Ordering::Relaxed);
    }
    /// The averages of 1, 5 and 15 minutes, with [`LOAD_SHIFT`] bits after the point.
    pub(crate) fn averages(&self, kernel: &Kernel, now: Nanos) -> [u64; 3] {
        self.sample(kernel, now);
        *self.averages.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_approach_the_load_and_fall_again() {
        let load = Load::new(0);
        load.sample_with(PERIOD - 1, |_| panic!("nothing is due"));
        load.sample_with(12 * PERIOD, |_| 2);
        let [one, five, fifteen] = *load.averages.lock();
        // After a minute the one-minute average is at 1 - 1/e of the load.
        assert!((2500..2700).contains(&one), "{one}");
        assert!(fifteen < five && five < one);
        load.sample_with(10_000 * PERIOD, |_| 2);
        assert_eq!(*load.averages.lock(), [2 << LOAD_SHIFT; 3]);
        load.sample_with(20_000 * PERIOD, |_| 0);
        assert_eq!(*load.averages.lock(), [0; 3]);
    }
}
