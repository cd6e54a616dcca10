//! The child's copy of an address space at `fork(2)`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::frame::{FileOffset, FrameStore};

use crate::resident::{Kind, Run};
use crate::space::{AddressSpace, Inner, guest_range};
use crate::types::{MapOp, SpaceBackend, VmFlags};

impl AddressSpace {
    /// A copy for a child, shown by `backend`. Private pages are shared until one side writes; this side's are protected now.
    ///
    /// Errors: `ENOMEM` if the host refuses a change of protection.
    pub fn fork(&self, backend: Arc<dyn SpaceBackend>) -> Result<Arc<AddressSpace>, Errno> {
        let (layout, precise, marks) = {
            let s = self.inner.read();
            (s.layout, s.precise, (s.brk_start, s.brk_end, s.limits))
        };
        let child = AddressSpace::new(self.frames.clone(), backend, layout, precise);
        let (vmas, runs) = self.update(|s| s.fork_parts())?;
        child.update(|c| {
            for v in &vmas {
                if let Some((file, _)) = v.file_at(v.start)
                    && let Some(me) = c.observer()
                {
                    file.object.observe(&me);
                }
            }
            vmas.into_iter().for_each(|v| c.vmas.insert(v));
            runs.into_iter().for_each(|r| c.resident.insert(r));
            (c.brk_start, c.brk_end, c.limits) = marks;
            Ok(())
        })?;
        Ok(child)
    }
}

impl Inner {
    /// The child's mappings and resident pages, which own their references.
    fn fork_parts(&mut self) -> Result<(Vec<crate::vma::Vma>, Vec<Run>), Errno> {
        let mut vmas = Vec::new();
        for v in self.vmas.iter().filter(|v| !v.flags.contains(VmFlags::DONTFORK)) {
            let mut copy = v.clone();
            copy.flags.remove(VmFlags::LOCKED | VmFlags::LOCK_ON_FAULT);
            vmas.push(copy);
        }
        let mut ops: Vec<MapOp> = Vec::new();
        let mut runs = Vec::new();
        for v in &vmas {
            for mut run in self.resident.take(v.start, v.end) {
                if matches!(run.kind, Kind::Own) {
                    run.kind = Kind::Cow;
                    let access = run.kind.access(v.prot);
                    if run.mapped.is_some_and(|m| m != access) {
                        run.mapped = Some(access);
                        ops.push(MapOp::Protect { range: guest_range(run.start, run.end), access });
                    }
                }
                if !v.flags.contains(VmFlags::WIPEONFORK) {
                    self.frames.retain(FileOffset(run.at), run.pages());
                    runs.push(Run { mapped: None, ..run });
                }
                self.resident.insert(run);
            }
        }
        if let Err(e) = self.apply(&ops) {
            self.release(&runs);
            return Err(e);
        }
        Ok((vmas, runs))
    }
}
