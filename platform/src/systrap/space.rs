//! Address spaces: one stub each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use abi::Errno;

use super::layout::*;
use super::lock;
use super::mapper::Op;
use super::nursery::Stub;
use crate::map_op::{coalesce, prot};
use crate::{GuestSpace, MapOp};

/// What is mapped in a stub, as ranges that do not touch.
#[derive(Default)]
struct Mapped(BTreeMap<u64, u64>);

impl Mapped {
    fn remove(&mut self, start: u64, end: u64) {
        let mut put_back = Vec::new();
        while let Some((&a, &b)) = self.0.range(..end).next_back().filter(|(_, b)| **b > start) {
            self.0.remove(&a);
            if a < start {
                put_back.push((a, start));
            }
            if b > end {
                put_back.push((end, b));
            }
        }
        self.0.extend(put_back);
    }
    fn insert(&mut self, mut start: u64, mut end: u64) {
        self.remove(start, end);
        if let Some((&a, _)) = self.0.range(..start).next_back().filter(|(_, b)| **b == start) {
            self.0.remove(&a);
            start = a;
        }
        if let Some(b) = self.0.remove(&end) {
            end = b;
        }
        self.0.insert(start, end);
    }
    /// The mapped parts of a range, in no order.
    fn parts(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let overlaps = self.0.range(..end).rev().take_while(move |(_, b)| **b > start);
        overlaps.map(move |(a, b)| ((*a).max(start), (*b).min(end)))
    }
}

/// An address space of the systrap backend.
pub struct SystrapSpace {
    pub(super) stub: Arc<Stub>,
    pub(super) memory_len: u64,
    pub(super) base: u64,
    mapped: Mutex<Mapped>,
    /// Places for areas: those that ended threads have left, and how many were ever used.
    pub(super) places: Arc<Mutex<Places>>,
}

/// Numbers of threads' places in a stub's region, each with the area that is mapped there.
#[derive(Default)]
pub(super) struct Places {
    pub(super) left: Vec<(u64, u64)>,
    pub(super) used: u64,
}

impl SystrapSpace {
    pub(super) fn new(stub: Arc<Stub>, base: u64, memory_len: u64) -> SystrapSpace {
        SystrapSpace { stub, memory_len, base, mapped: Mutex::default(), places: Arc::default() }
    }

    /// The process id of the stub, for tests and diagnosis.
    pub fn stub_pid(&self) -> i32 {
        self.stub.pid
    }
}

impl GuestSpace for SystrapSpace {
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno> {
        let ops = coalesce(ops, self.base, self.memory_len)?;
        let mut mapped = lock(&self.mapped);
        let mut calls = Vec::with_capacity(ops.len());
        for op in &ops {
            match *op {
                MapOp::Map { range, offset, access, populate } => {
                    let flags =
                        libc::MAP_SHARED | libc::MAP_FIXED | if populate { libc::MAP_POPULATE } else { 0 };
                    let (start, end) = (range.start().0, range.end().0);
                    let args = [start, end - start, prot(access), flags as u64, FD_MEMORY as u64, offset.0];
                    calls.push(Op::new(libc::SYS_mmap, args));
                    mapped.insert(start, end);
                }
                MapOp::Unmap { range } => {
                    let (start, end) = (range.start().0, range.end().0);
                    if mapped.parts(start, end).next().is_some() {
                        calls.push(Op::new(libc::SYS_munmap, [start, end - start, 0, 0, 0, 0]));
                    }
                    mapped.remove(start, end);
                }
                MapOp::Protect { range, access } => {
                    for (a, b) in mapped.parts(range.start().0, range.end().0) {
                        calls.push(Op::new(libc::SYS_mprotect, [a, b - a, prot(access), 0, 0, 0]));
                    }
                }
            }
        }
        let mut mapper = lock(&self.stub.mapper);
        calls.chunks(OPS_MAX).try_for_each(|batch| mapper.run(batch, &self.stub.dead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_ranges_split_and_join() {
        let mut m = Mapped::default();
        m.insert(10, 20);
        m.insert(20, 30);
        assert_eq!(m.0, BTreeMap::from([(10, 30)]));
        m.remove(15, 18);
        assert_eq!(m.0, BTreeMap::from([(10, 15), (18, 30)]));
        let mut parts: Vec<_> = m.parts(12, 25).collect();
        parts.sort_unstable();
        assert_eq!(parts, [(12, 15), (18, 25)]);
        m.insert(15, 18);
        assert_eq!(m.0, BTreeMap::from([(10, 30)]));
        m.insert(0, 100);
        assert_eq!(m.0, BTreeMap::from([(0, 100)]));
        m.remove(0, 100);
        assert!(m.0.is_empty() && m.parts(0, 9).next().is_none());
    }
}
