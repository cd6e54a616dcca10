//! What is read straight into guest memory, and written straight from it.

use std::sync::Arc;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::io::{IoSink, IoSource, Moved};
use kcore::raw::RawBytes;
use kcore::user::UserMemory;
use mm::{
    AddressSpace, FrameAllocator, Iovec, Layout, MapOp, MmapRequest, Prot, SpaceBackend, UserSink,
    UserSource, VecMemory,
};

const BASE: u64 = 0x10_0000;

struct Nothing;

impl SpaceBackend for Nothing {
    fn apply(&self, _: &[MapOp]) -> Result<(), Errno> {
        Ok(())
    }
}

fn at(page: u64) -> GuestAddr {
    GuestAddr(BASE + page * PAGE_SIZE)
}

/// An address space whose pages 0 to 31 can be written and whose page 32 can only be read.
fn space() -> Arc<AddressSpace> {
    let frames = FrameAllocator::new(Arc::new(VecMemory::new(4096)));
    let (min, max) = (GuestAddr(BASE), GuestAddr(BASE + (64 << 20)));
    let layout = Layout { min, max, mmap_base: max, stack_top: max };
    let mm = AddressSpace::new(frames, Arc::new(Nothing), layout, true);
    for (page, pages, prot) in [(0, 32, Prot::READ | Prot::WRITE), (32, 1, Prot::READ)] {
        let (addr, len) = (at(page), pages * PAGE_SIZE);
        mm.mmap(MmapRequest { addr, len, prot, fixed: true, ..MmapRequest::default() }).unwrap();
    }
    mm
}

/// Fills the sink once with `pattern`, of which there are `left` bytes.
fn fill(sink: &mut UserSink<'_>, len: usize, left: usize, pattern: u8) -> Result<Moved, Errno> {
    sink.fill(len, &mut |room: RawBytes<'_>| {
        let n = room.len().min(left);
        room.write(0, &vec![pattern; n]);
        Ok(n)
    })
}

fn bytes(mm: &AddressSpace, addr: GuestAddr, len: usize) -> Vec<u8> {
    let mut got = vec![0; len];
    assert_eq!(mm.copy_in(addr, &mut got), len);
    got
}

#[test]
fn a_piece_is_filled_in_place() {
    let mm = space();
    let iov: [Iovec; 3] = [(at(0), 0), (GuestAddr(BASE + 100), 40_000), (at(20), 10)];
    let mut sink = UserSink::new(&mm, &iov);
    assert_eq!(fill(&mut sink, usize::MAX, usize::MAX, 7), Ok(Moved { given: 40_000, taken: 40_000 }));
    assert_eq!((sink.done(), sink.remaining()), (40_000, 10));
    assert_eq!(fill(&mut sink, usize::MAX, 4, 8), Ok(Moved { given: 10, taken: 4 }));
    assert_eq!((sink.done(), sink.remaining()), (40_004, 6));
    assert_eq!(bytes(&mm, GuestAddr(BASE + 99), 40_002), [&[0][..], &[7; 40_000], &[0]].concat());
    assert_eq!(bytes(&mm, at(20), 5), [8, 8, 8, 8, 0]);
}

#[test]
fn small_pieces_are_filled_together() {
    let mm = space();
    let iov: Vec<Iovec> = (0..10).map(|i| (at(i), 100)).collect();
    let mut sink = UserSink::new(&mm, &iov);
    assert_eq!(fill(&mut sink, 950, usize::MAX, 7), Ok(Moved { given: 950, taken: 950 }));
    assert_eq!((bytes(&mm, at(9), 51), sink.remaining()), ([[7; 50].as_slice(), &[0]].concat(), 50));
}

#[test]
fn memory_that_ends_ends_the_filling() {
    let mm = space();
    let iov: [Iovec; 1] = [(at(28), 6 * PAGE_SIZE)];
    let mut sink = UserSink::new(&mm, &iov);
    // What follows the four pages is there but must not be written.
    assert_eq!(fill(&mut sink, usize::MAX, usize::MAX, 7), Ok(Moved { given: 4 * 4096, taken: 4 * 4096 }));
    assert_eq!(fill(&mut sink, usize::MAX, usize::MAX, 8), Err(Errno::EFAULT));
    assert_eq!(bytes(&mm, at(32), 4096), [0; 4096]);
    // At the end of a file nobody looks at the memory.
    assert_eq!(fill(&mut sink, usize::MAX, 0, 8), Ok(Moved { given: 8192, taken: 0 }));
}

#[test]
fn an_error_of_the_source_moves_nothing() {
    let mm = space();
    let iov: [Iovec; 1] = [(at(0), 8192)];
    let mut sink = UserSink::new(&mm, &iov);
    assert_eq!(sink.fill(8192, &mut |_| Err(Errno::EIO)), Err(Errno::EIO));
    assert_eq!(sink.done(), 0);
}

#[test]
fn a_source_gives_its_bytes_in_place_or_from_a_copy() {
    let mm = space();
    let content: Vec<u8> = (0..40_000).map(|i| (i / 100) as u8).collect();
    assert_eq!(mm.copy_out(at(0), &content), content.len());
    let iov: [Iovec; 2] = [(at(0), 30_000), (GuestAddr(BASE + 30_000), 10_000)];
    for source in [UserSource::new(&mm, &iov), UserSource::new(&mm, &iov).in_place()] {
        let mut source = source;
        let mut got = Vec::new();
        while source.remaining() > 0 {
            let mut take = |bytes: RawBytes<'_>| {
                let n = bytes.len().min(20_000);
                let start = got.len();
                got.resize(start + n, 0);
                bytes.read(0, &mut got[start..]);
                Ok(n)
            };
            let moved = source.drain(20_000, &mut take).unwrap();
            assert_eq!(moved.given, moved.taken);
        }
        assert!(got == content);
    }
    let beyond: [Iovec; 1] = [(at(40), 4096)];
    let mut source = UserSource::new(&mm, &beyond).in_place();
    assert_eq!(source.drain(4096, &mut |_| Ok(0)), Err(Errno::EFAULT));
}
