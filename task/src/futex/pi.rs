//! Locks whose owner the kernel knows (`FUTEX_LOCK_PI`): they are handed from owner to waiter, also when the owner dies.
//!
//! All threads have one priority here, so there is nothing to inherit: waiters get a lock in the order in which they came.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use core::task::Waker;

use abi::Errno;

use super::{
    Entry, FutexKey, FutexTable, FutexWaiter, FutexWord, Inner, MATCH_ANY, MOVED, OWNER_DIED, TID_MASK,
    WAITERS, WAITING,
};
use crate::task::TaskId;

/// Attempts at a word that a guest keeps changing.
const TRIES: usize = 1000;

/// A thread that wants a lock.
#[derive(Clone)]
pub struct PiWaiter {
    /// Its number as the lock's word holds it.
    pub tid: u32,
    /// Who it is.
    pub task: TaskId,
    /// The word as its own address space has it.
    pub word: Arc<dyn FutexWord>,
}

/// The owner that a caller found in a lock's word before it took the table's lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PiOwner {
    /// The number in the word; 0 for none.
    pub tid: u32,
    /// The thread that it names.
    pub task: Option<TaskId>,
}

/// The outcome of [`FutexTable::lock_pi`].
pub enum PiLock {
    /// The caller owns the lock.
    Acquired,
    /// It will be handed over: wait until the waiter is woken.
    Wait(FutexWaiter),
    /// Another owner than the caller thought: look for it and try again.
    Retry,
}

