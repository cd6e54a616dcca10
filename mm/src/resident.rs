//! What is in memory: runs of pages by address, each owning one reference per frame.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use kcore::addr::PAGE_SIZE;

use crate::types::Prot;

/// Whose the frames are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Private, and only this address space refers to them.
    Own,
    /// Private, perhaps shared with a relative by `fork`: count before writing.
    Cow,
    /// A file's pages in a private mapping: copy before writing.
    Cache,
    /// An object's pages in a shared mapping, not announced for writing.
    SharedRo,
    /// An object's pages in a shared mapping, announced for writing.
    SharedRw,
}

impl Kind {
    /// Whether the kernel may write to the frames as they are.
    pub(crate) fn writable(self) -> bool {
        matches!(self, Kind::Own | Kind::SharedRw)
    }
    /// What the hardware may allow on such pages in a mapping of protection `prot`.
    pub(crate) fn access(self, prot: Prot) -> Prot {
        // x86 has no pages that can be written but not read.
        let prot = if prot.contains(Prot::WRITE) { prot | Prot::READ } else { prot };
        if self.writable() { prot } else { prot - Prot::WRITE }
    }
}

/// Consecutive guest pages on consecutive frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Memory-file offset of the first page.
    pub(crate) at: u64,
    pub(crate) kind: Kind,
    /// Whether the backend maps it, and how.
    pub(crate) mapped: Option<Prot>,
}

impl Run {
    pub(crate) fn pages(&self) -> u64 {
        (self.end - self.start) / PAGE_SIZE
    }
    pub(crate) fn offset_of(&self, addr: u64) -> u64 {
        self.at + (addr - self.start)
    }
    fn joins(&self, right: &Run) -> bool {
        self.end == right.start
            && self.at + (self.end - self.start) == right.at
            && self.kind == right.kind
            && self.mapped == right.mapped
    }
}

#[derive(Default)]
pub(crate) struct ResidentSet {
    map: BTreeMap<u64, Run>,
    pub(crate) pages: u64,
}

impl ResidentSet {
    pub(crate) fn find(&self, addr: u64) -> Option<Run> {
        self.map.range(..=addr).next_back().map(|(_, r)| *r).filter(|r| r.end > addr)
    }
    /// Runs that touch `start..end`, whole.
    pub(crate) fn range(&self, start: u64, end: u64) -> impl Iterator<Item = &Run> {
        let first = self.find(start).map_or(start, |r| r.start);
        self.map.range(first..end.max(first)).map(|(_, r)| r)
    }
    /// The hole around `addr`, which must not be resident, within `lo..hi`.
    pub(crate) fn hole(&self, addr: u64, lo: u64, hi: u64) -> (u64, u64) {
        let below = self.map.range(..addr).next_back().map_or(lo, |(_, r)| r.end.max(lo));
        let above = self.map.range(addr..).next().map_or(hi, |(s, _)| (*s).min(hi));
        (below, above)
    }
    /// Adds a run where nothing is resident.
    pub(crate) fn insert(&mut self, mut run: Run) {
        debug_assert!(run.start < run.end);
        self.pages += run.pages();
        if let Some((_, l)) = self.map.range(..run.start).next_back()
            && l.joins(&run)
        {
            let l = *l;
            self.map.remove(&l.start);
            run.start = l.start;
            run.at = l.at;
        }
        if let Some(r) = self.map.get(&run.end).copied()
            && run.joins(&r)
        {
            self.map.remove(&r.start);
            run.end = r.end;
        }
        self.map.insert(run.start, run);
    }
    fn split_at(&mut self, addr: u64) {
        if let Some((_, r)) = self.map.range_mut(..addr).next_back()
            && r.end > addr
        {
            let right = Run { start: addr, at: r.offset_of(addr), ..*r };
            r.end = addr;
            self.map.insert(addr, right);
        }
    }
    /// Has no run reach over either end of `start..end`.
    pub(crate) fn cut(&mut self, start: u64, end: u64) {
        self.split_at(start);
        self.split_at(end);
    }
    /// Takes out what is resident in `start..end`.
    pub(crate) fn take(&mut self, start: u64, end: u64) -> Vec<Run> {
        self.cut(start, end);
        let keys: Vec<u64> = self.map.range(start..end).map(|(k, _)| *k).collect();
        let runs: Vec<Run> = keys.into_iter().filter_map(|k| self.map.remove(&k)).collect();
        self.pages -= runs.iter().map(Run::pages).sum::<u64>();
        runs
    }
    /// Resident pages in `start..end`.
    pub(crate) fn pages_in(&self, start: u64, end: u64) -> u64 {
        self.range(start, end).map(|r| (r.end.min(end) - r.start.max(start)) / PAGE_SIZE).sum()
    }
}
