//! Memory that an idle sandbox gives back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kcore::host::Nanos;
use platform::Sleeper;
use platform::host::give_memory_back;

/// A sandbox in which nothing has happened for so long is idle. Then it takes 0.1 ms longer to answer for the first time.
const IDLE: Duration = Duration::from_secs(1);

/// Has this process give back what it does not need when all workers sleep long.
pub(crate) struct Thrifty {
    sleeper: Arc<dyn Sleeper>,
    /// Nothing has happened since memory was given back.
    done: AtomicBool,
}

impl Thrifty {
    /// Workers sleep as `sleeper` says.
    pub(crate) fn new(sleeper: Arc<dyn Sleeper>) -> Thrifty {
        Thrifty { sleeper, done: AtomicBool::new(false) }
    }
}

impl Sleeper for Thrifty {
    fn epoch(&self) -> u32 {
        self.sleeper.epoch()
    }
    fn sleep(&self, epoch: u32, timeout: Option<Nanos>, last: bool) {
        let first = IDLE.as_nanos() as Nanos;
        if !last || timeout.is_some_and(|t| t <= first) {
            return self.sleeper.sleep(epoch, timeout, last);
        }
        if self.done.load(Ordering::Relaxed) {
            self.sleeper.sleep(epoch, timeout, last);
            self.done.store(false, Ordering::Relaxed);
            return;
        }
        let start = Instant::now();
        self.sleeper.sleep(epoch, Some(first), last);
        let idle = start.elapsed() >= IDLE && self.sleeper.epoch() == epoch;
        if idle && !self.done.swap(true, Ordering::Relaxed) {
            give_memory_back();
        }
    }
    fn wake(&self) {
        self.sleeper.wake();
    }
    fn backlog(&self) -> Option<&AtomicUsize> {
        self.sleeper.backlog()
    }
}
