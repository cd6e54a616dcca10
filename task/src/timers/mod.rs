//! Timers of processes: `setitimer(2)`, `timer_create(2)`, `RLIMIT_CPU`.

mod timer;

pub use timer::{Notified, TimeBase, Timer, TimerSetting};

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::sync::{LockClass, Mutex};

use crate::signal::{SigFields, SigInfo, SigSet, Signal, code};

static TIMERS: LockClass = LockClass::new("process timers", 780);

#[derive(Default)]
struct Slots {
    posix: BTreeMap<i32, Arc<Timer>>,
    next: i32,
    itimers: [Option<Arc<Timer>>; 3],
    cpu_limit: Option<Arc<Timer>>,
}

/// The timers of a process.
pub struct GroupTimers(Mutex<Slots>);

impl Default for GroupTimers {
    fn default() -> Self {
        GroupTimers(Mutex::new(&TIMERS, Slots::default()))
    }
}

impl GroupTimers {
    /// Adds a timer and names it; `make` gets the name. `make` runs without locks.
    pub fn create(&self, make: impl FnOnce(i32) -> Arc<Timer>) -> i32 {
        let id = {
            let mut s = self.0.lock();
            // Names are used again only after all have been used.
            let mut id = s.next;
            while s.posix.contains_key(&id) {
                id = id.wrapping_add(1) & i32::MAX;
            }
            s.next = id.wrapping_add(1) & i32::MAX;
            id
        };
        let timer = make(id);
        self.0.lock().posix.insert(id, timer);
        id
    }
    /// How many POSIX timers there are.
    pub fn count(&self) -> usize {
        self.0.lock().posix.len()
    }
    /// The timer named `id`.
    ///
    /// Errors: `EINVAL`.
    pub fn get(&self, id: i32) -> Result<Arc<Timer>, Errno> {
        self.0.lock().posix.get(&id).cloned().ok_or(Errno::EINVAL)
    }
    /// The POSIX timers and their names, in order.
    pub fn posix(&self) -> Vec<(i32, Arc<Timer>)> {
        self.0.lock().posix.iter().map(|(id, t)| (*id, t.clone())).collect()
    }
    /// `timer_delete(2)`.
    ///
    /// Errors: `EINVAL`.
    pub fn delete(&self, id: i32) -> Result<(), Errno> {
        let t = self.0.lock().posix.remove(&id).ok_or(Errno::EINVAL)?;
        t.disarm();
        Ok(())
    }
    /// The interval timer `which` (0 real, 1 virtual, 2 prof), made by `make` at its first use.
    ///
    /// Errors: `EINVAL`.
    pub fn itimer(&self, which: usize, make: impl FnOnce() -> Arc<Timer>) -> Result<Arc<Timer>, Errno> {
        if let Some(t) = self.0.lock().itimers.get(which).ok_or(Errno::EINVAL)? {
            return Ok(t.clone());
        }
        let new = make();
        Ok(self.0.lock().itimers[which].get_or_insert(new).clone())
    }
    /// The interval timer `which`, if it was ever used.
    ///
    /// Errors: `EINVAL`.
    pub fn used_itimer(&self, which: usize) -> Result<Option<Arc<Timer>>, Errno> {
        Ok(self.0.lock().itimers.get(which).ok_or(Errno::EINVAL)?.clone())
    }
    /// Replaces the timer that watches `RLIMIT_CPU`.
    pub fn set_cpu_limit(&self, timer: Option<Arc<Timer>>) {
        let old = core::mem::replace(&mut self.0.lock().cpu_limit, timer);
        if let Some(t) = old {
            t.disarm();
        }
    }
    /// Deletes the POSIX timers, as `execve(2)` does.
    pub fn clear(&self) {
        let all = core::mem::take(&mut self.0.lock().posix);
        all.into_values().for_each(|t| t.disarm());
    }
    /// Disarms everything, at the process's end.
    pub fn disarm_all(&self) {
        self.clear();
        self.set_cpu_limit(None);
        let all = core::mem::take(&mut self.0.lock().itimers);
        all.into_iter().flatten().for_each(|t| t.disarm());
    }
    /// A signal was taken: if it is a timer's, the timer goes on, and the signal says how many expirations were missed.
    /// Call it without the lock of the group's signals.
    pub fn delivered(&self, info: &mut SigInfo) {
        match &mut info.fields {
            SigFields::Timer { id, overrun, .. } if info.code == code::SI_TIMER => {
                let timer = self.0.lock().posix.get(id).cloned();
                if let Some(t) = timer {
                    *overrun = t.delivered();
                }
            }
            _ if info.signal == Signal::ALRM => {
                let real = self.0.lock().itimers[0].clone();
                if let Some(t) = real {
                    t.delivered();
                }
            }
            _ => {}
        }
    }
    /// Pending signals of `mask` were thrown away: timers whose signals they were go on. Locks as for
    /// [`GroupTimers::delivered`].
    pub fn flushed(&self, mask: SigSet) {
        let all: Vec<Arc<Timer>> = {
            let s = self.0.lock();
            s.posix.values().chain(&s.itimers[0]).cloned().collect()
        };
        for t in all {
            if t.signal().is_some_and(|s| mask.has(s)) {
                t.delivered();
            }
        }
    }
}
