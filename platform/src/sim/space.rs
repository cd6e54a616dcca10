//! Address spaces: a map from guest addresses to the memory file.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange, PAGE_SIZE};
use kcore::host::MemoryFile;
use kcore::sync::{LockClass, Mutex};

use super::memory::SimMemory;
use crate::{Access, GuestSpace, MapOp};

static SPACE: LockClass = LockClass::new("simulated address space", 960);

/// A piece of the space: where it ends, and what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    end: u64,
    offset: u64,
    access: Access,
}

/// An address space of simulated guests.
pub(super) struct SimSpace {
    memory: Arc<SimMemory>,
    pieces: Mutex<BTreeMap<u64, Piece>>,
}

impl SimSpace {
    pub(super) fn new(memory: Arc<SimMemory>) -> SimSpace {
        SimSpace { memory, pieces: Mutex::new(&SPACE, BTreeMap::new()) }
    }

    /// Where in the memory file the byte at `at` is, and how many bytes follow in the same page. Errors: the address itself, if it may not be accessed so.
    fn translate(&self, at: u64, access: Access) -> Result<(u64, u64), GuestAddr> {
        let pieces = self.pieces.lock();
        let (start, piece) = pieces.range(..=at).next_back().ok_or(GuestAddr(at))?;
        if at >= piece.end || !piece.access.contains(access) {
            return Err(GuestAddr(at));
        }
        Ok((piece.offset + (at - start), PAGE_SIZE - at % PAGE_SIZE))
    }
    /// Loads bytes as guest code would. Errors: the address that faults.
    pub(super) fn load(&self, at: u64, dst: &mut [u8]) -> Result<(), GuestAddr> {
        self.each_page(at, dst.len(), Access::READ, |offset, from, to| {
            self.memory.read(offset, &mut dst[from..to]);
        })
    }
    /// Stores bytes as guest code would. Errors: the address that faults.
    pub(super) fn store(&self, at: u64, src: &[u8]) -> Result<(), GuestAddr> {
        self.each_page(at, src.len(), Access::WRITE, |offset, from, to| {
            self.memory.write(offset, &src[from..to]);
        })
    }
    fn each_page(
        &self,
        at: u64,
        len: usize,
        access: Access,
        mut f: impl FnMut(u64, usize, usize),
    ) -> Result<(), GuestAddr> {
        let mut done = 0;
        while done < len {
            let here = at.checked_add(done as u64).ok_or(GuestAddr(u64::MAX))?;
            let (offset, left) = self.translate(here, access)?;
            let n = usize::try_from(left).map_or(len - done, |left| left.min(len - done));
            f(offset, done, done + n);
            done += n;
        }
        Ok(())
    }
}

/// Makes `at` a border between pieces.
fn split(pieces: &mut BTreeMap<u64, Piece>, at: u64) {
    let Some((&start, &piece)) = pieces.range(..at).next_back() else { return };
    if piece.end > at {
        pieces.insert(start, Piece { end: at, ..piece });
        pieces.insert(at, Piece { offset: piece.offset + (at - start), ..piece });
    }
}

/// Takes out what is in a range.
fn clear(pieces: &mut BTreeMap<u64, Piece>, range: GuestRange) {
    split(pieces, range.start().0);
    split(pieces, range.end().0);
    let starts: alloc::vec::Vec<u64> =
        pieces.range(range.start().0..range.end().0).map(|(s, _)| *s).collect();
    for s in starts {
        pieces.remove(&s);
    }
}

impl GuestSpace for SimSpace {
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno> {
        let mut pieces = self.pieces.lock();
        for op in ops {
            let (MapOp::Map { range, .. } | MapOp::Unmap { range } | MapOp::Protect { range, .. }) = *op;
            if !range.is_page_aligned() {
                return Err(Errno::EINVAL);
            }
            match *op {
                MapOp::Map { range, offset, access, .. } => {
                    let last = offset.0.checked_add(range.len());
                    if offset.0 % PAGE_SIZE != 0 || last.is_none_or(|e| e > self.memory.len()) {
                        return Err(Errno::EINVAL);
                    }
                    clear(&mut pieces, range);
                    if !range.is_empty() {
                        let piece = Piece { end: range.end().0, offset: offset.0, access };
                        pieces.insert(range.start().0, piece);
                    }
                }
                MapOp::Unmap { range } => clear(&mut pieces, range),
                MapOp::Protect { range, access } => {
                    split(&mut pieces, range.start().0);
                    split(&mut pieces, range.end().0);
                    pieces
                        .range_mut(range.start().0..range.end().0)
                        .for_each(|(_, piece)| piece.access = access);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kcore::frame::FileOffset;

    use super::*;

    const RW: Access = Access::READ.union(Access::WRITE);

    fn pages(start: u64, n: u64) -> GuestRange {
        GuestRange::from_len(GuestAddr(start * PAGE_SIZE), n * PAGE_SIZE).unwrap()
    }

    #[test]
    fn mappings_are_replaced_protected_and_removed() {
        let memory = SimMemory::new(16 * PAGE_SIZE).unwrap();
        let s = SimSpace::new(memory.clone());
        let map = |range, offset, access| MapOp::Map {
            range,
            offset: FileOffset(offset * PAGE_SIZE),
            access,
            populate: false,
            private: true,
        };
        s.apply(&[map(pages(1, 4), 0, RW), map(pages(2, 1), 8, RW)]).unwrap();
        s.store(PAGE_SIZE * 2 - 2, b"abcd").unwrap();
        let mut back = [0; 2];
        memory.read(PAGE_SIZE - 2, &mut back);
        assert_eq!(&back, b"ab");
        memory.read(PAGE_SIZE * 8, &mut back);
        assert_eq!(&back, b"cd");
        s.apply(&[MapOp::Protect { range: pages(0, 3), access: Access::READ }]).unwrap();
        let mut four = [0; 4];
        s.load(PAGE_SIZE * 2 - 2, &mut four).unwrap();
        assert_eq!(&four, b"abcd");
        assert_eq!(s.store(PAGE_SIZE * 3 - 1, b"xy"), Err(GuestAddr(PAGE_SIZE * 3 - 1)));
        s.store(PAGE_SIZE * 3, b"z").unwrap();
        s.apply(&[MapOp::Unmap { range: pages(2, 2) }]).unwrap();
        assert_eq!(s.load(PAGE_SIZE * 2 - 2, &mut four), Err(GuestAddr(PAGE_SIZE * 2)));
        s.load(PAGE_SIZE * 4, &mut four).unwrap();
        assert_eq!(s.load(PAGE_SIZE * 5, &mut four), Err(GuestAddr(PAGE_SIZE * 5)));
        assert_eq!(s.apply(&[map(pages(1, 1), 16, RW)]), Err(Errno::EINVAL));
    }
}
