//! Page faults: from the guest, and from the kernel's own accesses.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::{FileOffset, Frame, FrameStore};

use crate::resident::{Kind, Run};
use crate::space::{AddressSpace, Inner};
use crate::types::{FaultAccess, FaultOutcome, MapOp, Prot, VmFlags};
use crate::vma::Vma;

/// Anonymous memory is mapped in windows of this size, aligned, as far as the mapping reaches.
const WINDOW: u64 = 2 << 20;
/// Pages looked at around a fault in a file.
const FILE_AROUND: u64 = 16;
/// Pages copied or claimed at once when a page shared by `fork` is written.
const COW_AROUND: u64 = 8;
/// Unmapped bytes kept below a stack that grows (`stack_guard_gap`).
const STACK_GUARD: u64 = 256 * PAGE_SIZE;

impl AddressSpace {
    /// Resolves a fault of the guest at `addr`. A backend that cannot tell what was tried says [`FaultAccess::Unknown`]: then what
    /// is missing is supplied step by step, and a fault that finds everything in place is answered with `SIGSEGV` unless another
    /// thread may just have changed that.
    pub fn handle_fault(&self, addr: GuestAddr, access: FaultAccess) -> FaultOutcome {
        self.update(|s| Ok(s.fault(addr.0, access))).unwrap_or(FaultOutcome::MAPERR)
    }
    /// Makes a range resident, for `MAP_POPULATE` and `MADV_POPULATE_*`. Errors: `ENOMEM` for a hole, `EFAULT` for a page that cannot be had.
    pub(crate) fn populate(&self, start: u64, end: u64) -> Result<(), Errno> {
        let mut at = start & !(PAGE_SIZE - 1);
        while at < end {
            at = self.update(|s| {
                let v = s.vmas.find(at).ok_or(Errno::ENOMEM)?;
                let write = v.prot.contains(Prot::WRITE) && !v.shared();
                s.ensure(at, write).map_err(|_| Errno::EFAULT)?;
                Ok(s.resident.find(at).map_or(at + PAGE_SIZE, |r| r.end))
            })?;
        }
        Ok(())
    }
}

impl Inner {
    fn fault(&mut self, addr: u64, access: FaultAccess) -> FaultOutcome {
        let page = addr & !(PAGE_SIZE - 1);
        if self.vmas.find(page).is_none() && !self.grow_stack(page) {
            return FaultOutcome::MAPERR;
        }
        let Some(vma) = self.vmas.find(page) else { return FaultOutcome::MAPERR };
        let prot = vma.prot;
        let allowed = match access {
            FaultAccess::Read => !prot.is_empty(),
            FaultAccess::Write => prot.contains(Prot::WRITE),
            FaultAccess::Exec => prot.contains(Prot::EXEC),
            FaultAccess::Unknown => !prot.is_empty(),
        };
        if !allowed {
            return FaultOutcome::ACCERR;
        }
        let write = match access {
            FaultAccess::Write => true,
            FaultAccess::Unknown => match self.resident.find(page) {
                Some(run) => {
                    let full = if prot.contains(Prot::WRITE) { prot | Prot::READ } else { prot };
                    if run.mapped == Some(full) {
                        return self.spurious(page);
                    }
                    // The page is there for reading, so it was a write that failed; or the page is not mapped yet at all.
                    run.mapped.is_some() && prot.contains(Prot::WRITE)
                }
                None => prot.contains(Prot::WRITE) && (vma.shared() || vma.is_anon()),
            },
            FaultAccess::Read | FaultAccess::Exec => false,
        };
        match self.ensure(page, write) {
            Ok(()) => FaultOutcome::Resumed,
            Err(outcome) => outcome,
        }
    }

    /// A fault where nothing is missing: another thread may have resolved it meanwhile. The second such fault without any change
    /// in between is the guest's own error.
    fn spurious(&mut self, page: u64) -> FaultOutcome {
        if self.spurious.insert(page, self.generation) == Some(self.generation) {
            self.spurious.remove(&page);
            return FaultOutcome::ACCERR;
        }
        if self.spurious.len() > 1024 {
            self.spurious.clear();
        }
        FaultOutcome::Resumed
    }

