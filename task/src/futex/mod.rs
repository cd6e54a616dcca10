//! Futexes, `futex(2)`. Words of guest memory are reached through closures, which run under the table's lock (rank 260).

mod pi;
mod robust;

pub use pi::{PiLock, PiOwner, PiWaiter};
pub use robust::{RobustEntry, walk_robust_list};

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::Waker;

use abi::Errno;
use kcore::sync::{LockClass, Mutex};

use crate::task::TaskId;

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
pub trait FutexWord: Send + Sync {
    /// Loads it.
    ///
    /// Errors: `EFAULT`.
    fn load(&self) -> Result<u32, Errno>;
    /// Stores `new` if it is `old`; returns what it was.
    ///
    /// Errors: `EFAULT`.
    fn compare_exchange(&self, old: u32, new: u32) -> Result<u32, Errno>;
}

const WAITING: u8 = 0;
const WOKEN: u8 = 1;
/// Moved to a PI lock by `requeue_pi`, and not yet its owner.
const MOVED: u8 = 2;

struct Entry {
    id: u64,
    bitset: u32,
    /// The thread, for one that waits for a PI lock.
    pi: Option<PiWaiter>,
    /// Where `requeue_pi` may move it, and who it is there.
    requeue_pi: Option<(FutexKey, PiWaiter)>,
    state: Arc<AtomicU8>,
    waker: Waker,
}

impl Entry {
    fn new(bitset: u32, waker: &Waker) -> Entry {
        Entry { id: 0, bitset, pi: None, requeue_pi: None, state: Arc::default(), waker: waker.clone() }
    }
    fn is_plain(&self) -> bool {
        self.pi.is_none() && self.requeue_pi.is_none()
    }
    /// Marks it as woken. Under the table's lock, so that [`FutexWaiter::cancel`] sees it.
    fn woken(self) -> Waker {
        self.state.store(WOKEN, Ordering::SeqCst);
        self.waker
    }
}

#[derive(Default)]
struct Inner {
    queues: BTreeMap<FutexKey, Vec<Entry>>,
    /// Where each waiter is; requeueing moves it.
    places: BTreeMap<u64, FutexKey>,
    /// Who owns the PI locks that have waiters.
    owners: BTreeMap<FutexKey, TaskId>,
    next: u64,
}

