//! How much memory mappings use, page by page: what `smaps(5)` and `pagemap` show.

use alloc::vec::Vec;

use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::{FileOffset, FrameStore};

use crate::info::VmaInfo;
use crate::resident::{Kind, Run};
use crate::space::{AddressSpace, Inner};
use crate::types::VmFlags;
use crate::vma::Vma;

/// What a mapping has in memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VmaUsage {
    /// All of it.
    pub rss: u64,
    /// Of each page the part that falls to this mapping if all who have it share its cost, in 1/4096 of a byte.
    pub pss: u64,
    /// The same of pages that were written.
    pub pss_dirty: u64,
    /// Pages that others have too and nobody wrote.
    pub shared_clean: u64,
    /// Pages that others have too and that were written.
    pub shared_dirty: u64,
    /// Pages that nobody else has and nobody wrote.
    pub private_clean: u64,
    /// Pages that nobody else has and that were written.
    pub private_dirty: u64,
    /// Pages that belong to no file.
    pub anonymous: u64,
    /// Pages that are locked in memory.
    pub locked: u64,
}

impl VmaUsage {
    /// Adds what another mapping has.
    pub fn add(&mut self, o: &VmaUsage) {
        self.rss += o.rss;
        self.pss += o.pss;
        self.pss_dirty += o.pss_dirty;
        self.shared_clean += o.shared_clean;
        self.shared_dirty += o.shared_dirty;
        self.private_clean += o.private_clean;
        self.private_dirty += o.private_dirty;
        self.anonymous += o.anonymous;
        self.locked += o.locked;
    }
}

/// A page, as `/proc/PID/pagemap` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageState {
    /// It is in memory.
    pub present: bool,
    /// It belongs to a file or to shared memory.
    pub file: bool,
    /// Nobody else has it.
    pub exclusive: bool,
}

fn is_anonymous(kind: Kind) -> bool {
    matches!(kind, Kind::Own | Kind::Cow)
}

/// How many address spaces have a page. The file that a page belongs to holds it too.
fn sharers(store: &dyn FrameStore, run: &Run, at: u64) -> u64 {
    let count = match run.kind {
        Kind::Own => return 1,
        Kind::Cow => store.count(FileOffset(run.offset_of(at))),
        _ => store.count(FileOffset(run.offset_of(at))).saturating_sub(1),
    };
    u64::from(count.max(1))
}

fn usage(inner: &Inner, v: &Vma) -> VmaUsage {
    let mut u = VmaUsage::default();
    for run in inner.resident.range(v.start, v.end) {
        let dirty = is_anonymous(run.kind) || run.kind == Kind::SharedRw;
        let (mut at, end) = (run.start.max(v.start), run.end.min(v.end));
        if is_anonymous(run.kind) {
            u.anonymous += end - at;
        }
        while at < end {
            let n = sharers(&*inner.store, run, at);
            let part = PAGE_SIZE * PAGE_SIZE / n;
            u.rss += PAGE_SIZE;
            u.pss += part;
            u.pss_dirty += if dirty { part } else { 0 };
            let sum = match (n > 1, dirty) {
                (true, false) => &mut u.shared_clean,
                (true, true) => &mut u.shared_dirty,
                (false, false) => &mut u.private_clean,
                (false, true) => &mut u.private_dirty,
            };
            *sum += PAGE_SIZE;
            at += PAGE_SIZE;
        }
    }
    if v.flags.contains(VmFlags::LOCKED) {
        u.locked = u.pss / PAGE_SIZE;
    }
    u
}

impl AddressSpace {
    /// All mappings by address and what each has in memory, `smaps(5)`.
    pub fn vma_usage(&self) -> Vec<(VmaInfo, VmaUsage)> {
        let inner = self.inner.read();
        inner.vmas.iter().map(|v| (VmaInfo::of(&inner, v), usage(&inner, v))).collect()
    }
    /// The pages from `start` on, which is page-aligned; at most `n`, and none past the end of the address space.
    pub fn page_states(&self, start: GuestAddr, n: usize) -> Vec<PageState> {
        let inner = self.inner.read();
        let limit = inner.layout.max.0;
        let pages = (limit.saturating_sub(start.0) / PAGE_SIZE).min(n as u64);
        let end = start.0 + pages * PAGE_SIZE;
        let mut out = alloc::vec![PageState::default(); pages as usize];
        for run in inner.resident.range(start.0, end) {
            let mut at = run.start.max(start.0);
            while at < run.end.min(end) {
                out[((at - start.0) / PAGE_SIZE) as usize] = PageState {
                    present: true,
                    file: !is_anonymous(run.kind),
                    exclusive: sharers(&*inner.store, run, at) == 1,
                };
                at += PAGE_SIZE;
            }
        }
        out
    }
    /// The most that was ever resident becomes what is resident now (`clear_refs`).
    pub fn reset_peak_rss(&self) {
        let mut inner = self.lock();
        inner.peak_rss = inner.resident.pages;
    }
}
