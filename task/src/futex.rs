//! Futexes, `futex(2)`. Words of guest memory are reached through closures, which run under the table's lock (rank 260).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::Waker;

use abi::Errno;
use kcore::sync::{LockClass, Mutex};

static BUCKETS: LockClass = LockClass::new("futex buckets", 260);

/// `FUTEX_WAITERS`.
pub const WAITERS: u32 = 0x8000_0000;
/// `FUTEX_OWNER_DIED`.
pub const OWNER_DIED: u32 = 0x4000_0000;
/// `FUTEX_TID_MASK`.
pub const TID_MASK: u32 = 0x3fff_ffff;
/// The bitset that matches all.
pub const MATCH_ANY: u32 = !0;

/// What names a futex: for example address space and address, or file and offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FutexKey {
    /// First part.
    pub a: u64,
    /// Second part.
    pub b: u64,
    /// Third part.
    pub c: u64,
}

/// The word of a futex in guest memory.
pub trait FutexWord {
    /// Loads it.
    ///
    /// Errors: `EFAULT`.
    fn load(&self) -> Result<u32, Errno>;
    /// Stores `new` if it is `old`; returns what it was.
    ///
    /// Errors: `EFAULT`.
    fn compare_exchange(&self, old: u32, new: u32) -> Result<u32, Errno>;
}

const WOKEN: u8 = 1;

struct Entry {
    id: u64,
    bitset: u32,
    /// The thread, for one that waits for a PI lock.
    pi: Option<u32>,
    /// Where `requeue_pi` may move it.
    requeue_pi: Option<(FutexKey, u32)>,
    state: Arc<AtomicU8>,
    waker: Waker,
}

#[derive(Default)]
struct Inner {
    queues: BTreeMap<FutexKey, Vec<Entry>>,
    /// Where each waiter is; requeueing moves it.
    places: BTreeMap<u64, FutexKey>,
    next: u64,
}

impl Inner {
    fn take(&mut self, key: FutexKey, i: usize) -> Option<Entry> {
        let q = self.queues.get_mut(&key)?;
        let e = q.remove(i);
        if q.is_empty() {
            self.queues.remove(&key);
        }
        self.places.remove(&e.id);
        Some(e)
    }
    fn put(&mut self, key: FutexKey, e: Entry) {
        self.places.insert(e.id, key);
        self.queues.entry(key).or_default().push(e);
    }
    fn wake(&mut self, key: FutexKey, n: usize, bitset: u32) -> Result<Vec<Waker>, Errno> {
        let mut wakers = Vec::new();
        let mut i = 0;
        while wakers.len() < n {
            let Some(e) = self.queues.get(&key).and_then(|q| q.get(i)) else { break };
            if e.pi.is_some() || e.requeue_pi.is_some() {
                return Err(Errno::EINVAL);
            }
            if e.bitset & bitset == 0 {
                i += 1;
                continue;
            }
            let Some(e) = self.take(key, i) else { break };
            e.state.store(WOKEN, Ordering::SeqCst);
            wakers.push(e.waker);
        }
        Ok(wakers)
    }
}

/// All futexes of a kernel.
#[derive(Clone)]
pub struct FutexTable(Arc<Mutex<Inner>>);

impl Default for FutexTable {
    fn default() -> Self {
        FutexTable(Arc::new(Mutex::new(&BUCKETS, Inner::default())))
    }
}

/// A place in a futex's queue; dropping it leaves the queue.
#[must_use = "dropping a waiter ends its wait"]
pub struct FutexWaiter {
    table: FutexTable,
    id: u64,
    state: Arc<AtomicU8>,
}

impl FutexWaiter {
    /// Whether it was woken; a PI waiter then owns the lock.
    pub fn woken(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WOKEN
    }
}

impl Drop for FutexWaiter {
    fn drop(&mut self) {
        let mut inner = self.table.0.lock();
        let Some(key) = inner.places.get(&self.id).copied() else { return };
        let at = inner.queues.get(&key).and_then(|q| q.iter().position(|e| e.id == self.id));
        let entry = at.and_then(|i| inner.take(key, i));
        drop(inner);
        drop(entry);
    }
}

/// The outcome of [`FutexTable::lock_pi`].
pub enum PiLock {
    /// The caller owns the lock.
    Acquired,
    /// It will be handed over: wait until the waiter is woken.
    Wait(FutexWaiter),
}

fn wake_all(wakers: Vec<Waker>) -> usize {
    let n = wakers.len();
    wakers.into_iter().for_each(Waker::wake);
    n
}