impl FutexTable {
    /// `FUTEX_LOCK_PI` (and `TRYLOCK_PI` with `try_only`). `owner` is what the caller found in the word; `lives` says, without locks below
    /// rank 260, whether that thread has not begun to give up its locks.
    ///
    /// Errors: `EDEADLK` if the caller owns it; `EAGAIN` if it is taken and `try_only`; `ESRCH` without a living owner;
    /// `EINVAL` if the word denies the owner that the kernel knows; `EFAULT`.
    pub fn lock_pi(
        &self,
        key: FutexKey,
        me: PiWaiter,
        try_only: bool,
        waker: &Waker,
        owner: PiOwner,
        lives: impl Fn() -> bool,
    ) -> Result<PiLock, Errno> {
        let mut inner = self.0.lock();
        let v = me.word.load()?;
        let tid = v & TID_MASK;
        if tid == me.tid {
            return Err(Errno::EDEADLK);
        }
        if let Some(known) = inner.owners.get(&key) {
            if tid == 0 || owner.tid == tid && owner.task.is_some_and(|task| task != *known) {
                return Err(Errno::EINVAL);
            }
        } else if inner.queues.contains_key(&key) {
            // Plain waiters on the word of a lock.
            return Err(Errno::EINVAL);
        }
        if tid == 0 {
            let seen = me.word.compare_exchange(v, me.tid | v & OWNER_DIED)?;
            return Ok(if seen == v { PiLock::Acquired } else { PiLock::Retry });
        }
        if owner.tid != tid {
            return Ok(PiLock::Retry);
        }
        let task = owner.task.ok_or(Errno::ESRCH)?;
        if try_only {
            return Err(Errno::EAGAIN);
        }
        if !lives() {
            return if me.word.load()? == v { Err(Errno::ESRCH) } else { Ok(PiLock::Retry) };
        }
        if me.word.compare_exchange(v, v | WAITERS)? != v {
            return Ok(PiLock::Retry);
        }
        inner.owners.entry(key).or_insert(task);
        let e = Entry { pi: Some(me), ..Entry::new(MATCH_ANY, waker) };
        Ok(PiLock::Wait(self.add(&mut inner, key, e)))
    }
    /// `FUTEX_UNLOCK_PI`: hands the lock to the first waiter.
    ///
    /// Errors: `EPERM` if `tid` does not own it; `EAGAIN` if the word keeps changing; `EFAULT`.
    pub fn unlock_pi(&self, key: FutexKey, tid: u32, word: &dyn FutexWord) -> Result<(), Errno> {
        self.with_wakers(|inner, wakers| {
            for _ in 0..TRIES {
                let v = word.load()?;
                if v & TID_MASK != tid {
                    return Err(Errno::EPERM);
                }
                let next = inner.first_pi(key).map_or(0, |w| w.tid | WAITERS);
                if word.compare_exchange(v, next)? == v {
                    wakers.extend(inner.give(key));
                    return Ok(());
                }
            }
            Err(Errno::EAGAIN)
        })
    }
    /// A thread dies: the locks that it owns and others wait for go to the first waiter, who finds [`OWNER_DIED`] in the word.
    pub fn owner_died(&self, task: TaskId) {
        let _ = self.with_wakers(|inner, wakers| {
            // In the order of their first waiters: keys may follow from addresses in the kernel.
            let first = |key: &FutexKey| inner.queues.get(key).and_then(|q| q.first()).map(|e| e.id);
            let owned = inner.owners.iter().filter(|(_, o)| **o == task);
            let mut locks: Vec<_> = owned.map(|(key, _)| (first(key), *key)).collect();
            locks.sort_unstable();
            for (_, key) in locks {
                if let Some(next) = inner.first_pi(key) {
                    // A word that cannot be written does not keep its waiters waiting.
                    let _ = replace(&*next.word, next.tid | WAITERS | OWNER_DIED);
                }
                wakers.extend(inner.give(key));
            }
            Ok(())
        });
    }
    /// `FUTEX_WAIT_REQUEUE_PI`: waits at `key` to be moved to the PI lock at `to`. Woken means that `me` owns that lock.
    ///
    /// Errors: `EAGAIN` if `check` says no; those of `check`.
    pub fn wait_requeue_pi(
        &self,
        key: FutexKey,
        to: FutexKey,
        me: PiWaiter,
        waker: &Waker,
        check: impl FnOnce() -> Result<bool, Errno>,
    ) -> Result<FutexWaiter, Errno> {
        let mut inner = self.0.lock();
        if !check()? {
            return Err(Errno::EAGAIN);
        }
        let e = Entry { requeue_pi: Some((to, me)), ..Entry::new(MATCH_ANY, waker) };
        Ok(self.add(&mut inner, key, e))
    }
    /// `FUTEX_CMP_REQUEUE_PI`: gives the lock at `to` to the first waiter if it is free, and moves up to `requeue` others there.
    /// `owner` is as for [`FutexTable::lock_pi`]. Returns how many were woken or moved; `None` to find the owner anew and retry.
    ///
    /// Errors: `EAGAIN` if `check` says no; `EINVAL` for waiters that wait for another lock; `ESRCH`; `EFAULT`.
    pub fn requeue_pi(
        &self,
        from: FutexKey,
        to: FutexKey,
        requeue: usize,
        word: &dyn FutexWord,
        mut owner: PiOwner,
        check: impl FnOnce() -> Result<bool, Errno>,
    ) -> Result<Option<usize>, Errno> {
        self.with_wakers(|inner, wakers| {
            if !check()? {
                return Err(Errno::EAGAIN);
            }
            let mut done = 0;
            while done <= requeue {
                let Some(e) = inner.queues.get(&from).and_then(|q| q.first()) else { break };
                let Some((_, me)) = e.requeue_pi.clone().filter(|t| t.0 == to) else {
                    return Err(Errno::EINVAL);
                };
                let v = word.load()?;
                let free = v & TID_MASK == 0;
                if !free && !inner.owners.contains_key(&to) {
                    if owner.tid != v & TID_MASK {
                        // What is done already cannot be done again.
                        return Ok((done > 0).then_some(done));
                    }
                    owner.task.ok_or(Errno::ESRCH)?;
                }
                let more = if inner.queues.get(&from).is_some_and(|q| q.len() > 1) { WAITERS } else { 0 };
                let new = if free { me.tid | v & OWNER_DIED | more } else { v | WAITERS };
                if word.compare_exchange(v, new)? != v {
                    continue;
                }
                let Some(mut e) = inner.take(from, 0) else { break };
                e.requeue_pi = None;
                if free {
                    owner = PiOwner { tid: me.tid, task: Some(me.task) };
                    wakers.push(e.woken());
                } else {
                    e.state.store(MOVED, Ordering::SeqCst);
                    e.pi = Some(me);
                    inner.put(to, e);
                    if let Some(task) = owner.task {
                        inner.owners.entry(to).or_insert(task);
                    }
                }
                done += 1;
            }
            Ok(Some(done))
        })
    }
}

impl Inner {
    fn first_pi(&self, key: FutexKey) -> Option<PiWaiter> {
        self.queues.get(&key)?.first()?.pi.clone()
    }
    /// The first waiter is the owner now.
    fn give(&mut self, key: FutexKey) -> Option<Waker> {
        let task = self.first_pi(key)?.task;
        let e = self.take(key, 0)?;
        if let Some(owner) = self.owners.get_mut(&key) {
            *owner = task;
        }
        Some(e.woken())
    }
}

