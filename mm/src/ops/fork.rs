//! `fork(2)`: a copy of an address space that shares private pages until one side writes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::{FileOffset, FrameStore};

use crate::resident::{Kind, Run};
use crate::space::{AddressSpace, Inner, guest_range};
use crate::types::{MapOp, Prot, SpaceBackend, VmFlags};

/// Operations per call of the backend.
const BATCH: usize = 256;
/// Ranges that are mapped for a child at once. Each would else cost a fault, ten times as much; a child that only executes another
/// program needs few.
const MAPPED_AHEAD: usize = 64;
/// Pages in a piece of memory that is copied at once: a program's variables, or what was written since the last fork. Both sides will write
/// there again, and copying takes a third of one fault's time.
const COPIED_PIECE: u64 = 16;
/// Pages that are copied at once, besides the stack's.
const COPIED_AHEAD: u64 = 64;
/// Pages below and above the stack pointer's that are copied with it.
const STACK_AROUND: (u64, u64) = (1, 2);

impl AddressSpace {
    /// A copy, [`fork(2)`](https://man7.org/linux/man-pages/man2/fork.2.html), shown to the guest by `child_backend`. Private
    /// pages are shared and read-only on both sides until written, but for some that are likely to be written soon. What of
    /// the child is not mapped at once comes by faults. `MADV_DONTFORK` and `MADV_WIPEONFORK` are honoured; locks are not inherited.
    ///
    /// `only_stack` is the stack pointer of the only thread that runs in this address space. With several, `None`: then nothing is copied
    /// at once, because one of them could store while that goes on, and the copy show a later store without an earlier one.
    ///
    /// Errors: `ENOMEM` if the host refuses to protect the parent's pages.
    pub fn fork(
        &self,
        child_backend: Arc<dyn SpaceBackend>,
        only_stack: Option<GuestAddr>,
    ) -> Result<Arc<AddressSpace>, Errno> {
        let (layout, precise) = {
            let inner = self.inner.read();
            (inner.layout, inner.precise)
        };
        let child = AddressSpace::new(self.frames.clone(), child_backend, layout, precise);
        self.update(|parent| {
            // Held throughout, so that a truncation that the child hears of while it is filled waits for it.
            let mut inner = child.lock();
            parent.fork_into(&mut inner, &child, only_stack)
        })?;
        Ok(child)
    }
}

impl Inner {
    fn fork_into(
        &mut self,
        child: &mut Inner,
        observer: &Arc<AddressSpace>,
        only_stack: Option<GuestAddr>,
    ) -> Result<(), Errno> {
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
        let mut ahead: Vec<MapOp> = Vec::new();
        let mut left = COPIED_AHEAD;
        for (start, end, prot) in spans {
            let stack = only_stack.and_then(|sp| self.cut_out_stack(sp.0, start, end));
            for mut run in self.resident.take(start, end) {
                let copy = match stack {
                    // Of a stack, only that part.
                    Some(at) if at == run.start => self.copied(&run, prot),
                    None if only_stack.is_some() && run.pages() <= COPIED_PIECE.min(left) => {
                        self.copied(&run, prot).inspect(|copy| left -= copy.pages())
                    }
                    _ => None,
                };
                let copy = copy.unwrap_or_else(|| self.shared(&mut run, prot, &mut ops));
                // Only what the parent has mapped is in use.
                let access = copy.kind.access(prot);
                let is_mapped = run.mapped.is_some() && !access.is_empty() && ahead.len() < MAPPED_AHEAD;
                if is_mapped {
                    Inner::push_map(&mut ahead, &copy, access);
                }
                child.resident.insert(Run { mapped: is_mapped.then_some(access), ..copy });
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
        child.backend.apply_ahead(&ahead);
        Ok(())
    }

    /// Makes the pages about a stack pointer within a mapping a run of their own, if they are this address space's. Returns its start.
    fn cut_out_stack(&mut self, sp: u64, start: u64, end: u64) -> Option<u64> {
        let page = sp & !(PAGE_SIZE - 1);
        let run = self.resident.find(page).filter(|r| r.kind == Kind::Own && start <= page && page < end)?;
        let lo = page.saturating_sub(STACK_AROUND.0 * PAGE_SIZE).max(run.start).max(start);
        let hi = page.saturating_add((STACK_AROUND.1 + 1) * PAGE_SIZE).min(run.end).min(end);
        self.resident.cut(lo, hi);
        Some(lo)
    }

    /// A copy of a run, for the child alone: if it is the parent's alone, in use, can be written, and there is memory for it.
    fn copied(&self, run: &Run, prot: Prot) -> Option<Run> {
        if run.kind != Kind::Own || run.mapped.is_none() || !prot.contains(Prot::WRITE) {
            return None;
        }
        let to = self.frames.alloc(run.pages()).ok()?;
        self.frames.copy(FileOffset(run.at), to, run.end - run.start);
        Some(Run { at: to.0, ..*run })
    }

    /// What the child gets of a run that both have from now on.
    fn shared(&self, run: &mut Run, prot: Prot, ops: &mut Vec<MapOp>) -> Run {
        if run.kind == Kind::Own {
            run.kind = Kind::Cow;
            if let Some(old) = run.mapped {
                let access = Kind::Cow.access(prot);
                if old != access {
                    run.mapped = Some(access);
                    push_protect(ops, run, access);
                }
            }
        }
        self.frames.retain(FileOffset(run.at), run.pages());
        Run { kind: if run.kind == Kind::SharedRw { Kind::SharedRo } else { run.kind }, ..*run }
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
