//! What is mapped along with a fault: a fault costs ten times as much as another range that is mapped with it.

use alloc::vec::Vec;

use kcore::addr::PAGE_SIZE;
use kcore::frame::{FileOffset, FrameStore};

use super::fill::{COPY_AROUND, PIECES, View, WINDOW};
use crate::resident::{Kind, Run};
use crate::space::{AddressSpace, Inner};
use crate::types::{FaultAccess, Prot, VmFlags};

/// Most mappings that are remembered until the next fault.
const FRESH_MAX: usize = 32;

impl AddressSpace {
    /// Shows the guest nothing until its first fault, which then maps all that the kernel has made resident till then: for a
    /// program that is being loaded.
    pub fn hold_back(&self) {
        self.lock().held_back = true;
    }
}

impl Inner {
    /// Notes a private mapping of a file, for the next fault: a program that maps a library uses it at once.
    pub(super) fn note_fresh(&mut self, start: u64, end: u64) {
        if self.fresh.len() < FRESH_MAX {
            self.fresh.push((start, end));
        }
    }
    /// Collects what is to be mapped along with a fault on `page`. Returns whether that is all that the access needs.
    pub(super) fn map_ahead(&mut self, page: u64, access: FaultAccess) -> bool {
        if self.held_back {
            self.held_back = false;
            self.show_all();
        }
        for (start, end) in core::mem::take(&mut self.fresh) {
            let inside = self.vmas.range(start, end);
            let views: Vec<View> = inside.filter(|v| !v.shared() && !v.is_anon()).map(View::of).collect();
            for vma in views {
                if self.queue.len() < PIECES {
                    self.fill_ahead(&vma);
                }
            }
        }
        if self.queue.is_empty() {
            return false;
        }
        let needed = match access {
            FaultAccess::Read | FaultAccess::Unknown => Prot::READ,
            FaultAccess::Write => Prot::WRITE,
            FaultAccess::Exec => Prot::EXEC,
        };
        let mapped = self.resident.find(page).and_then(|r| r.mapped);
        mapped.is_some_and(|access| access.contains(needed))
    }
    /// Has all that is resident mapped with the next operations.
    fn show_all(&mut self) {
        let spans: Vec<(u64, u64, Prot)> = self.vmas.iter().map(|v| (v.start, v.end, v.prot)).collect();
        for (start, end, prot) in spans {
            for mut run in self.resident.take(start, end) {
                let access = run.kind.access(prot);
                if run.mapped.is_none() && !access.is_empty() {
                    Self::push_map(&mut self.queue, &run, access);
                    run.mapped = Some(access);
                }
                self.resident.insert(run);
            }
        }
    }
    /// Has the cached pages of a mapping that nobody has touched mapped with the next operations. Pages of a small one that can be
    /// written are copied: relocations and variables are. What a program's or library's variables without initial values take
    /// lies behind.
    fn fill_ahead(&mut self, vma: &View) {
        let end = vma.end.min(vma.start.saturating_add(WINDOW));
        if vma.prot.is_empty() || self.resident.pages_in(vma.start, end) > 0 {
            return;
        }
        let mut runs = vma.cached(vma.start, end, Kind::Cache);
        if runs.len() > PIECES {
            return self.release(&runs);
        }
        if vma.prot.contains(Prot::WRITE) && vma.end - vma.start <= COPY_AROUND {
            runs.iter_mut().for_each(|run| self.make_own(run));
            self.fill_behind(vma);
        }
        for run in runs {
            self.queue_run(run, vma.prot);
        }
    }
    /// Copies cached pages, if there is memory for that.
    fn make_own(&self, run: &mut Run) {
        if let Ok(to) = self.frames.alloc(run.pages()) {
            self.frames.copy(FileOffset(run.at), to, run.end - run.start);
            self.release(&[*run]);
            (run.at, run.kind) = (to.0, Kind::Own);
        }
    }
    /// Anonymous memory that follows a mapping and is alike.
    fn fill_behind(&mut self, vma: &View) {
        let Some(next) = self.vmas.find(vma.end) else { return };
        let (start, prot) = (vma.end, next.prot);
        let end = next.end.min(start + COPY_AROUND);
        let alike = next.is_anon() && prot == vma.prot && !next.flags.contains(VmFlags::GROWSDOWN);
        if alike
            && self.resident.pages_in(start, end) == 0
            && let Ok(at) = self.frames.alloc((end - start) / PAGE_SIZE)
        {
            self.queue_run(Run { start, end, at: at.0, kind: Kind::Own, mapped: None }, prot);
        }
    }
    fn queue_run(&mut self, run: Run, prot: Prot) {
        let access = run.kind.access(prot);
        Self::push_map(&mut self.queue, &run, access);
        self.resident.insert(Run { mapped: Some(access), ..run });
    }
}
