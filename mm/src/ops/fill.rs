//! What a fault makes resident, and how much around it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use kcore::frame::{FileOffset, Frame, FrameStore};
use kcore::mappable::Mappable;

use crate::resident::{Kind, Run};
use crate::space::{Inner, guest_range};
use crate::types::{FaultAccess, MapOp, Prot, VmFlags};
use crate::vma::Vma;

/// Bytes that an anonymous fault fills, aligned; bytes around a file fault whose cached pages are mapped too.
pub(super) const WINDOW: u64 = 2 << 20;
/// The same for a file whose cached pages are scattered over the memory file, so that each piece costs an operation of its own.
const SCATTERED_AROUND: u64 = 64 * PAGE_SIZE;
/// Most pieces that one fault maps.
pub(super) const PIECES: usize = 32;
/// Bytes around a fault on shared anonymous memory that are filled.
const SHARED_AROUND: u64 = 64 * PAGE_SIZE;
/// Bytes copied by one copy-on-write fault, aligned.
pub(super) const COPY_AROUND: u64 = 16 * PAGE_SIZE;

/// What a fault needs to know of a mapping, without borrowing it.
pub(super) struct View {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) prot: Prot,
    pub(super) flags: VmFlags,
    /// The object, and the offset of the mapping's first page in it.
    pub(super) file: Option<(Arc<dyn Mappable>, u64)>,
}

impl View {
    pub(super) fn of(v: &Vma) -> View {
        let file = v.file_at(v.start).map(|(f, offset)| (f.object.clone(), offset));
        View { start: v.start, end: v.end, prot: v.prot, flags: v.flags, file }
    }
    /// The aligned window of `size` bytes around `page`, cut to the mapping.
    pub(super) fn window(&self, page: u64, size: u64) -> (u64, u64) {
        let lo = page & !(size - 1);
        (lo.max(self.start), lo.saturating_add(size).min(self.end))
    }
    /// Runs of what of `lo..hi` is in the page cache, with their references.
    pub(super) fn cached(&self, lo: u64, hi: u64, kind: Kind) -> Vec<Run> {
        let mut runs = Vec::new();
        let Some((object, first)) = &self.file else { return runs };
        let offset_of = |at: u64| first + (at - self.start);
        object.resident_runs(offset_of(lo), offset_of(hi), &mut |offset, at, pages| {
            let start = self.start + (offset - first);
            runs.push(Run { start, end: start + pages * PAGE_SIZE, at: at.0, kind, mapped: None });
        });
        runs
    }
}

impl Inner {
    /// Makes a page that is not resident so.
    pub(super) fn fill(&mut self, vma: &View, page: u64, access: FaultAccess) -> Result<(), Errno> {
        let write = access == FaultAccess::Write;
        let Some((object, first)) = &vma.file else { return self.fill_anon(vma, page) };
        let shared = vma.flags.contains(VmFlags::SHARED);
        let eager = vma.flags.contains(VmFlags::SHARED_ANON);
        let write_shared = eager || (shared && write);
        let frame = object.page(first + (page - vma.start), write_shared)?;
        if write && !shared {
            return self.fill_copies(vma, page, &frame);
        }
        let kind = match (shared, write_shared) {
            (false, _) => Kind::Cache,
            (true, false) => Kind::SharedRo,
            (true, true) => Kind::SharedRw,
        };
        let runs = if eager {
            self.shared_anon_around(vma, page, &frame)
        } else {
            self.cached_around(vma, page, &frame, kind)
        };
        self.install(vma, &runs)
    }
    /// Shared anonymous memory around a page, made if it is not there.
    fn shared_anon_around(&self, vma: &View, page: u64, frame: &Frame) -> Vec<Run> {
        let Some((object, first)) = &vma.file else { return Vec::new() };
        let (lo, hi) = vma.window(page, SHARED_AROUND);
        let (lo, hi) = self.resident.hole(page, lo, hi);
        let mut runs = Vec::new();
        for at in (lo..hi).step_by(PAGE_SIZE as usize) {
            let f = if at == page { Ok(frame.clone()) } else { object.page(first + (at - vma.start), true) };
            if let Ok(f) = f {
                self.frames.retain(f.at(), 1);
                let (start, end) = (at, at + PAGE_SIZE);
                runs.push(Run { start, end, at: f.at().0, kind: Kind::SharedRw, mapped: None });
            }
        }
        runs
    }
    /// A page of a file with what is in the page cache around it.
    fn cached_around(&self, vma: &View, page: u64, frame: &Frame, kind: Kind) -> Vec<Run> {
        // Pages around may be there without having been announced for writing.
        let around = if kind == Kind::SharedRw { Kind::SharedRo } else { kind };
        let next = page + PAGE_SIZE;
        let (lo, hi) = vma.window(page, WINDOW);
        let (lo, hi) = self.resident.hole(page, lo, hi);
        self.frames.retain(frame.at(), 1);
        let mut runs = vma.cached(lo, page, around);
        runs.push(Run { start: page, end: next, at: frame.at().0, kind, mapped: None });
        runs.extend(vma.cached(next, hi, around));
        if runs.len() > PIECES {
            let (lo, hi) = vma.window(page, SCATTERED_AROUND);
            let far: Vec<Run> = runs.extract_if(.., |r| r.start < lo || r.end > hi).collect();
            self.release(&far);
        }
        runs
    }
    /// A store to a page of a private file mapping that is not resident: copies it, and pages around it, which are
    /// most often written next (relocations, initialized data).
    fn fill_copies(&mut self, vma: &View, page: u64, frame: &Frame) -> Result<(), Errno> {
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
            let pages = (hi - lo) / PAGE_SIZE;
            let whole = self.density.expects_use_of(pages, || self.frames.committed());
            let frames = if whole { self.frames.alloc_to_use(pages) } else { self.frames.alloc(pages) };
            match frames {
                Ok(at) => {
                    let run = Run { start: lo, end: hi, at: at.0, kind: Kind::Own, mapped: None };
                    return if whole { self.install_whole(vma, run) } else { self.install(vma, &[run]) };
                }
                Err(e) if size == PAGE_SIZE => return Err(e),
                Err(_) => size = (size / 8).max(PAGE_SIZE),
            }
        }
    }
    /// As [`Inner::install`], for a run whose pages will all be used soon.
    fn install_whole(&mut self, vma: &View, run: Run) -> Result<(), Errno> {
        let access = run.kind.access(vma.prot);
        if !access.contains(Prot::WRITE) || self.held_back {
            return self.install(vma, &[run]);
        }
        let (range, offset) = (guest_range(run.start, run.end), FileOffset(run.at));
        self.resident.insert(Run { mapped: Some(access), ..run });
        let op = MapOp::Map { range, offset, access, populate: true, private: true };
        self.apply(&[op]).inspect_err(|_| self.forget(run.start, run.end))
    }
    /// Adds runs, whose references the caller hands over, where nothing is resident, and maps them.
    fn install(&mut self, vma: &View, runs: &[Run]) -> Result<(), Errno> {
        let mut ops = Vec::new();
        for run in runs {
            let access = run.kind.access(vma.prot);
            if access.is_empty() || self.held_back {
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
}
