//! Queues of pending signals.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use abi::Errno;

use super::{SigFields, SigInfo, SigSet, Signal, code};

/// One unit of a user's `RLIMIT_SIGPENDING`; given back on drop.
#[derive(Debug)]
pub struct QueueSlot(Arc<AtomicUsize>);

impl QueueSlot {
    /// Takes a unit of `count` if fewer than `limit` are taken.
    pub fn take(count: &Arc<AtomicUsize>, limit: u64) -> Option<QueueSlot> {
        let n = count.fetch_add(1, Ordering::Relaxed);
        let slot = QueueSlot(count.clone());
        ((n as u64) < limit).then_some(slot)
    }
    /// Takes a unit whatever the limit.
    pub fn force(count: &Arc<AtomicUsize>) -> QueueSlot {
        count.fetch_add(1, Ordering::Relaxed);
        QueueSlot(count.clone())
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Signals that were sent and not yet taken, of a task or a group.
#[derive(Debug, Default)]
pub struct Pending {
    set: SigSet,
    queue: VecDeque<(SigInfo, Option<QueueSlot>)>,
}

impl Pending {
    /// What is pending.
    pub fn set(&self) -> SigSet {
        self.set
    }
    /// Adds a signal. A standard signal that is pending already is not queued again, `signal(7)`, unless it is a timer's, each of
    /// which has a place of its own. Returns whether it was added.
    ///
    /// Errors: `EAGAIN` for a real-time signal of a process other than by `kill(2)` if there is no slot.
    pub fn push(&mut self, info: SigInfo, slot: Option<QueueSlot>) -> Result<bool, Errno> {
        let s = info.signal;
        if !s.is_realtime() && self.set.has(s) && info.code != code::SI_TIMER {
            return Ok(false);
        }
        match slot {
            Some(slot) => self.queue.push_back((info, Some(slot))),
            // Without a slot only the bit is kept, and who sent it is lost.
            None if s.is_realtime() && info.code != code::SI_USER => return Err(Errno::EAGAIN),
            None => {}
        }
        self.set.add(s);
        Ok(true)
    }
    /// Adds the signals of `set` without what they carry.
    pub(crate) fn mark(&mut self, set: SigSet) {
        self.set = self.set.or(set);
    }
    /// Takes the first signal that is in `mask`.
    pub fn pop(&mut self, mask: SigSet) -> Option<SigInfo> {
        let s = self.set.and(mask).first()?;
        let Some(at) = self.queue.iter().position(|(i, _)| i.signal == s) else {
            self.set.remove(s);
            return Some(SigInfo::user(s, kcore::id::Pid(0), kcore::id::Uid(0)));
        };
        let (info, _) = self.queue.remove(at)?;
        if !self.queue.iter().any(|(i, _)| i.signal == s) {
            self.set.remove(s);
        }
        Some(info)
    }
    /// Forgets the signals in `mask`.
    pub fn flush(&mut self, mask: SigSet) {
        if self.set.and(mask).is_empty() {
            return;
        }
        self.set = self.set.minus(mask);
        self.queue.retain(|(i, _)| !mask.has(i.signal));
    }
    /// Whether the signal of the POSIX timer `id` is queued.
    pub fn has_timer(&self, id: i32) -> bool {
        self.iter().any(|i| {
            i.code == code::SI_TIMER
                && matches!(i.fields, SigFields::Timer { id: queued, .. } if queued == id)
        })
    }
    /// Copies of what is queued, in order (`PTRACE_PEEKSIGINFO`).
    pub fn iter(&self) -> impl Iterator<Item = &SigInfo> {
        self.queue.iter().map(|(i, _)| i)
    }
    /// Whether `s` has an entry that holds what it carries.
    pub fn has(&self, s: Signal) -> bool {
        self.set.has(s)
    }
}
