//! Leases, [`F_SETLEASE(2const)`](https://man7.org/linux/man-pages/man2/F_SETLEASE.2const.html): who holds one is told before another
//! opens or truncates the file, and may finish first.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use kcore::io::{IoError, IoResult};
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};

use crate::Errno;

static LEASES: LockClass = LockClass::new("file leases", 345);

/// What a lease is against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseKind {
    /// Opening for writing, and truncation (`F_RDLCK`).
    Read,
    /// Opening at all (`F_WRLCK`).
    Write,
}

/// Who holds a lease.
pub trait LeaseHolder: Send + Sync {
    /// Somebody waits for the lease to be given up. Called without locks.
    fn broken(&self);
}

struct Lease {
    /// [`OpenFile::id`](crate::OpenFile::id).
    file: usize,
    kind: LeaseKind,
    /// What it has to become, while somebody waits for that: another kind, or nothing.
    breaking: Option<Option<LeaseKind>>,
    holder: Arc<dyn LeaseHolder>,
}

impl Lease {
    /// What somebody who opens the file asks of it: nothing, or to become something else.
    fn asked(&self, write: bool) -> Option<Option<LeaseKind>> {
        match (self.kind, write) {
            (_, true) => Some(None),
            (LeaseKind::Write, false) => Some(Some(LeaseKind::Read)),
            (LeaseKind::Read, false) => None,
        }
    }
}

/// The leases on one file.
pub struct Leases {
    any: AtomicBool,
    state: Mutex<Vec<Lease>>,
    queue: WaitQueue,
}

impl Default for Leases {
    fn default() -> Leases {
        let state = Mutex::new(&LEASES, Vec::new());
        Leases { any: AtomicBool::new(false), state, queue: WaitQueue::new() }
    }
}

impl Leases {
    /// Where to wait after [`IoError::Again`].
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }
    /// The lease of an open file: what it is to become, if somebody waits for that.
    pub fn get(&self, file: usize) -> Option<LeaseKind> {
        let state = self.state.lock();
        let lease = state.iter().find(|l| l.file == file)?;
        lease.breaking.unwrap_or(Some(lease.kind))
    }
    /// Takes or changes a lease. The caller has looked at who else has the file open. Errors: `EAGAIN` if another open file has
    /// one that does not go with it, or if it is to be given up.
    pub(crate) fn set(
        &self,
        file: usize,
        kind: LeaseKind,
        holder: Arc<dyn LeaseHolder>,
    ) -> Result<(), Errno> {
        let old = {
            let mut state = self.state.lock();
            let others = state.iter().any(|l| {
                let exclusive = kind == LeaseKind::Write || l.kind == LeaseKind::Write;
                l.file != file && (exclusive || l.breaking.is_some())
            });
            let own = state.iter_mut().find(|l| l.file == file);
            // One that is to be given up may only become what it has to.
            let stuck = own.as_ref().is_some_and(|l| l.breaking.is_some_and(|to| to != Some(kind)));
            if others || stuck {
                return Err(Errno::EAGAIN);
            }
            self.any.store(true, Ordering::SeqCst);
            match own {
                Some(lease) => {
                    (lease.kind, lease.breaking) = (kind, None);
                    Some(core::mem::replace(&mut lease.holder, holder))
                }
                None => {
                    state.push(Lease { file, kind, breaking: None, holder });
                    None
                }
            }
        };
        drop(old);
        self.queue.wake(Events::all());
        Ok(())
    }
    /// Gives up the lease of an open file. Errors: `EAGAIN` if it has none.
    pub fn remove(&self, file: usize) -> Result<(), Errno> {
        if !self.any.load(Ordering::SeqCst) {
            return Err(Errno::EAGAIN);
        }
        let removed = {
            let mut state = self.state.lock();
            let at = state.iter().position(|l| l.file == file).ok_or(Errno::EAGAIN)?;
            let removed = state.swap_remove(at);
            self.any.store(!state.is_empty(), Ordering::SeqCst);
            removed
        };
        drop(removed);
        self.queue.wake(Events::all());
        Ok(())
    }
    /// Somebody opens the file, for writing (or truncates it) or not. Errors: `Again` while there are leases against that; who holds
    /// them has been told.
    pub fn check(&self, write: bool) -> IoResult<()> {
        if !self.any.load(Ordering::SeqCst) {
            return Ok(());
        }
        let (mut told, mut free) = (Vec::new(), true);
        for lease in self.state.lock().iter_mut() {
            let Some(to) = lease.asked(write) else { continue };
            free = false;
            // Asked for once, and again if more is asked for.
            if lease.breaking.is_none_or(|before| before.is_some() && to.is_none()) {
                if lease.breaking.is_none() {
                    told.push(lease.holder.clone());
                }
                lease.breaking = Some(to);
            }
        }
        for holder in told {
            holder.broken();
        }
        if free { Ok(()) } else { Err(IoError::Again) }
    }
    /// Who holds the leases that `check` waits for has had enough time: they become what they have to.
    pub fn expire(&self) {
        let mut gone = Vec::new();
        {
            let mut state = self.state.lock();
            for mut lease in core::mem::take(&mut *state) {
                match lease.breaking.take() {
                    Some(None) => gone.push(lease),
                    Some(Some(kind)) => state.push(Lease { kind, ..lease }),
                    None => state.push(lease),
                }
            }
            self.any.store(!state.is_empty(), Ordering::SeqCst);
        }
        drop(gone);
        self.queue.wake(Events::all());
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU32;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl LeaseHolder for Count {
        fn broken(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_holder_is_told_once_and_given_time() {
        let (leases, holder) = (Leases::default(), Arc::new(Count::default()));
        assert_eq!(leases.check(true), Ok(()));
        leases.set(1, LeaseKind::Write, holder.clone()).unwrap();
        assert_eq!(leases.set(2, LeaseKind::Read, holder.clone()), Err(Errno::EAGAIN));
        assert_eq!(leases.check(false), Err(IoError::Again));
        assert_eq!(leases.check(false), Err(IoError::Again));
        assert_eq!(holder.0.load(Ordering::Relaxed), 1);
        assert_eq!(leases.get(1), Some(LeaseKind::Read), "what it has to become");
        assert_eq!(leases.set(1, LeaseKind::Write, holder.clone()), Err(Errno::EAGAIN));
        leases.set(1, LeaseKind::Read, holder.clone()).unwrap();
        assert_eq!(leases.check(false), Ok(()));
        assert_eq!(leases.check(true), Err(IoError::Again));
        assert_eq!(leases.get(1), None);
        leases.expire();
        assert_eq!(leases.check(true), Ok(()));
        assert_eq!(leases.remove(1), Err(Errno::EAGAIN));
    }
}
