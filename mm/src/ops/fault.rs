//! Page faults: the guest's, and the kernel's on the guest's behalf.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::{FileOffset, FrameStore};

use super::fill::{COPY_AROUND, View, WINDOW};
use super::place::GUARD;
use crate::resident::{Kind, Run};
use crate::space::{AddressSpace, Inner, guest_range};
use crate::types::{FaultAccess, FaultOutcome, MapOp, Prot, VmFlags};

/// Bytes by which a stack grows at once.
const STACK_STEP: u64 = 16 * PAGE_SIZE;
/// Faults remembered as spurious.
const SPURIOUS_MAX: usize = 64;

impl AddressSpace {
    /// Resolves a guest's fault at `addr`, or says which signal it gets. `SIGBUS` is for what cannot be supplied: past the end
    /// of a file, an I/O error, or no memory.
    ///
    /// `thread` tells the guest's threads apart: one that comes back with a fault that was resolved for it has made an access that is
    /// forbidden, but several may come with the same fault at once.
    pub fn handle_fault(&self, thread: u64, addr: GuestAddr, access: FaultAccess) -> FaultOutcome {
        self.update(|s| {
            s.faulting = Some(thread);
            let done = s.map_ahead(addr.page_down().0, access);
            let outcome = if done { FaultOutcome::Resumed } else { s.fault(addr.0, access, false) };
            // What is collected and was not carried out with the fault's own operations.
            let rest = s.apply(&[]);
            Ok(if done && rest.is_err() { FaultOutcome::ADRERR } else { outcome })
        })
        .unwrap_or(FaultOutcome::MAPERR)
    }
    pub(crate) fn fault_as(&self, addr: u64, access: FaultAccess, force: bool) -> FaultOutcome {
        self.update(|s| {
            s.faulting = None;
            Ok(s.fault(addr, access, force))
        })
        .unwrap_or(FaultOutcome::MAPERR)
    }
}