    /// Extends a stack down to `page` if the mapping above is one and nothing is too near below.
    pub(crate) fn grow_stack(&mut self, page: u64) -> bool {
        let Some(v) = self.vmas.after(page).filter(|v| v.flags.contains(VmFlags::GROWSDOWN)) else {
            return false;
        };
        let (start, end, grown) = (v.start, v.end, Vma { start: page, ..v.clone() });
        let below = self.vmas.before(page).map_or(0, |b| b.end);
        let too_low = page < self.layout.min.0 || page - below < STACK_GUARD && below != 0;
        if too_low || end - page > self.limits.stack_bytes {
            return false;
        }
        if self.check_limits(start - page, start - page, &grown).is_err() {
            return false;
        }
        if let Some(old) = self.vmas.remove(start) {
            self.vmas.garbage.push(old);
        }
        self.vmas.insert(grown);
        true
    }

    /// Makes the page at `page`, which is mapped, resident and known to the hardware; for writing if `write`.
    pub(crate) fn ensure(&mut self, page: u64, write: bool) -> Result<(), FaultOutcome> {
        let vma = self.vmas.find(page).ok_or(FaultOutcome::MAPERR)?;
        let (lo, hi, prot) = (vma.start, vma.end, vma.prot);
        let result = match self.resident.find(page) {
            None => self.page_in(page, write),
            Some(run) if write && !run.kind.writable() => self.break_sharing(page, run),
            Some(run) => {
                let access = run.kind.access(prot);
                if run.mapped == Some(access) {
                    return Ok(());
                }
                self.map_run(run.start.max(lo), run.end.min(hi), access)
            }
        };
        result.map_err(|e| match e {
            // Past the end of the file, or it cannot be read.
            Errno::EFAULT | Errno::EIO | Errno::ENXIO => FaultOutcome::ADRERR,
            _ => FaultOutcome::ADRERR,
        })
    }

    /// Shows resident pages to the hardware.
    fn map_run(&mut self, start: u64, end: u64, access: Prot) -> Result<(), Errno> {
        let mut ops: Vec<MapOp> = Vec::new();
        for mut run in self.resident.take(start, end) {
            run.mapped = Some(access);
            Inner::push_map(&mut ops, &run, access);
            self.resident.insert(run);
        }
        self.apply(&ops)
    }

    fn page_in(&mut self, page: u64, write: bool) -> Result<(), Errno> {
        let vma = self.vmas.find(page).ok_or(Errno::EFAULT)?;
        if vma.is_anon() { self.page_in_anon(page) } else { self.page_in_file(page, write) }
    }

    fn page_in_anon(&mut self, page: u64) -> Result<(), Errno> {
        let vma = self.vmas.find(page).ok_or(Errno::EFAULT)?;
        let window = page & !(WINDOW - 1);
        let (lo, hi) = (vma.start.max(window), vma.end.min(window.saturating_add(WINDOW)));
        let access = Kind::Own.access(vma.prot);
        let (mut lo, mut hi) = self.resident.hole(page, lo, hi);
        let at = match self.frames.alloc((hi - lo) / PAGE_SIZE) {
            Ok(at) => at,
            Err(_) => {
                (lo, hi) = (page, page + PAGE_SIZE);
                self.frames.alloc(1)?
            }
        };
        let run = Run { start: lo, end: hi, at: at.0, kind: Kind::Own, mapped: Some(access) };
        self.add(&[run])
    }

    /// Adds runs that own their frames, and maps them. If the hardware refuses, they are not resident.
    fn add(&mut self, runs: &[Run]) -> Result<(), Errno> {
        let mut ops: Vec<MapOp> = Vec::new();
        for run in runs {
            if let Some(access) = run.mapped {
                Inner::push_map(&mut ops, run, access);
            }
        }
        if let Err(e) = self.apply(&ops) {
            let (first, last) = (runs.first().map_or(0, |r| r.start), runs.last().map_or(0, |r| r.end));
            self.apply(&[MapOp::Unmap { range: crate::space::guest_range(first, last) }]).ok();
            self.release(runs);
            return Err(e);
        }
        for run in runs {
            self.resident.insert(*run);
        }
        Ok(())
    }

