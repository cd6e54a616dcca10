//! Armed deadlines on the monotonic clock. Whoever drives the kernel asks for the next one and fires what is due.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::host::Nanos;
use crate::sync::{LockClass, Mutex};

static TIMERS: LockClass = LockClass::new("timers", 800);

/// What happens at a deadline. Runs without locks held; it may arm timers again.
pub trait TimerTarget: Send + Sync {
    /// The deadline passed; `now` is the monotonic time.
    fn fire(self: Arc<Self>, now: Nanos);
}

/// Names one armed deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey {
    deadline: Nanos,
    seq: u64,
}

/// Deadlines in order.
pub struct TimerQueue {
    inner: Mutex<Inner>,
    on_earlier: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

#[derive(Default)]
struct Inner {
    armed: BTreeMap<TimerKey, Arc<dyn TimerTarget>>,
    seq: u64,
}

impl Default for TimerQueue {
    fn default() -> Self {
        TimerQueue { inner: Mutex::new(&TIMERS, Inner::default()), on_earlier: Mutex::new(&TIMERS, None) }
    }
}

impl TimerQueue {
    /// Nothing armed.
    pub fn new() -> TimerQueue {
        TimerQueue::default()
    }
    /// Sets what is called, without locks, when a new deadline is earlier than all others (to wake who sleeps until the old one).
    pub fn set_on_earlier(&self, f: Arc<dyn Fn() + Send + Sync>) {
        *self.on_earlier.lock() = Some(f);
    }
    /// Calls `target` at `deadline` (monotonic).
    pub fn arm(&self, deadline: Nanos, target: Arc<dyn TimerTarget>) -> TimerKey {
        let (key, first) = {
            let mut inner = self.inner.lock();
            inner.seq += 1;
            let key = TimerKey { deadline, seq: inner.seq };
            let first = inner.armed.first_key_value().is_none_or(|(k, _)| key < *k);
            inner.armed.insert(key, target);
            (key, first)
        };
        if first {
            let f = self.on_earlier.lock().clone();
            if let Some(f) = f {
                f();
            }
        }
        key
    }
    /// Disarms; `false` if it had fired or was cancelled already.
    pub fn cancel(&self, key: TimerKey) -> bool {
        let removed = self.inner.lock().armed.remove(&key);
        removed.is_some()
    }
    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.inner.lock().armed.first_key_value().map(|(k, _)| k.deadline)
    }
    /// Fires all that is due at `now`, in order of deadline. Returns how many.
    pub fn fire_due(&self, now: Nanos) -> usize {
        let due: Vec<_> = {
            let mut inner = self.inner.lock();
            let later = inner.armed.split_off(&TimerKey { deadline: now.saturating_add(1), seq: 0 });
            core::mem::replace(&mut inner.armed, later).into_values().collect()
        };
        let n = due.len();
        for t in due {
            t.fire(now);
        }
        n
    }
}
