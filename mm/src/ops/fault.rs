//! Page faults: the guest's, and the kernel's on the guest's behalf.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::{FileOffset, FrameStore};
use kcore::mappable::Mappable;

use super::place::GUARD;
use crate::resident::{Kind, Run};
use crate::space::{AddressSpace, Inner, guest_range};
use crate::types::{FaultAccess, FaultOutcome, MapOp, Prot, VmFlags};
use crate::vma::Vma;

/// Bytes that an anonymous fault fills, aligned.
const WINDOW: u64 = 2 << 20;
/// Bytes around a file fault whose resident pages are mapped too.
const FILE_AROUND: u64 = 64 * PAGE_SIZE;
/// Bytes around a fault on shared anonymous memory that are filled.
const SHARED_AROUND: u64 = 64 * PAGE_SIZE;
/// Bytes copied by one copy-on-write fault, aligned.
const COPY_AROUND: u64 = 16 * PAGE_SIZE;
/// Bytes by which a stack grows at once.
const STACK_STEP: u64 = 16 * PAGE_SIZE;
/// Faults remembered as spurious.
const SPURIOUS_MAX: usize = 64;

/// What a fault needs to know of a mapping, without borrowing it.
struct View {
    start: u64,
    end: u64,
    prot: Prot,
    flags: VmFlags,
    /// The object, and the offset of the mapping's first page in it.
    file: Option<(Arc<dyn Mappable>, u64)>,
}

impl View {
    fn of(v: &Vma) -> View {
        let file = v.file_at(v.start).map(|(f, offset)| (f.object.clone(), offset));
        View { start: v.start, end: v.end, prot: v.prot, flags: v.flags, file }
    }
    /// The aligned window of `size` bytes around `page`, cut to the mapping.
    fn window(&self, page: u64, size: u64) -> (u64, u64) {
        let lo = page & !(size - 1);
        (lo.max(self.start), lo.saturating_add(size).min(self.end))
    }
}

