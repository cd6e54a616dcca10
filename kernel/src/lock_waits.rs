//! Who waits for whose record locks, to find deadlocks.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::sync::{LockClass, Mutex};
use vfs::locks::LockOwner;

static WAITS: LockClass = LockClass::new("lock waits", 346);

#[derive(Clone, Copy)]
struct Wait {
    id: u64,
    waiter: LockOwner,
    holder: LockOwner,
}

#[derive(Default)]
struct Inner {
    last_id: u64,
    waits: Vec<Wait>,
}

/// The waits for record locks of one kernel.
pub(crate) struct LockWaits(Arc<Mutex<Inner>>);

impl Default for LockWaits {
    fn default() -> Self {
        LockWaits(Arc::new(Mutex::new(&WAITS, Inner::default())))
    }
}

/// One waiter; dropping it ends its wait.
pub(crate) struct Waiter {
    all: Arc<Mutex<Inner>>,
    id: u64,
    owner: LockOwner,
}

impl LockWaits {
    /// A waiter that does not wait yet.
    pub(crate) fn enter(&self, owner: LockOwner) -> Waiter {
        let id = {
            let mut inner = self.0.lock();
            inner.last_id += 1;
            inner.last_id
        };
        Waiter { all: self.0.clone(), id, owner }
    }
}

impl Waiter {
    /// It waits for a lock of `holder` now. Errors: `EDEADLK` if that closes a circle. Locks of open files are in no circle, as
    /// `fcntl(2)` says: anybody may give them up.
    pub(crate) fn waits_for(&self, holder: LockOwner) -> Result<(), Errno> {
        let mut inner = self.all.lock();
        inner.waits.retain(|w| w.id != self.id);
        if inner.leads_to(holder, self.owner) {
            return Err(Errno::EDEADLK);
        }
        if matches!(self.owner, LockOwner::Process(_)) {
            inner.waits.push(Wait { id: self.id, waiter: self.owner, holder });
        }
        Ok(())
    }
}

impl Inner {
    fn leads_to(&self, from: LockOwner, to: LockOwner) -> bool {
        let mut reached = alloc::vec![from];
        let mut next = 0;
        while let Some(at) = reached.get(next).copied() {
            if at == to {
                return true;
            }
            next += 1;
            for w in &self.waits {
                if w.waiter == at && !reached.contains(&w.holder) {
                    reached.push(w.holder);
                }
            }
        }
        false
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.all.lock().waits.retain(|w| w.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found() {
        let all = LockWaits::default();
        let [a, b, c] = [1, 2, 3].map(LockOwner::Process);
        let (wa, wb, wc) = (all.enter(a), all.enter(b), all.enter(c));
        assert_eq!(wa.waits_for(b), Ok(()));
        assert_eq!(wb.waits_for(c), Ok(()));
        assert_eq!(wc.waits_for(a), Err(Errno::EDEADLK));
        drop(wb);
        assert_eq!(wc.waits_for(a), Ok(()));
        assert_eq!(all.enter(b).waits_for(c), Err(Errno::EDEADLK));
        assert_eq!(all.enter(LockOwner::File(9)).waits_for(c), Ok(()));
    }
}
