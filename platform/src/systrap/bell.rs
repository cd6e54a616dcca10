//! How the sentry learns of traps: idle workers look at the running threads, and sleep at a doorbell that stubs ring.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use super::layout::*;
use super::lock;
use super::policy;
use super::shared::{SharedFile, futex_wait, futex_wake};
use super::thread::ThreadShared;

/// The doorbell, and the threads that may ring it.
pub(super) struct Bell {
    control: Arc<SharedFile>,
    running: Mutex<Vec<Arc<ThreadShared>>>,
    polling: AtomicBool,
    sleepers: AtomicUsize,
    idle_spins: u32,
}

impl Bell {
    pub(super) fn new(control: &Arc<SharedFile>, cpus: usize) -> Bell {
        Bell {
            control: control.clone(),
            running: Mutex::default(),
            polling: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            idle_spins: policy::spins(policy::IDLE_SPINS, cpus),
        }
    }

    /// From now on the thread's waker is woken when it has trapped. Look at the thread once more after this.
    pub(super) fn watch(&self, thread: &Arc<ThreadShared>) {
        lock(&self.running).push(thread.clone());
    }

    /// The thread has trapped, as its owner knows.
    pub(super) fn forget(&self, thread: &Arc<ThreadShared>) {
        let mut running = lock(&self.running);
        if let Some(i) = running.iter().position(|t| Arc::ptr_eq(t, thread)) {
            running.swap_remove(i);
        }
    }

    /// Wakes the owners of threads that have trapped. Returns whether there were any, and whether other threads run.
    pub(super) fn poll(&self) -> (bool, bool) {
        let mut running = lock(&self.running);
        let before = running.len();
        running.retain(|t| {
            let trapped = t.has_trapped();
            if trapped {
                t.wake();
            }
            !trapped
        });
        (running.len() < before, !running.is_empty())
    }

    fn want_ringing(&self, wanted: bool) {
        self.control.store(BELL_WANTED, u32::from(wanted));
    }

    /// Changes whenever somebody rings. Stubs can change it too: it says nothing that must be true.
    pub(super) fn epoch(&self) -> u32 {
        self.control.load(BELL_SEQ)
    }

    /// Ends all sleeps.
    pub(super) fn ring(&self) {
        let word = self.control.atomic(BELL_SEQ);
        word.fetch_add(1, Ordering::SeqCst);
        futex_wake(word, i32::MAX);
    }

    /// Sleeps until somebody has rung since `epoch` was read, a thread has trapped, or `timeout` has passed. May return early.
    pub(super) fn sleep(&self, epoch: u32, timeout: Option<Duration>) {
        if self.poll_for_a_while(epoch) {
            return;
        }
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        self.want_ringing(true);
        // A thread that trapped before it could see the wish is found here.
        let (found, others) = self.poll();
        if !found && self.epoch() == epoch {
            let timeout =
                if others { Some(timeout.map_or(policy::TICK, |t| t.min(policy::TICK))) } else { timeout };
            futex_wait(self.control.atomic(BELL_SEQ), epoch, timeout);
            self.poll();
        }
        if self.sleepers.fetch_sub(1, Ordering::SeqCst) == 1 && !self.polling.load(Ordering::SeqCst) {
            self.want_ringing(false);
        }
    }

    /// Looks at running threads, if there are any and no other worker does. Returns whether there is something to do.
    fn poll_for_a_while(&self, epoch: u32) -> bool {
        if self.polling.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.want_ringing(false);
        let mut found = false;
        for _ in 0..self.idle_spins {
            let (some, others) = self.poll();
            found = some || self.epoch() != epoch;
            if found {
                // The one that polled is busy now: let the others' traps wake somebody else.
                self.want_ringing(others && self.sleepers.load(Ordering::SeqCst) > 0);
                break;
            }
            if !others {
                break;
            }
            core::hint::spin_loop();
        }
        self.polling.store(false, Ordering::SeqCst);
        found
    }
}