impl Inner {
    fn take(&mut self, key: FutexKey, i: usize) -> Option<Entry> {
        let q = self.queues.get_mut(&key)?;
        let e = q.remove(i);
        if q.is_empty() {
            self.queues.remove(&key);
            self.owners.remove(&key);
        }
        self.places.remove(&e.id);
        Some(e)
    }
    fn put(&mut self, key: FutexKey, e: Entry) {
        self.places.insert(e.id, key);
        self.queues.entry(key).or_default().push(e);
    }
    /// Wakes `n` waiters. A waiter for a PI lock makes that `EINVAL`, if it is reached; those before it are woken then.
    fn wake(
        &mut self,
        key: FutexKey,
        n: usize,
        bitset: u32,
        wakers: &mut Vec<Waker>,
    ) -> Result<usize, Errno> {
        let (mut i, mut woken) = (0, 0);
        while woken < n {
            let Some(e) = self.queues.get(&key).and_then(|q| q.get(i)) else { break };
            if !e.is_plain() {
                return Err(Errno::EINVAL);
            }
            if e.bitset & bitset == 0 {
                i += 1;
                continue;
            }
            let Some(e) = self.take(key, i) else { break };
            wakers.push(e.woken());
            woken += 1;
        }
        Ok(woken)
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
    /// Whether `requeue_pi` moved it to the lock, which it does not own yet.
    pub fn moved(&self) -> bool {
        self.state.load(Ordering::SeqCst) == MOVED
    }
    /// Leaves the queue, as a wait that ends for another reason does. Returns whether it was woken before that: then the wake
    /// must count, or it would be lost.
    pub fn cancel(&self) -> bool {
        let mut inner = self.table.0.lock();
        let Some(key) = inner.places.get(&self.id).copied() else { return self.woken() };
        let at = inner.queues.get(&key).and_then(|q| q.iter().position(|e| e.id == self.id));
        let entry = at.and_then(|i| inner.take(key, i));
        drop(inner);
        drop(entry);
        false
    }
}

impl Drop for FutexWaiter {
    fn drop(&mut self) {
        self.cancel();
    }
}

fn wake_all(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
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
    /// Runs `f` under the lock and wakes what it collected, also when it fails.
    fn with_wakers<R>(
        &self,
        f: impl FnOnce(&mut Inner, &mut Vec<Waker>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let mut wakers = Vec::new();
        let result = f(&mut self.0.lock(), &mut wakers);
        wake_all(wakers);
        result
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
        Ok(self.add(&mut inner, key, Entry::new(bitset, waker)))
    }
    /// Wakes up to `n` waiters whose bitset meets `bitset`.
    ///
    /// Errors: `EINVAL` for an empty bitset, or if PI waiters are there.
    pub fn wake(&self, key: FutexKey, n: usize, bitset: u32) -> Result<usize, Errno> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        self.with_wakers(|inner, wakers| inner.wake(key, n, bitset, wakers))
    }
    /// Wakes `wake` waiters of `from` and moves up to `requeue` more to `to`, if `check` allows (`FUTEX_CMP_REQUEUE`).
    /// Returns how many were woken or moved.
    ///
    /// Errors: `EAGAIN` if `check` says no; those of `check`; `EINVAL` if PI waiters are there.
    pub fn requeue(
        &self,
        from: FutexKey,
        to: FutexKey,
        wake: usize,
        requeue: usize,
        check: impl FnOnce() -> Result<bool, Errno>,
    ) -> Result<usize, Errno> {
        self.with_wakers(|inner, wakers| {
            if !check()? {
                return Err(Errno::EAGAIN);
            }
            let woken = inner.wake(from, wake, MATCH_ANY, wakers)?;
            if from == to {
                return Ok(woken + inner.queues.get(&from).map_or(0, Vec::len).min(requeue));
            }
            let mut moved = 0;
            while moved < requeue {
                match inner.queues.get(&from).and_then(|q| q.first()) {
                    None => break,
                    Some(e) if !e.is_plain() => return Err(Errno::EINVAL),
                    Some(_) => {}
                }
                let Some(e) = inner.take(from, 0) else { break };
                inner.put(to, e);
                moved += 1;
            }
            Ok(woken + moved)
        })
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
        self.with_wakers(|inner, wakers| {
            let both = op()?;
            let mut woken = inner.wake(key, n, MATCH_ANY, wakers)?;
            if both {
                woken += inner.wake(key2, n2, MATCH_ANY, wakers)?;
            }
            Ok(woken)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: FutexKey = FutexKey { a: 1, b: 0, c: 0 };
    const B: FutexKey = FutexKey { a: 2, b: 0, c: 0 };

    #[test]
    fn a_requeued_waiter_wakes_at_its_new_place() {
        let t = FutexTable::new();
        let w = t.prepare_wait(A, MATCH_ANY, Waker::noop(), || Ok(true)).unwrap();
        assert_eq!(t.requeue(A, B, 0, 5, || Ok(true)), Ok(1));
        assert_eq!(t.wake(A, 1, MATCH_ANY), Ok(0));
        assert_eq!(t.wake(B, 1, MATCH_ANY), Ok(1));
        assert!(w.woken());
        let w = t.prepare_wait(A, 2, Waker::noop(), || Ok(true)).unwrap();
        assert_eq!(t.wake(A, 1, 1), Ok(0));
        drop(w);
        assert_eq!(t.wake(A, 1, MATCH_ANY), Ok(0));
    }
    #[test]
    fn a_wake_before_a_cancellation_counts() {
        let t = FutexTable::new();
        let wait = || t.prepare_wait(A, MATCH_ANY, Waker::noop(), || Ok(true)).unwrap();
        let (first, second) = (wait(), wait());
        assert_eq!(t.wake(A, 1, MATCH_ANY), Ok(1));
        assert!(first.cancel());
        assert!(!second.cancel());
        assert_eq!(t.wake(A, 1, MATCH_ANY), Ok(0));
    }
    #[test]
    fn requeue_counts_both_kinds() {
        let t = FutexTable::new();
        let waiters: Vec<_> =
            (0..5).map(|_| t.prepare_wait(A, MATCH_ANY, Waker::noop(), || Ok(true)).unwrap()).collect();
        assert_eq!(t.requeue(A, B, 2, 2, || Ok(false)), Err(Errno::EAGAIN));
        assert_eq!(t.requeue(A, B, 2, 2, || Ok(true)), Ok(4));
        assert_eq!(waiters.iter().filter(|w| w.woken()).count(), 2);
        assert_eq!(t.wake_op(A, 9, B, 9, || Ok(true)), Ok(3));
    }
}
