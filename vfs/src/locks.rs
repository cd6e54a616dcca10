//! Advisory locks: `flock(2)`, `fcntl_locking(2)`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use kcore::id::Pid;
use kcore::io::{IoError, IoResult};
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};

static LOCKS: LockClass = LockClass::new("file locks", 344);

/// Who holds a range lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockOwner {
    /// A process (`F_SETLK`), by a number that is its own: goes at any close of the file by it.
    Process(u64),
    /// An open file (`F_OFD_SETLK`), by [`OpenFile::id`](crate::OpenFile::id).
    File(usize),
}

/// Shared or exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Shared.
    Read,
    /// Exclusive.
    Write,
}

/// A lock on bytes `start..=last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeLock {
    /// First byte.
    pub start: u64,
    /// Last byte; `u64::MAX` for the end of the file wherever it is.
    pub last: u64,
    /// Shared or exclusive.
    pub kind: LockKind,
    /// Who holds it.
    pub owner: LockOwner,
    /// What `F_GETLK` reports; -1 for an open file's.
    pub pid: Pid,
}

#[derive(Default)]
struct Inner {
    ranges: Vec<RangeLock>,
    whole: Vec<(usize, LockKind)>,
    queue: WaitQueue,
}

/// All advisory locks on one file.
pub struct FileLocks {
    inner: Mutex<Option<Box<Inner>>>,
    /// Whether there may be any: most files never have one, and each close asks.
    any: AtomicBool,
}

impl Default for FileLocks {
    fn default() -> Self {
        FileLocks { inner: Mutex::new(&LOCKS, None), any: AtomicBool::new(false) }
    }
}

fn conflicts(a: &RangeLock, b: &RangeLock) -> bool {
    let overlap = a.start <= b.last && b.start <= a.last;
    a.owner != b.owner && overlap && (a.kind == LockKind::Write || b.kind == LockKind::Write)
}

impl FileLocks {
    /// Where to wait after [`IoError::Again`].
    pub fn queue(&self) -> WaitQueue {
        self.inner.lock().get_or_insert_default().queue.clone()
    }
    /// The first lock that stands in the way of `want` (`F_GETLK`).
    pub fn test(&self, want: &RangeLock) -> Option<RangeLock> {
        self.inner.lock().as_ref()?.ranges.iter().find(|l| conflicts(l, want)).copied()
    }
    /// Whose locks stand in the way of `want`.
    pub fn holders(&self, want: &RangeLock) -> Vec<LockOwner> {
        let inner = self.inner.lock();
        let ranges = inner.as_ref().map_or(&[][..], |i| &i.ranges[..]);
        ranges.iter().filter(|l| conflicts(l, want)).map(|l| l.owner).collect()
    }
    /// The first lock of `want`'s own owner on its bytes (`F_OFD_GETLK` with `F_UNLCK`).
    pub fn held(&self, want: &RangeLock) -> Option<RangeLock> {
        let own = |l: &&RangeLock| l.owner == want.owner && l.start <= want.last && want.start <= l.last;
        self.inner.lock().as_ref()?.ranges.iter().find(own).copied()
    }
    /// Takes or converts a lock. Errors: [`IoError::Again`] if another is in the way. Deadlocks are not looked for.
    pub fn set(&self, want: RangeLock) -> IoResult<()> {
        let queue = {
            let mut g = self.inner.lock();
            self.any.store(true, Ordering::SeqCst);
            let inner = g.get_or_insert_default();
            if inner.ranges.iter().any(|l| conflicts(l, &want)) {
                return Err(IoError::Again);
            }
            inner.cut(want.owner, want.start, want.last);
            inner.ranges.push(want);
            inner.merge(want.owner);
            inner.queue.clone()
        };
        // A conversion to shared may let others in.
        queue.wake(Events::all());
        Ok(())
    }
    /// Gives up what `owner` holds of `start..=last`.
    pub fn unlock(&self, owner: LockOwner, start: u64, last: u64) {
        self.change(|i| i.cut(owner, start, last));
    }
    /// `flock(2)` by the open file with identity `file`. Errors: [`IoError::Again`] if another is in the way.
    pub fn flock(&self, file: usize, kind: LockKind) -> IoResult<()> {
        let (result, queue) = {
            let mut g = self.inner.lock();
            self.any.store(true, Ordering::SeqCst);
            let inner = g.get_or_insert_default();
            // As Linux: a conversion gives the old lock up first.
            inner.whole.retain(|(f, _)| *f != file);
            let free = inner.whole.iter().all(|(_, k)| kind == LockKind::Read && *k == LockKind::Read);
            if free {
                inner.whole.push((file, kind));
            }
            (if free { Ok(()) } else { Err(IoError::Again) }, inner.queue.clone())
        };
        queue.wake(Events::all());
        result
    }
    /// Gives up a `flock(2)` lock.
    pub fn funlock(&self, file: usize) {
        self.change(|i| i.whole.retain(|(f, _)| *f != file));
    }
    /// Gives up all that an open file holds.
    pub(crate) fn drop_file(&self, file: usize) {
        self.change(|i| {
            i.whole.retain(|(f, _)| *f != file);
            i.ranges.retain(|l| l.owner != LockOwner::File(file));
        });
    }
    /// All locks, for `/proc/locks`.
    pub fn list(&self) -> Vec<RangeLock> {
        self.inner.lock().as_ref().map_or(Vec::new(), |i| i.ranges.clone())
    }
    fn change(&self, f: impl FnOnce(&mut Inner)) {
        if !self.any.load(Ordering::SeqCst) {
            return;
        }
        let queue = {
            let mut g = self.inner.lock();
            let Some(inner) = g.as_mut() else { return };
            f(inner);
            inner.queue.clone()
        };
        queue.wake(Events::all());
    }
}

impl Inner {
    fn cut(&mut self, owner: LockOwner, start: u64, last: u64) {
        let old = core::mem::take(&mut self.ranges);
        for l in old {
            if l.owner != owner || l.last < start || l.start > last {
                self.ranges.push(l);
                continue;
            }
            if l.start < start {
                self.ranges.push(RangeLock { last: start - 1, ..l });
            }
            if l.last > last {
                self.ranges.push(RangeLock { start: last + 1, ..l });
            }
        }
    }
    fn merge(&mut self, owner: LockOwner) {
        self.ranges.sort_by_key(|l| l.start);
        let mut out: Vec<RangeLock> = Vec::new();
        for l in core::mem::take(&mut self.ranges) {
            let prev = out.iter_mut().rev().find(|p| p.owner == owner && l.owner == owner);
            match prev {
                Some(p) if p.kind == l.kind && p.last.checked_add(1) == Some(l.start) => p.last = l.last,
                _ => out.push(l),
            }
        }
        self.ranges = out;
    }
}