impl Inner {
    pub(crate) fn fault(&mut self, addr: u64, access: FaultAccess, force: bool) -> FaultOutcome {
        let page = addr & !(PAGE_SIZE - 1);
        let Some(vma) = self.vma_for_fault(page) else { return FaultOutcome::MAPERR };
        let p = vma.prot;
        let allowed = force && !(access == FaultAccess::Write && vma.flags.contains(VmFlags::SHARED))
            || match access {
                FaultAccess::Read | FaultAccess::Unknown => !p.is_empty(),
                FaultAccess::Write => p.contains(Prot::WRITE),
                FaultAccess::Exec => p.contains(Prot::EXEC),
            };
        if !allowed {
            return FaultOutcome::ACCERR;
        }
        let done = match self.resident.find(page) {
            None => self.fill(&vma, page, access),
            Some(run) => match self.resolve(&vma, page, run, access, force) {
                Ok(true) => Ok(()),
                Ok(false) => return self.nothing_to_do(addr, &vma, page, access, force),
                Err(e) => Err(e),
            },
        };
        match done {
            Ok(()) => FaultOutcome::Resumed,
            Err(_) => FaultOutcome::ADRERR,
        }
    }
    /// The mapping of `page`, after growing a stack over it if one may.
    fn vma_for_fault(&mut self, page: u64) -> Option<View> {
        if let Some(v) = self.vmas.find(page) {
            return Some(View::of(v));
        }
        let above = self.vmas.after(page)?;
        if !above.flags.contains(VmFlags::GROWSDOWN) {
            return None;
        }
        let (start, end) = (above.start, above.end);
        let mut floor = self.layout.min.0.max(end.saturating_sub(self.limits.stack_bytes));
        if let Some(below) = self.vmas.before(page) {
            let gap =
                if below.prot.is_empty() || below.flags.contains(VmFlags::GROWSDOWN) { 0 } else { GUARD };
            floor = floor.max(below.end.saturating_add(gap));
        }
        let floor = floor.checked_add(PAGE_SIZE - 1)? & !(PAGE_SIZE - 1);
        if page < floor || self.check_size(start - page, false).is_err() {
            return None;
        }
        let mut new = (page & !(STACK_STEP - 1)).max(floor);
        if self.check_size(start - new, false).is_err() {
            new = page;
        }
        let mut v = self.vmas.remove(start)?;
        v.start = new;
        self.vmas.insert(v);
        self.vmas.find(page).map(View::of)
    }
    /// Deals with a fault on a resident page. `false` if all that the access needs is in place.
    fn resolve(
        &mut self,
        vma: &View,
        page: u64,
        run: Run,
        access: FaultAccess,
        force: bool,
    ) -> Result<bool, Errno> {
        let best = run.kind.access(vma.prot);
        let write = match access {
            FaultAccess::Write => true,
            FaultAccess::Read | FaultAccess::Exec => false,
            // What is mapped as well as it can be but not writable must have been written to.
            FaultAccess::Unknown => {
                run.mapped == Some(best) && vma.prot.contains(Prot::WRITE) && !run.kind.writable()
            }
        };
        if write && !run.kind.writable() {
            match run.kind {
                Kind::SharedRo => self.announce_write(vma, page)?,
                _ => self.break_cow(vma, page, run)?,
            }
            return Ok(true);
        }
        if run.mapped == Some(best) || (force && best.is_empty()) {
            return Ok(false);
        }
        if best.is_empty() {
            return Ok(false);
        }
        self.show(vma, page)?;
        Ok(true)
    }
    /// Maps resident pages around `page` that the hardware does not show.
    fn show(&mut self, vma: &View, page: u64) -> Result<(), Errno> {
        let (lo, hi) = vma.window(page, WINDOW);
        let mut ops = Vec::new();
        for mut run in self.resident.take(lo, hi) {
            let access = run.kind.access(vma.prot);
            if run.mapped != Some(access) && !access.is_empty() {
                Self::push_map(&mut ops, &run, access);
                run.mapped = Some(access);
            }
            self.resident.insert(run);
        }
        let r = self.apply(&ops);
        if r.is_err() {
            self.forget(lo, hi);
        }
        r
    }
    /// First store to a page of a shared mapping.
    fn announce_write(&mut self, vma: &View, page: u64) -> Result<(), Errno> {
        let Some((object, first)) = &vma.file else { return Err(Errno::EFAULT) };
        let frame = object.page(first + (page - vma.start), true)?;
        self.frames.retain(frame.at(), 1);
        let new =
            Run { start: page, end: page + PAGE_SIZE, at: frame.at().0, kind: Kind::SharedRw, mapped: None };
        self.replace(vma, new)
    }
    /// Gives this address space its own copy of a private page, and of some around it.
    fn break_cow(&mut self, vma: &View, page: u64, run: Run) -> Result<(), Errno> {
        let sole = |s: &Inner, at: u64| s.frames.count(FileOffset(run.offset_of(at))) == 1;
        let reuse = sole(self, page);
        let (lo, hi) = vma.window(page, if reuse { WINDOW } else { self.copy_around(page, run.kind) });
        let (lo, hi) = (lo.max(run.start), hi.min(run.end));
        let (mut first, mut last) = (page, page + PAGE_SIZE);
        while first > lo && sole(self, first - PAGE_SIZE) == reuse {
            first -= PAGE_SIZE;
        }
        while last < hi && sole(self, last) == reuse {
            last += PAGE_SIZE;
        }
        let new = |start, end, at| Run { start, end, at, kind: Kind::Own, mapped: None };
        if reuse {
            // `replace` releases the references of what was there.
            self.frames.retain(FileOffset(run.offset_of(first)), (last - first) / PAGE_SIZE);
            return self.replace(vma, new(first, last, run.offset_of(first)));
        }
        let to = match self.frames.alloc((last - first) / PAGE_SIZE) {
            Ok(to) => to,
            Err(_) => {
                (first, last) = (page, page + PAGE_SIZE);
                self.frames.alloc(1)?
            }
        };
        self.frames.copy(FileOffset(run.offset_of(first)), to, last - first);
        self.replace(vma, new(first, last, to.0))
    }
    /// How much is copied at a store to a page. A program that has just changed the pages of a file below it relocates or initializes
    /// all of its variables.
    fn copy_around(&self, page: u64, kind: Kind) -> u64 {
        let below = (page & !(COPY_AROUND - 1)).checked_sub(PAGE_SIZE);
        let goes_on = below.and_then(|at| self.resident.find(at)).is_some_and(|r| r.kind == Kind::Own);
        if kind == Kind::Cache && goes_on { 4 * COPY_AROUND } else { COPY_AROUND }
    }
    /// Puts `new` (with its references) in the place of what is resident there.
    fn replace(&mut self, vma: &View, mut new: Run) -> Result<(), Errno> {
        let old = self.resident.take(new.start, new.end);
        let access = new.kind.access(vma.prot);
        let range = guest_range(new.start, new.end);
        let mut ops = Vec::new();
        if self.held_back && old.iter().all(|r| r.mapped.is_none()) {
            // Shown with all else.
        } else if !access.is_empty() {
            Self::push_map(&mut ops, &new, access);
            new.mapped = Some(access);
        } else if old.iter().any(|r| r.mapped.is_some()) {
            ops.push(MapOp::Unmap { range });
        }
        let result = self.apply(&ops);
        if result.is_err() {
            new.mapped = None;
        }
        self.resident.insert(new);
        // After a failure the guest may still reach the old frames, unless this works.
        if result.is_ok() || self.apply(&[MapOp::Unmap { range }]).is_ok() {
            self.release(&old);
        }
        result
    }
    /// A fault although everything is in place: another thread was faster, or the access is one that the mapping forbids and the
    /// backend cannot tell. The first is over when the guest tries again. The kernel's own accesses know what they need, so that only the
    /// first can be.
    fn nothing_to_do(
        &mut self,
        addr: u64,
        vma: &View,
        page: u64,
        access: FaultAccess,
        force: bool,
    ) -> FaultOutcome {
        let Some(thread) = self.faulting.filter(|_| !force) else { return FaultOutcome::Resumed };
        if self.precise && access != FaultAccess::Unknown {
            // The host may have lost the mapping: make it again the second time.
            if self.spurious.insert((thread, addr), self.generation) == Some(self.generation) {
                self.spurious.remove(&(thread, addr));
                self.forget(page, page + PAGE_SIZE);
                return self.show(vma, page).map_or(FaultOutcome::ADRERR, |()| FaultOutcome::Resumed);
            }
        } else if self.spurious.insert((thread, addr), self.generation) == Some(self.generation) {
            self.spurious.remove(&(thread, addr));
            return FaultOutcome::ACCERR;
        }
        if self.spurious.len() > SPURIOUS_MAX {
            let generation = self.generation;
            self.spurious.clear();
            self.spurious.insert((thread, addr), generation);
        }
        FaultOutcome::Resumed
    }
}
