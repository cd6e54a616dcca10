//! The limit on the number of mappings.

use std::sync::Arc;

use abi::Errno;
use abi::mm::MADV_DONTFORK;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use mm::{
    AddressSpace, FrameAllocator, Layout, MAX_MAPPINGS, MapOp, MmapRequest, Prot, SpaceBackend, VecMemory,
};

/// Shows nothing to anybody.
struct NoGuest;
impl SpaceBackend for NoGuest {
    fn apply(&self, _: &[MapOp]) -> Result<(), Errno> {
        Ok(())
    }
}

/// Three pages each, with a page between them.
fn place(i: usize) -> GuestAddr {
    GuestAddr(0x10_0000 + i as u64 * 4 * PAGE_SIZE)
}

fn page(i: usize, n: u64) -> GuestAddr {
    GuestAddr(place(i).0 + n * PAGE_SIZE)
}

fn map(space: &AddressSpace, addr: GuestAddr, pages: u64, prot: Prot) -> Result<GuestAddr, Errno> {
    space.mmap(MmapRequest { addr, len: pages * PAGE_SIZE, prot, fixed: true, ..MmapRequest::default() })
}

#[test]
fn at_the_limit_nothing_is_cut() {
    let layout = Layout {
        min: GuestAddr(0x1_0000),
        max: GuestAddr(0x7fff_ffff_f000),
        mmap_base: GuestAddr(0x7fff_0000_0000),
        stack_top: GuestAddr(0x7fff_ffff_f000),
    };
    let frames = FrameAllocator::new(Arc::new(VecMemory::new(16)));
    let space = AddressSpace::new(frames, Arc::new(NoGuest), layout, true);
    let made = (0..).take_while(|i| map(&space, place(*i), 3, Prot::NONE).is_ok()).count();
    assert_eq!(made, MAX_MAPPINGS + 1, "one more, as in Linux");
    let refused = Err(Errno::ENOMEM);
    assert_eq!(space.munmap(page(2, 1), PAGE_SIZE), refused);
    assert_eq!(space.mprotect(page(2, 1), PAGE_SIZE, Prot::READ, Prot::NONE), refused);
    assert_eq!(space.madvise(page(2, 1), PAGE_SIZE, MADV_DONTFORK), refused);
    assert_eq!(space.mlock(page(2, 1), PAGE_SIZE, true), refused);
    assert_eq!(space.mseal(page(2, 1), PAGE_SIZE), refused);
    assert_eq!(map(&space, page(2, 1), 1, Prot::READ), refused.map(|()| place(0)));
    // What cuts nothing is done.
    assert_eq!(space.mprotect(place(2), 3 * PAGE_SIZE, Prot::READ, Prot::NONE), Ok(()));
    assert_eq!(space.madvise(place(2), 3 * PAGE_SIZE, MADV_DONTFORK), Ok(()));
    assert_eq!(space.munmap(page(2, 2), PAGE_SIZE), Ok(()), "an end is cut off");
    assert_eq!(space.munmap(place(3), 3 * PAGE_SIZE), Ok(()));
    assert_eq!(space.munmap(place(4), 3 * PAGE_SIZE), Ok(()));
    assert_eq!(space.munmap(page(2, 1), PAGE_SIZE), Ok(()));
}
