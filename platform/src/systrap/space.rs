//! Address spaces: one stub each.

use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use abi::Errno;
use kcore::addr::GuestRange;
use kcore::host::MemoryFile;

use super::layout::*;
use super::mapper::Op;
use super::nursery::Stub;
use super::ready::Prepared;
use super::retired::{Left, Retired};
use super::rewrite::{Rewriting, Rewritten};
use super::seats::Seats;
use super::{Handle, lock};
use crate::map_op::{coalesce, prot};
use crate::{Access, GuestSpace, Landlord, MapOp};

/// A mapped range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    end: u64,
    /// Of its first page in the memory file.
    offset: u64,
    pub(super) access: Access,
    pub(super) private: bool,
}

/// What the guest has mapped in a stub.
#[derive(Default)]
pub(super) struct Mapped(BTreeMap<u64, Piece>);

impl Mapped {
    /// Takes a range out, and splits what it cuts.
    fn remove(&mut self, start: u64, end: u64) {
        let mut put_back = Vec::new();
        while let Some((&a, &p)) = self.0.range(..end).next_back().filter(|(_, p)| p.end > start) {
            self.0.remove(&a);
            if a < start {
                put_back.push((a, Piece { end: start, ..p }));
            }
            if p.end > end {
                put_back.push((end, Piece { offset: p.offset + (end - a), ..p }));
            }
        }
        self.0.extend(put_back);
    }

    /// Adds a range where nothing is, and joins it with its neighbours.
    fn insert(&mut self, mut start: u64, mut piece: Piece) {
        let joins = |a: u64, p: &Piece, b: u64, q: &Piece| {
            p.end == b && p.offset + (b - a) == q.offset && p.access == q.access && p.private == q.private
        };
        if let Some((&a, p)) = self.0.range(..start).next_back().filter(|(a, p)| joins(**a, p, start, &piece))
        {
            piece.offset = p.offset;
            self.0.remove(&a);
            start = a;
        }
        if let Some(next) = self.0.get(&piece.end).filter(|q| joins(start, &piece, piece.end, q)) {
            let (at, end) = (piece.end, next.end);
            self.0.remove(&at);
            piece.end = end;
        }
        self.0.insert(start, piece);
    }

    fn map(&mut self, start: u64, piece: Piece) {
        self.remove(start, piece.end);
        self.insert(start, piece);
    }

    /// Sets the access of the mapped parts of a range, and returns these.
    fn protect(&mut self, start: u64, end: u64, access: Access) -> Vec<(u64, u64)> {
        let overlaps = self.0.range(..end).rev().take_while(|(_, p)| p.end > start);
        let parts: Vec<(u64, Piece)> = overlaps.map(|(a, p)| (*a, *p)).collect();
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for (a, p) in parts.into_iter().rev() {
            let (from, to) = (a.max(start), p.end.min(end));
            self.map(from, Piece { end: to, offset: p.offset + (from - a), access, ..p });
            match spans.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => spans.push((from, to)),
            }
        }
        spans
    }

    fn touches(&self, start: u64, end: u64) -> bool {
        self.0.range(..end).next_back().is_some_and(|(_, p)| p.end > start)
    }

    /// What is mapped at an address, with the page's offset in the memory file.
    pub(super) fn at(&self, page: u64) -> Option<(Piece, u64)> {
        let (a, p) = self.0.range(..=page).next_back().filter(|(_, p)| p.end > page)?;
        Some((*p, p.offset + (page - a)))
    }
}

/// An address space of the systrap backend.
pub struct SystrapSpace(pub(super) Arc<Space>);

/// What an address space and its threads share.
pub(super) struct Space {
    pub(super) stub: Arc<Stub>,
    pub(super) handle: Arc<Handle>,
    pub(super) state: Mutex<State>,
    /// Whether operations may still be under way that [`GuestSpace::apply_ahead`] has begun.
    is_ahead: AtomicBool,
    pub(super) rewriting: Rewriting,
    /// Places for areas: those that ended threads have left, and how many were ever used.
    pub(super) places: Mutex<Places>,
    pub(super) seats: Seats,
}

impl Drop for Space {
    fn drop(&mut self) {
        let places = core::mem::take(&mut *lock(&self.places));
        let seats = self.seats.drain();
        let left = lock(&self.state).left.take();
        self.handle.ready.retire(Retired::new(self.stub.clone(), places, seats, left));
    }
}

/// What is mapped in the stub, by the guest and for it.
#[derive(Default)]
pub(super) struct State {
    /// What its guest has left, when there is none any more.
    left: Option<Left>,
    pub(super) mapped: Mapped,
    pub(super) rewritten: Rewritten,
}

/// Numbers of threads' places in a stub's region, each with the area that is mapped there.
#[derive(Default)]
pub(super) struct Places {
    pub(super) left: Vec<(u64, u64)>,
    pub(super) used: u64,
}

impl SystrapSpace {
    pub(super) fn new(prepared: Prepared, handle: &Arc<Handle>) -> SystrapSpace {
        SystrapSpace(Arc::new(Space {
            stub: prepared.stub,
            handle: handle.clone(),
            state: Mutex::default(),
            is_ahead: AtomicBool::new(false),
            rewriting: Rewriting::default(),
            places: prepared.places,
            seats: Seats::new(prepared.thread),
        }))
    }

    /// The process id of the stub, for tests and diagnosis.
    pub fn stub_pid(&self) -> i32 {
        self.0.stub.pid
    }

    /// How many pages of code have rewritten system calls now, for tests and diagnosis.
    pub fn rewritten_pages(&self) -> usize {
        lock(&self.0.state).rewritten.len()
    }
}