impl FutexTable {
    /// No waiters.
    pub fn new() -> FutexTable {
        FutexTable::default()
    }
    fn add(&self, inner: &mut Inner, key: FutexKey, mut e: Entry) -> FutexWaiter {
        inner.next += 1;
        e.id = inner.next;
        let w = FutexWaiter { table: self.clone(), id: e.id, state: e.state.clone() };
        inner.put(key, e);
        w
    }
    fn entry(bitset: u32, waker: &Waker) -> Entry {
        Entry { id: 0, bitset, pi: None, requeue_pi: None, state: Arc::default(), waker: waker.clone() }
    }
    /// Queues a waiter if `check` finds the expected value (`FUTEX_WAIT_BITSET`; for `futex_waitv`, one call per word).
    ///
    /// Errors: `EAGAIN` if `check` says no; `EINVAL` for an empty bitset; those of `check`.
    pub fn prepare_wait(
        &self,
        key: FutexKey,
        bitset: u32,
        waker: &Waker,
        check: impl FnOnce() -> Result<bool, Errno>,
    ) -> Result<FutexWaiter, Errno> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        let mut inner = self.0.lock();
        if !check()? {
            return Err(Errno::EAGAIN);
        }
        Ok(self.add(&mut inner, key, Self::entry(bitset, waker)))
    }
    /// Wakes up to `n` waiters whose bitset meets `bitset`.
    ///
    /// Errors: `EINVAL` for an empty bitset, or if PI waiters are there.
    pub fn wake(&self, key: FutexKey, n: usize, bitset: u32) -> Result<usize, Errno> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        let wakers = self.0.lock().wake(key, n, bitset)?;
        Ok(wake_all(wakers))
    }
    /// Wakes `wake` waiters of `from` and moves up to `requeue` more to `to`, if `check` allows (`FUTEX_CMP_REQUEUE`).
    /// Returns how many were woken and moved.
    ///
    /// Errors: `EAGAIN` if `check` says no; those of `check`.
    pub fn requeue(
        &self,
        from: FutexKey,
        to: FutexKey,
        wake: usize,
        requeue: usize,
        check: impl FnOnce() -> Result<bool, Errno>,
    ) -> Result<(usize, usize), Errno> {
        let mut inner = self.0.lock();
        if !check()? {
            return Err(Errno::EAGAIN);
        }
        let wakers = inner.wake(from, wake, MATCH_ANY)?;
        let mut moved = 0;
        if from == to {
            moved = inner.queues.get(&from).map_or(0, Vec::len).min(requeue);
        } else {
            while moved < requeue {
                if inner.queues.get(&from).is_none_or(Vec::is_empty) {
                    break;
                }
                let Some(e) = inner.take(from, 0) else { break };
                inner.put(to, e);
                moved += 1;
            }
        }
        drop(inner);
        Ok((wake_all(wakers), moved))
    }
    /// `FUTEX_WAKE_OP`: `op` changes the second word and says whether its waiters wake, too.
    ///
    /// Errors: those of `op`; `EINVAL` if PI waiters are there.
    pub fn wake_op(
        &self,
        key: FutexKey,
        n: usize,
        key2: FutexKey,
        n2: usize,
        op: impl FnOnce() -> Result<bool, Errno>,
    ) -> Result<usize, Errno> {
        let mut inner = self.0.lock();
        let both = op()?;
        let mut wakers = inner.wake(key, n, MATCH_ANY)?;
        if both {
            wakers.extend(inner.wake(key2, n2, MATCH_ANY)?);
        }
        drop(inner);
        Ok(wake_all(wakers))
    }
    /// `FUTEX_LOCK_PI` (and `TRYLOCK_PI` with `try_only`) for thread `tid`; `owner_lives` checks the owner's number.
    ///
    /// Errors: `EDEADLK` if the caller owns it; `EAGAIN` if it is taken and `try_only`; `ESRCH` without an owner; `EFAULT`.
    pub fn lock_pi(
        &self,
        key: FutexKey,
        tid: u32,
        try_only: bool,
        waker: &Waker,
        word: &dyn FutexWord,
        owner_lives: impl Fn(u32) -> bool,
    ) -> Result<PiLock, Errno> {
        let mut inner = self.0.lock();
        let mut v = word.load()?;
        loop {
            let owner = v & TID_MASK;
            if owner == tid {
                return Err(Errno::EDEADLOCK);
            }
            let new = if owner == 0 {
                let more = if inner.queues.contains_key(&key) { WAITERS } else { 0 };
                tid | v & OWNER_DIED | more
            } else if try_only {
                return Err(Errno::EAGAIN);
            } else if !owner_lives(owner) {
                return Err(Errno::ESRCH);
            } else {
                v | WAITERS
            };
            let seen = word.compare_exchange(v, new)?;
            if seen != v {
                v = seen;
                continue;
            }
            if owner == 0 {
                return Ok(PiLock::Acquired);
            }
            let e = Entry { pi: Some(tid), ..Self::entry(MATCH_ANY, waker) };
            return Ok(PiLock::Wait(self.add(&mut inner, key, e)));
        }
    }
    /// `FUTEX_UNLOCK_PI`: hands the lock to the first waiter.
    ///
    /// Errors: `EPERM` if `tid` does not own it; `EAGAIN` if the word changed meanwhile; `EFAULT`.
    pub fn unlock_pi(&self, key: FutexKey, tid: u32, word: &dyn FutexWord) -> Result<(), Errno> {
        let mut inner = self.0.lock();
        let v = word.load()?;
        if v & TID_MASK != tid {
            return Err(Errno::EPERM);
        }
        let next = inner.queues.get(&key).and_then(|q| {
            let i = q.iter().position(|e| e.pi.is_some())?;
            Some((i, q[i].pi?, q.len() > 1))
        });
        let new = next.map_or(0, |(_, t, more)| t | if more { WAITERS } else { 0 });
        if word.compare_exchange(v, new)? != v {
            return Err(Errno::EAGAIN);
        }
        let e = next.and_then(|(i, ..)| inner.take(key, i));
        drop(inner);
        if let Some(e) = e {
            e.state.store(WOKEN, Ordering::SeqCst);
            e.waker.wake();
        }
        Ok(())
    }
    /// `FUTEX_WAIT_REQUEUE_PI`: waits at `key` to be moved to the PI lock at `to`. Woken means that `tid` owns that lock.
    ///
    /// Errors: `EAGAIN` if `check` says no; those of `check`.
    pub fn wait_requeue_pi(
        &self,
        key: FutexKey,
        to: FutexKey,
        tid: u32,
        waker: &Waker,
        check: impl FnOnce() -> Result<bool, Errno>,
    ) -> Result<FutexWaiter, Errno> {
        let mut inner = self.0.lock();
        if !check()? {
            return Err(Errno::EAGAIN);
        }
        let e = Entry { requeue_pi: Some((to, tid)), ..Self::entry(MATCH_ANY, waker) };
        Ok(self.add(&mut inner, key, e))
    }
    /// `FUTEX_CMP_REQUEUE_PI`: gives the lock at `to` to the first waiter if it is free, and moves up to `requeue` others there.
    /// Returns how many were woken or moved.
    ///
    /// Errors: `EAGAIN` if `check` says no; `EINVAL` for waiters that wait for another lock; `EFAULT`.
    pub fn requeue_pi(
        &self,
        from: FutexKey,
        to: FutexKey,
        requeue: usize,
        word: &dyn FutexWord,
        check: impl FnOnce() -> Result<bool, Errno>,
    ) -> Result<usize, Errno> {
        let mut inner = self.0.lock();
        if !check()? {
            return Err(Errno::EAGAIN);
        }
        let (mut done, mut wakers) = (0, Vec::new());
        while done <= requeue {
            let Some(target) = inner.queues.get(&from).and_then(|q| q.first()).map(|e| e.requeue_pi) else {
                break;
            };
            let Some((_, tid)) = target.filter(|t| t.0 == to) else { return Err(Errno::EINVAL) };
            let v = word.load()?;
            let free = v & TID_MASK == 0;
            let new = if free { tid | v & OWNER_DIED | v & WAITERS } else { v | WAITERS };
            if word.compare_exchange(v, new)? != v {
                continue;
            }
            let Some(mut e) = inner.take(from, 0) else { break };
            if free {
                e.state.store(WOKEN, Ordering::SeqCst);
                wakers.push(e.waker);
            } else {
                e.requeue_pi = None;
                e.pi = Some(tid);
                inner.put(to, e);
            }
            done += 1;
        }
        drop(inner);
        wake_all(wakers);
        Ok(done)
    }
}