    fn page_in_file(&mut self, page: u64, write: bool) -> Result<(), Errno> {
        let vma = self.vmas.find(page).ok_or(Errno::EFAULT)?;
        let (file, offset) = vma.file_at(page).ok_or(Errno::EFAULT)?;
        let (shared, prot) = (vma.shared(), vma.prot);
        let announce = shared && prot.contains(Prot::WRITE) && (write || !self.precise);
        let frame = file.object.page(offset, announce)?;
        if write && !shared {
            let own = self.frames.alloc(1)?;
            self.frames.copy(frame.at(), own, PAGE_SIZE);
            return self.add(&[page_run(page, own, Kind::Own, prot)]);
        }
        let kind = match (shared, announce) {
            (false, _) => Kind::Cache,
            (true, false) => Kind::SharedRo,
            (true, true) => Kind::SharedRw,
        };
        let mut runs = Vec::new();
        if !announce {
            self.around(page, kind, &mut runs);
        }
        runs.push(page_run(page, self.keep(&frame), kind, prot));
        runs.sort_unstable_by_key(|r: &Run| r.start);
        self.add(&runs)
    }

    /// Pages near `page` that the object has at hand.
    fn around(&self, page: u64, kind: Kind, runs: &mut Vec<Run>) {
        let Some(vma) = self.vmas.find(page) else { return };
        let window = page & !(FILE_AROUND * PAGE_SIZE - 1);
        let (lo, hi) = (vma.start.max(window), vma.end.min(window.saturating_add(FILE_AROUND * PAGE_SIZE)));
        let (lo, hi) = self.resident.hole(page, lo, hi);
        let mut at = lo;
        while at < hi {
            if at != page
                && let Some((file, offset)) = vma.file_at(at)
                && let Some(frame) = file.object.resident_page(offset)
            {
                runs.push(page_run(at, self.keep(&frame), kind, vma.prot));
            }
            at += PAGE_SIZE;
        }
    }

    /// Takes a reference of its own to a frame.
    fn keep(&self, frame: &Frame) -> FileOffset {
        self.frames.retain(frame.at(), 1);
        frame.at()
    }

    /// A write to a page that others may see.
    fn break_sharing(&mut self, page: u64, run: Run) -> Result<(), Errno> {
        let vma = self.vmas.find(page).ok_or(Errno::EFAULT)?;
        let (prot, lo, hi) = (vma.prot, vma.start, vma.end);
        match run.kind {
            Kind::Own | Kind::SharedRw => Ok(()),
            Kind::SharedRo => {
                let (file, offset) = vma.file_at(page).ok_or(Errno::EFAULT)?;
                let frame = file.object.page(offset, true)?;
                let new = page_run(page, self.keep(&frame), Kind::SharedRw, prot);
                self.replace(page, page + PAGE_SIZE, &[new])
            }
            Kind::Cache => {
                let new = self.own_copy(page, run.offset_of(page), prot)?;
                self.replace(page, page + PAGE_SIZE, &[new])
            }
            Kind::Cow => {
                let window = page & !(COW_AROUND * PAGE_SIZE - 1);
                let start = window.max(run.start).max(lo);
                let end = (window + COW_AROUND * PAGE_SIZE).min(run.end).min(hi);
                let mut new: Vec<Run> = Vec::new();
                for at in (start..end).step_by(4096) {
                    let frame = run.offset_of(at);
                    if self.frames.count(FileOffset(frame)) == 1 {
                        self.frames.retain(FileOffset(frame), 1);
                        new.push(page_run(at, FileOffset(frame), Kind::Own, prot));
                        continue;
                    }
                    match self.own_copy(at, frame, prot) {
                        Ok(r) => new.push(r),
                        Err(e) => {
                            self.release(&new);
                            return Err(e);
                        }
                    }
                }
                self.replace(start, end, &new)
            }
        }
    }

    fn own_copy(&self, page: u64, frame: u64, prot: Prot) -> Result<Run, Errno> {
        let own = self.frames.alloc(1)?;
        self.frames.copy(FileOffset(frame), own, PAGE_SIZE);
        Ok(page_run(page, own, Kind::Own, prot))
    }

    /// Puts `new` in place of what is resident in `start..end`, which it covers.
    fn replace(&mut self, start: u64, end: u64, new: &[Run]) -> Result<(), Errno> {
        let old = self.resident.take(start, end);
        let added = self.add(new);
        // On failure `add` has unmapped the range, so the old pages are simply not resident any more: the guest's content would be
        // lost, so they stay known, unmapped.
        match added {
            Ok(()) => self.release(&old),
            Err(_) => old.iter().for_each(|r| self.resident.insert(Run { mapped: None, ..*r })),
        }
        added
    }
}

fn page_run(page: u64, at: FileOffset, kind: Kind, prot: Prot) -> Run {
    Run { start: page, end: page + PAGE_SIZE, at: at.0, kind, mapped: Some(kind.access(prot)) }
}
