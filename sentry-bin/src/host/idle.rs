//! How workers sleep.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use kcore::host::Nanos;
use platform::Sleeper;

/// A counter under a lock: sleepers wait for it to change.
#[derive(Default)]
pub(crate) struct FutexIdle {
    epoch: Mutex<u32>,
    changed: Condvar,
}

impl Sleeper for FutexIdle {
    fn epoch(&self) -> u32 {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn sleep(&self, epoch: u32, timeout: Option<Nanos>, _last: bool) {
        let mut now = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != epoch {
            return;
        }
        match timeout {
            Some(ns) => {
                let r = self.changed.wait_timeout(now, Duration::from_nanos(ns));
                drop(r.unwrap_or_else(PoisonError::into_inner));
            }
            None => {
                while *now == epoch {
                    now = self.changed.wait(now).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
    fn wake(&self) {
        let mut now = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.wrapping_add(1);
        self.changed.notify_all();
    }
}
