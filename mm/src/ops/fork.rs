//! `fork(2)`: a copy of an address space that shares private pages until one side writes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::frame::{FileOffset, FrameStore};

use crate::resident::{Kind, Run};
use crate::space::{AddressSpace, Inner, guest_range};
use crate::types::{MapOp, Prot, SpaceBackend, VmFlags};

/// Operations per call of the backend.
const BATCH: usize = 256;

impl AddressSpace {
    /// A copy, [`fork(2)`](https://man7.org/linux/man-pages/man2/fork.2.html), shown to the guest by `child_backend`. Private
    /// pages are shared and read-only on both sides until written; the child's hardware mappings come by faults.
    /// `MADV_DONTFORK` and `MADV_WIPEONFORK` are honoured; locks are not inherited.
    ///
    /// Errors: `ENOMEM` if the host refuses to protect the parent's pages.
    pub fn fork(&self, child_backend: Arc<dyn SpaceBackend>) -> Result<Arc<AddressSpace>, Errno> {
        let (layout, precise) = {
            let inner = self.inner.read();
            (inner.layout, inner.precise)
        };
        let child = AddressSpace::new(self.frames.clone(), child_backend, layout, precise);
        self.update(|parent| {
            // Held throughout, so that a truncation that the child hears of while it is filled waits for it.
            let mut inner = child.inner.write();
            parent.fork_into(&mut inner, &child)
        })?;
        Ok(child)
    }
}

impl Inner {
    fn fork_into(&mut self, child: &mut Inner, observer: &Arc<AddressSpace>) -> Result<(), Errno> {
        child.limits = self.limits;
        child.brk_start = self.brk_start;
        child.brk_end = self.brk_end;
        child.marks = self.marks;
        let mut ops: Vec<MapOp> = Vec::new();
        let mut spans: Vec<(u64, u64, Prot)> = Vec::new();
        for v in self.vmas.iter() {
            if v.flags.contains(VmFlags::DONTFORK) {
                continue;
            }
            let mut copy = v.clone();
            copy.flags -= VmFlags::LOCKED | VmFlags::LOCK_ON_FAULT;
            if let Some((file, _)) = copy.file_at(copy.start) {
                let observer: Arc<dyn kcore::mappable::MappingObserver> = observer.clone();
                file.object.observe(&observer);
            }
            child.vmas.insert(copy);
            if !v.flags.contains(VmFlags::WIPEONFORK) {
                spans.push((v.start, v.end, v.prot));
            }
        }
        for (start, end, prot) in spans {
            for mut run in self.resident.take(start, end) {
                if run.kind == Kind::Own {
                    run.kind = Kind::Cow;
                    if let Some(old) = run.mapped {
                        let access = Kind::Cow.access(prot);
                        if old != access {
                            run.mapped = Some(access);
                            push_protect(&mut ops, &run, access);
                        }
                    }
                }
                self.frames.retain(FileOffset(run.at), run.pages());
                let kind = if run.kind == Kind::SharedRw { Kind::SharedRo } else { run.kind };
                child.resident.insert(Run { mapped: None, kind, ..run });
                self.resident.insert(run);
            }
        }
        for batch in ops.chunks(BATCH) {
            if let Err(e) = self.apply(batch) {
                // Pages that are still writable in hardware must not be shared: unmap everything, and if even that fails, the
                // child must not exist (it is dropped by the caller's error path, and the pages are the parent's again by count).
                self.forget(0, !0xfff);
                return Err(e);
            }
        }
        Ok(())
    }
}

fn push_protect(ops: &mut Vec<MapOp>, run: &Run, access: Prot) {
    if let Some(MapOp::Protect { range, access: a }) = ops.last_mut()
        && *a == access
        && range.end().0 == run.start
    {
        *range = guest_range(range.start().0, run.end);
        return;
    }
    ops.push(MapOp::Protect { range: guest_range(run.start, run.end), access });
}