/// Walks a dead thread's robust list, `set_robust_list(2)`. `read` loads a word of 8 bytes; `died` handles the futex word at an
/// address (marks it with [`OWNER_DIED`] and wakes one waiter). Ends at a fault or after 2048 entries.
pub fn walk_robust_list(head: u64, read: impl Fn(u64) -> Option<u64>, mut died: impl FnMut(u64, bool)) {
    let Some(offset) = head.checked_add(8).and_then(&read) else { return };
    let pending = head.checked_add(16).and_then(&read).unwrap_or(0);
    let mut at = read(head);
    for _ in 0..2048 {
        // The low bit of a pointer says that the futex is a PI one.
        let Some(entry) = at.filter(|e| e & !1 != head) else { break };
        let next = read(entry & !1);
        if entry & !1 != pending & !1 {
            died((entry & !1).wrapping_add(offset), entry & 1 != 0);
        }
        at = next;
    }
    if pending & !1 != 0 {
        died((pending & !1).wrapping_add(offset), pending & 1 != 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requeued_waiter_wakes_at_its_new_place() {
        let t = FutexTable::new();
        let (a, b) = (FutexKey { a: 1, b: 0, c: 0 }, FutexKey { a: 2, b: 0, c: 0 });
        let w = t.prepare_wait(a, MATCH_ANY, Waker::noop(), || Ok(true)).unwrap();
        assert_eq!(t.requeue(a, b, 0, 5, || Ok(true)), Ok((0, 1)));
        assert_eq!(t.wake(a, 1, MATCH_ANY), Ok(0));
        assert_eq!(t.wake(b, 1, MATCH_ANY), Ok(1));
        assert!(w.woken());
        let w = t.prepare_wait(a, 2, Waker::noop(), || Ok(true)).unwrap();
        assert_eq!(t.wake(a, 1, 1), Ok(0));
        drop(w);
        assert_eq!(t.wake(a, 1, MATCH_ANY), Ok(0));
    }
}
