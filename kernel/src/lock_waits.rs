//! Who waits for whose record locks, to find deadlocks.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::sync::{LockClass, Mutex};
use vfs::Inode;
use vfs::locks::{LockOwner, RangeLock};

static WAITS: LockClass = LockClass::new("lock waits", 343);

struct Wait {
    id: u64,
    /// What is waited for, and by whom. Who holds it changes before the waiter hears of it, so that it is looked up when it matters.
    want: RangeLock,
    file: Arc<dyn Inode>,
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
}

impl LockWaits {
    /// A waiter that does not wait yet.
    pub(crate) fn enter(&self) -> Waiter {
        let id = {
            let mut inner = self.0.lock();
            inner.last_id += 1;
            inner.last_id
        };
        Waiter { all: self.0.clone(), id }
    }
}

impl Waiter {
    /// It waits for `want` on `file` now. Errors: `EDEADLK` if that closes a circle. Locks of open files are in no circle, as
    /// `fcntl(2)` says: anybody may give them up.
    pub(crate) fn waits_for(&self, file: &Arc<dyn Inode>, want: RangeLock) -> Result<(), Errno> {
        let mut inner = self.all.lock();
        inner.waits.retain(|w| w.id != self.id);
        if inner.leads_to(file.common().locks().holders(&want), want.owner) {
            return Err(Errno::EDEADLK);
        }
        if matches!(want.owner, LockOwner::Process(_)) {
            inner.waits.push(Wait { id: self.id, want, file: file.clone() });
        }
        Ok(())
    }
}

impl Inner {
    /// Whether one of `reached` is `to`, or waits for it, over others perhaps.
    fn leads_to(&self, mut reached: Vec<LockOwner>, to: LockOwner) -> bool {
        let mut next = 0;
        while let Some(at) = reached.get(next).copied() {
            if at == to {
                return true;
            }
            next += 1;
            for w in self.waits.iter().filter(|w| w.want.owner == at) {
                for holder in w.file.common().locks().holders(&w.want) {
                    if !reached.contains(&holder) {
                        reached.push(holder);
                    }
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
    use kcore::id::Pid;
    use kcore::io::IoResult;
    use vfs::locks::LockKind;
    use vfs::{FileOps, InodeAttr, InodeCommon, Path};

    use super::*;

    #[derive(Default)]
    struct Node(InodeCommon);

    impl Inode for Node {
        fn common(&self) -> &InodeCommon {
            &self.0
        }
        fn attr(&self) -> Result<InodeAttr, Errno> {
            Err(Errno::EIO)
        }
        fn open(self: Arc<Self>, _: &Path, _: u32) -> IoResult<Arc<dyn FileOps>> {
            Err(Errno::EIO.into())
        }
    }

    fn lock(owner: LockOwner, byte: u64) -> RangeLock {
        RangeLock { start: byte, last: byte, kind: LockKind::Write, owner, pid: Pid(1) }
    }

    #[test]
    fn circles_are_found() {
        let all = LockWaits::default();
        let file: Arc<dyn Inode> = Arc::new(Node::default());
        let locks = file.common().locks();
        let [a, b, c] = [1, 2, 3].map(LockOwner::Process);
        for (owner, byte) in [(a, 1), (b, 2), (c, 3)] {
            locks.set(lock(owner, byte)).unwrap();
        }
        let (wa, wb, wc) = (all.enter(), all.enter(), all.enter());
        assert_eq!(wa.waits_for(&file, lock(a, 2)), Ok(()));
        assert_eq!(wb.waits_for(&file, lock(b, 3)), Ok(()));
        assert_eq!(wc.waits_for(&file, lock(c, 1)), Err(Errno::EDEADLK));
        assert_eq!(all.enter().waits_for(&file, lock(LockOwner::File(9), 1)), Ok(()));
        // What is given up holds nobody up any more, even if the waiter has not heard of it.
        locks.unlock(c, 3, 3);
        assert_eq!(wc.waits_for(&file, lock(c, 1)), Ok(()));
        locks.set(lock(c, 3)).unwrap();
        assert_eq!(wb.waits_for(&file, lock(b, 3)), Err(Errno::EDEADLK));
        drop(wc);
        assert_eq!(wb.waits_for(&file, lock(b, 3)), Ok(()));
    }
}