/// The host call that shows pages of the memory file.
pub(super) fn map_memory(start: u64, len: u64, access: Access, populate: bool, offset: u64) -> Op {
    let flags = libc::MAP_SHARED | libc::MAP_FIXED | if populate { libc::MAP_POPULATE } else { 0 };
    Op::new(libc::SYS_mmap, [start, len, prot(access), flags as u64, FD_MEMORY as u64, offset])
}

pub(super) fn unmap(start: u64, len: u64) -> Op {
    Op::new(libc::SYS_munmap, [start, len, 0, 0, 0, 0])
}

impl Space {
    /// Has calls carried out while the state is locked. Errors: what the host says.
    pub(super) fn carry_out(&self, calls: &[Op]) -> Result<(), Errno> {
        let mut mapper = lock(&self.stub.mapper);
        calls.chunks(OPS_MAX).try_for_each(|batch| mapper.run(batch, &self.stub.dead))
    }

    /// Waits for what is done ahead, before a thread runs.
    pub(super) fn settle(&self) {
        if self.is_ahead.load(Ordering::Acquire) {
            lock(&self.stub.mapper).settle(&self.stub.dead);
            self.is_ahead.store(false, Ordering::Release);
        }
    }

    /// The host calls that operations need, and that keep rewritten code out of their way. Errors: `EINVAL` for a range that is not the guest's.
    fn calls(&self, state: &mut State, ops: &[MapOp]) -> Result<Vec<Op>, Errno> {
        let ops = coalesce(ops, self.handle.nursery.base, self.handle.memory.len())?;
        let mut calls = Vec::with_capacity(ops.len());
        for op in &ops {
            let (MapOp::Map { range, .. } | MapOp::Unmap { range } | MapOp::Protect { range, .. }) = *op;
            let (start, end) = (range.start().0, range.end().0);
            self.make_way(state, op, &mut calls);
            let mapped = &mut state.mapped;
            match *op {
                MapOp::Map { offset, access, populate, private, .. } => {
                    calls.push(map_memory(start, end - start, access, populate, offset.0));
                    mapped.map(start, Piece { end, offset: offset.0, access, private });
                }
                MapOp::Unmap { .. } => {
                    if mapped.touches(start, end) {
                        calls.push(unmap(start, end - start));
                    }
                    mapped.remove(start, end);
                }
                MapOp::Protect { access, .. } => {
                    let parts = mapped.protect(start, end, access).into_iter();
                    let protect = |(a, b)| Op::new(libc::SYS_mprotect, [a, b - a, prot(access), 0, 0, 0]);
                    calls.extend(parts.map(protect));
                }
            }
        }
        Ok(calls)
    }
}

impl GuestSpace for SystrapSpace {
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno> {
        let mut state = lock(&self.0.state);
        let calls = self.0.calls(&mut state, ops)?;
        self.0.carry_out(&calls)
    }

    fn apply_ahead(&self, ops: &[MapOp]) {
        let mut state = lock(&self.0.state);
        let Ok(calls) = self.0.calls(&mut state, ops) else { return };
        let mut mapper = lock(&self.0.stub.mapper);
        calls.chunks(OPS_MAX).for_each(|batch| mapper.post(batch, &self.0.stub.dead));
        self.0.is_ahead.store(true, Ordering::Release);
    }

    fn end(&self, mapped: GuestRange, bytes: u64, pages: Box<dyn Send>) {
        lock(&self.0.state).left = Some(Left { mapped, bytes, pages });
    }

    fn wrote(&self, range: GuestRange) {
        self.0.show_originals(range.start().0, range.end().0);
    }

    fn set_landlord(&self, landlord: Box<dyn Landlord>) {
        self.0.rewriting.set_landlord(landlord);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(end: u64, offset: u64) -> Piece {
        Piece { end, offset, access: Access::READ, private: true }
    }

    #[test]
    fn mapped_ranges_split_and_join() {
        let mut m = Mapped::default();
        m.map(10, piece(20, 110));
        m.map(20, piece(30, 120));
        assert_eq!(m.0, BTreeMap::from([(10, piece(30, 110))]));
        m.remove(15, 18);
        assert_eq!(m.0, BTreeMap::from([(10, piece(15, 110)), (18, piece(30, 118))]));
        assert_eq!(m.at(19), Some((piece(30, 118), 119)));
        assert_eq!((m.at(15), m.at(9), m.touches(15, 18), m.touches(15, 19)), (None, None, false, true));
        m.map(15, piece(18, 115));
        assert_eq!(m.0, BTreeMap::from([(10, piece(30, 110))]));
        // Others pages of the file do not join.
        m.map(30, piece(40, 500));
        assert_eq!(m.0.len(), 2);
        m.map(0, piece(100, 0));
        assert_eq!(m.0, BTreeMap::from([(0, piece(100, 0))]));
        m.remove(0, 100);
        assert!(m.0.is_empty());
    }

    #[test]
    fn access_changes_where_something_is_mapped() {
        let mut m = Mapped::default();
        m.map(10, piece(20, 110));
        m.map(20, piece(30, 500));
        m.map(40, piece(50, 140));
        assert_eq!(m.protect(15, 45, Access::EXEC), [(15, 30), (40, 45)]);
        assert_eq!(m.at(14).unwrap().0.access, Access::READ);
        assert_eq!(
            m.at(15).unwrap(),
            (Piece { end: 20, offset: 115, access: Access::EXEC, private: true }, 115)
        );
        assert_eq!((m.at(35), m.at(45).unwrap().0.access), (None, Access::READ));
        m.protect(15, 20, Access::READ);
        assert_eq!(m.at(10).unwrap().0.end, 20);
    }
}