impl AddressSpace {
    /// Resolves a guest's fault at `addr`, or says which signal it gets. `SIGBUS` is for what cannot be supplied: past the end
    /// of a file, an I/O error, or no memory.
    ///
    /// `thread` tells the guest's threads apart: one that comes back with a fault that was resolved for it has made an access that is
    /// forbidden, but several may come with the same fault at once.
    pub fn handle_fault(&self, thread: u64, addr: GuestAddr, access: FaultAccess) -> FaultOutcome {
        self.update(|s| {
            s.faulting = Some(thread);
            Ok(s.fault(addr.0, access, false))
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
    /// Makes a page that is not resident so.
    fn fill(&mut self, vma: &View, page: u64, access: FaultAccess) -> Result<(), Errno> {
        let write = access == FaultAccess::Write;
        let Some((object, first)) = &vma.file else { return self.fill_anon(vma, page) };
        let offset_of = |at: u64| first + (at - vma.start);
        let shared = vma.flags.contains(VmFlags::SHARED);
        let eager = vma.flags.contains(VmFlags::SHARED_ANON);
        let write_shared = eager || (shared && write);
        let frame = object.page(offset_of(page), write_shared)?;
        if write && !shared {
            return self.fill_copies(vma, page, &frame);
        }
        let kind = match (shared, write_shared) {
            (false, _) => Kind::Cache,
            (true, false) => Kind::SharedRo,
            (true, true) => Kind::SharedRw,
        };
        let (lo, hi) = vma.window(page, if eager { SHARED_AROUND } else { FILE_AROUND });
        let (lo, hi) = self.resident.hole(page, lo, hi);
        // Pages around may be there without having been announced for writing.
        let around = if kind == Kind::SharedRw && !eager { Kind::SharedRo } else { kind };
        let mut runs = Vec::new();
        let mut at = lo;
        while at < hi {
            let (f, kind) = if at == page {
                (Some(frame.clone()), kind)
            } else if eager {
                (object.page(offset_of(at), true).ok(), kind)
            } else {
                (object.resident_page(offset_of(at)), around)
            };
            if let Some(f) = f {
                self.frames.retain(f.at(), 1);
                runs.push(Run { start: at, end: at + PAGE_SIZE, at: f.at().0, kind, mapped: None });
            }
            at += PAGE_SIZE;
        }
        self.install(vma, &runs)
    }
    /// A store to a page of a private file mapping that is not resident: copies it, and pages around it, which are
    /// most often written next (relocations, initialized data).
    fn fill_copies(&mut self, vma: &View, page: u64, frame: &kcore::frame::Frame) -> Result<(), Errno> {
        let Some((object, first)) = &vma.file else { return Err(Errno::EFAULT) };
        let (lo, hi) = vma.window(page, COPY_AROUND);
        let (lo, hi) = self.resident.hole(page, lo, hi);
        let source = |at: u64| object.resident_page(first + (at - vma.start));
        let mut sources = alloc::vec![frame.clone()];
        let mut start = page;
        while start > lo
            && let Some(f) = source(start - PAGE_SIZE)
        {
            start -= PAGE_SIZE;
            sources.insert(0, f);
        }
        let mut end = page + PAGE_SIZE;
        while end < hi
            && let Some(f) = source(end)
        {
            end += PAGE_SIZE;
            sources.push(f);
        }
        let to = match self.frames.alloc((end - start) / PAGE_SIZE) {
            Ok(to) => to,
            Err(_) => {
                (start, end) = (page, page + PAGE_SIZE);
                sources = alloc::vec![frame.clone()];
                self.frames.alloc(1)?
            }
        };
        for (i, f) in (0u64..).zip(&sources) {
            self.frames.copy(f.at(), FileOffset(to.0 + i * PAGE_SIZE), PAGE_SIZE);
        }
        self.install(vma, &[Run { start, end, at: to.0, kind: Kind::Own, mapped: None }])
    }
    fn fill_anon(&mut self, vma: &View, page: u64) -> Result<(), Errno> {
        let mut size = WINDOW;
        loop {
            let (lo, hi) = vma.window(page, size);
            let (lo, hi) = self.resident.hole(page, lo, hi);
            match self.frames.alloc((hi - lo) / PAGE_SIZE) {
                Ok(at) => {
                    return self.install(
                        vma,
                        &[Run { start: lo, end: hi, at: at.0, kind: Kind::Own, mapped: None }],
                    );
                }
                Err(e) if size == PAGE_SIZE => return Err(e),
                Err(_) => size = (size / 8).max(PAGE_SIZE),
            }
        }
    }
    /// Adds runs, whose references the caller hands over, where nothing is resident, and maps them.
    fn install(&mut self, vma: &View, runs: &[Run]) -> Result<(), Errno> {
        let mut ops = Vec::new();
        for run in runs {
            let access = run.kind.access(vma.prot);
            if access.is_empty() {
                self.resident.insert(*run);
                continue;
            }
            Self::push_map(&mut ops, run, access);
            self.resident.insert(Run { mapped: Some(access), ..*run });
        }
        let r = self.apply(&ops);
        if r.is_err()
            && let (Some(first), Some(last)) = (runs.first(), runs.last())
        {
            self.forget(first.start, last.end);
        }
        r
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
        let (lo, hi) = vma.window(page, if reuse { WINDOW } else { COPY_AROUND });
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
    /// Puts `new` (with its references) in the place of what is resident there.
    fn replace(&mut self, vma: &View, mut new: Run) -> Result<(), Errno> {
        let old = self.resident.take(new.start, new.end);
        let access = new.kind.access(vma.prot);
        let range = guest_range(new.start, new.end);
        let mut ops = Vec::new();
        if !access.is_empty() {
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
    /// backend cannot tell. The first is over when the guest tries again.
    fn nothing_to_do(
        &mut self,
        addr: u64,
        vma: &View,
        page: u64,
        access: FaultAccess,
        force: bool,
    ) -> FaultOutcome {
        if force {
            return FaultOutcome::Resumed;
        }
        if self.precise && access != FaultAccess::Unknown {
            // The host may have lost the mapping: make it again the second time.
            if self.spurious.insert((self.faulting, addr), self.generation) == Some(self.generation) {
                self.spurious.remove(&(self.faulting, addr));
                self.forget(page, page + PAGE_SIZE);
                return self.show(vma, page).map_or(FaultOutcome::ADRERR, |()| FaultOutcome::Resumed);
            }
        } else if self.spurious.insert((self.faulting, addr), self.generation) == Some(self.generation) {
            self.spurious.remove(&(self.faulting, addr));
            return FaultOutcome::ACCERR;
        }
        if self.spurious.len() > SPURIOUS_MAX {
            let generation = self.generation;
            self.spurious.clear();
            self.spurious.insert((self.faulting, addr), generation);
        }
        FaultOutcome::Resumed
    }
}