fn replace(word: &dyn FutexWord, new: u32) -> Result<(), Errno> {
    let mut v = word.load()?;
    for _ in 0..TRIES {
        let seen = word.compare_exchange(v, new)?;
        if seen == v {
            return Ok(());
        }
        v = seen;
    }
    Err(Errno::EAGAIN)
}

const _: () = assert!(WAITING == 0, "a new waiter's state is the default");

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const LOCK: FutexKey = FutexKey { a: 1, b: 0, c: 0 };
    const COND: FutexKey = FutexKey { a: 2, b: 0, c: 0 };

    struct Word(AtomicU32);
    impl FutexWord for Word {
        fn load(&self) -> Result<u32, Errno> {
            Ok(self.0.load(Ordering::SeqCst))
        }
        fn compare_exchange(&self, old: u32, new: u32) -> Result<u32, Errno> {
            Ok(self.0.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).unwrap_or_else(|v| v))
        }
    }
    fn who(n: u32, word: &Arc<Word>) -> PiWaiter {
        PiWaiter { tid: n, task: TaskId(n.into()), word: word.clone() }
    }
    fn lock(t: &FutexTable, n: u32, word: &Arc<Word>, try_only: bool) -> Result<PiLock, Errno> {
        let owner = word.load()? & TID_MASK;
        let owner = PiOwner { tid: owner, task: (owner != 0).then_some(TaskId(owner.into())) };
        t.lock_pi(LOCK, who(n, word), try_only, Waker::noop(), owner, || true)
    }
    fn wait(lock: Result<PiLock, Errno>) -> FutexWaiter {
        match lock {
            Ok(PiLock::Wait(w)) => w,
            _ => panic!("the lock is taken"),
        }
    }

    #[test]
    fn an_unlock_hands_over_in_order() {
        let (t, word) = (FutexTable::new(), Arc::new(Word(AtomicU32::new(0))));
        assert!(matches!(lock(&t, 1, &word, false), Ok(PiLock::Acquired)));
        assert_eq!(lock(&t, 1, &word, false).err(), Some(Errno::EDEADLK));
        assert_eq!(lock(&t, 2, &word, true).err(), Some(Errno::EAGAIN));
        let (second, third) = (wait(lock(&t, 2, &word, false)), wait(lock(&t, 3, &word, false)));
        assert_eq!(word.load(), Ok(1 | WAITERS));
        assert_eq!(t.unlock_pi(LOCK, 2, &*word), Err(Errno::EPERM));
        t.unlock_pi(LOCK, 1, &*word).unwrap();
        assert!(second.woken() && !third.woken());
        assert_eq!(word.load(), Ok(2 | WAITERS));
        t.unlock_pi(LOCK, 2, &*word).unwrap();
        assert!(third.woken());
        t.unlock_pi(LOCK, 3, &*word).unwrap();
        assert_eq!(word.load(), Ok(0));
    }
    #[test]
    fn a_dead_owner_leaves_its_lock_to_the_next() {
        let (t, word) = (FutexTable::new(), Arc::new(Word(AtomicU32::new(1))));
        let w = wait(lock(&t, 2, &word, false));
        t.owner_died(TaskId(1));
        assert!(w.woken());
        assert_eq!(word.load(), Ok(2 | WAITERS | OWNER_DIED));
        let owner = PiOwner { tid: 2, task: Some(TaskId(2)) };
        let late = t.lock_pi(LOCK, who(3, &word), false, Waker::noop(), owner, || false);
        assert_eq!(late.err(), Some(Errno::ESRCH));
    }
    #[test]
    fn a_condition_moves_its_waiters_to_the_lock() {
        let (t, word) = (FutexTable::new(), Arc::new(Word(AtomicU32::new(0))));
        let waiters: Vec<_> = (2..5)
            .map(|n| {
                let me = who(n, &word);
                t.wait_requeue_pi(COND, LOCK, me, Waker::noop(), || Ok(true)).unwrap()
            })
            .collect();
        assert_eq!(t.wake(COND, 1, MATCH_ANY), Err(Errno::EINVAL));
        let nobody = PiOwner { tid: 0, task: None };
        assert_eq!(t.requeue_pi(COND, LOCK, 9, &*word, nobody, || Ok(true)), Ok(Some(3)));
        assert!(waiters[0].woken() && waiters[1].moved() && waiters[2].moved());
        assert_eq!(word.load(), Ok(2 | WAITERS));
        t.unlock_pi(LOCK, 2, &*word).unwrap();
        assert!(waiters[1].woken() && !waiters[2].woken());
    }
}
