//! What sealed mappings refuse, and what not.

use std::sync::Arc;

use abi::Errno;
use abi::mm::{
    MADV_COLD, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE, MADV_WIPEONFORK, MREMAP_FIXED, MREMAP_MAYMOVE,
};
use kcore::addr::{GuestAddr, PAGE_SIZE};
use mm::{
    AddressSpace, FrameAllocator, Layout, MapOp, MmapRequest, Prot, SpaceBackend, VecMemory, VmFlags, VmaInfo,
};

/// Shows nothing to anybody.
struct NoGuest;
impl SpaceBackend for NoGuest {
    fn apply(&self, _: &[MapOp]) -> Result<(), Errno> {
        Ok(())
    }
}

fn page(n: u64) -> GuestAddr {
    GuestAddr(0x10_0000 + n * PAGE_SIZE)
}

fn pages(n: u64) -> u64 {
    n * PAGE_SIZE
}

fn request(at: u64, n: u64, prot: Prot) -> MmapRequest {
    MmapRequest { addr: page(at), len: pages(n), prot, fixed: true, ..MmapRequest::default() }
}

/// Pages 0 to 8 are mapped with `prot`, 2 to 4 of them sealed.
fn sealed(prot: Prot) -> Arc<AddressSpace> {
    let layout = Layout {
        min: GuestAddr(0x1_0000),
        max: GuestAddr(0x7fff_0000),
        mmap_base: GuestAddr(0x7000_0000),
        stack_top: GuestAddr(0x7fff_0000),
    };
    let frames = FrameAllocator::new(Arc::new(VecMemory::new(4096)));
    let space = AddressSpace::new(frames, Arc::new(NoGuest), layout, true);
    space.mmap(request(0, 8, prot)).unwrap();
    space.mseal(page(2), pages(2)).unwrap();
    space
}

fn vma(space: &AddressSpace, n: u64) -> Option<VmaInfo> {
    space.vmas().into_iter().find(|v| v.range.contains(page(n)))
}

fn prot_of(space: &AddressSpace, n: u64) -> Option<Prot> {
    vma(space, n).map(|v| v.prot)
}

#[test]
fn ranges_are_checked_as_a_whole() {
    let space = sealed(Prot::RW);
    assert_eq!(space.mseal(GuestAddr(page(0).0 + 1), pages(1)), Err(Errno::EINVAL));
    assert_eq!(space.mseal(page(0), u64::MAX), Err(Errno::EINVAL));
    assert_eq!(space.mseal(page(20), 0), Ok(()), "nothing is sealed");
    assert_eq!(space.mseal(page(6), pages(3)), Err(Errno::ENOMEM));
    assert_eq!(space.munmap(page(6), pages(1)), Ok(()), "what comes before a hole is not sealed");
    assert_eq!(space.mseal(page(3), pages(1)), Ok(()), "again");
    assert!(vma(&space, 2).unwrap().flags.contains(VmFlags::SEALED));
}

#[test]
fn mappings_stay_where_they_are() {
    let space = sealed(Prot::RW);
    for (at, n) in [(2, 1), (0, 3), (3, 4), (0, 8)] {
        assert_eq!(space.munmap(page(at), pages(n)), Err(Errno::EPERM));
        assert_eq!(space.mmap(request(at, n, Prot::RW)), Err(Errno::EPERM));
    }
    assert!((0..8).all(|n| prot_of(&space, n) == Some(Prot::RW)));
    let remap = |at, old, new, flags, to| space.mremap(page(at), pages(old), pages(new), flags, page(to));
    assert_eq!(remap(2, 1, 4, MREMAP_MAYMOVE, 0), Err(Errno::EPERM));
    assert_eq!(remap(2, 2, 1, 0, 0), Err(Errno::EPERM));
    assert_eq!(remap(2, 2, 2, 0, 0), Err(Errno::EPERM));
    assert_eq!(remap(0, 4, 1, 0, 0), Err(Errno::EPERM), "what would be cut off");
    assert_eq!(remap(0, 1, 1, MREMAP_MAYMOVE | MREMAP_FIXED, 3), Err(Errno::EPERM), "what would be replaced");
    assert_eq!(remap(0, 8, 1, MREMAP_MAYMOVE | MREMAP_FIXED, 20), Err(Errno::EPERM), "cut off, then moved");
    assert!((0..8).all(|n| prot_of(&space, n) == Some(Prot::RW)));
    assert_eq!(space.munmap(page(4), pages(4)), Ok(()));
}

#[test]
fn the_heap_does_not_shrink() {
    let space = sealed(Prot::RW);
    space.set_brk_start(page(100));
    space.brk(Some(page(104)));
    space.mseal(page(102), pages(1)).unwrap();
    assert_eq!(space.brk(Some(page(101))), page(104));
    assert_eq!(space.brk(Some(page(103))), page(103));
}

#[test]
fn protections_stay() {
    let space = sealed(Prot::RW);
    assert_eq!(space.mprotect(page(0), pages(8), Prot::READ, Prot::NONE), Err(Errno::EPERM));
    let after: Vec<_> = [1, 2, 4].map(|n| prot_of(&space, n)).into();
    assert_eq!(after, [Some(Prot::READ), Some(Prot::RW), Some(Prot::RW)], "what comes before is changed");
    assert_eq!(
        space.mprotect(page(3), pages(1), Prot::RW, Prot::NONE),
        Err(Errno::EPERM),
        "even to the same"
    );
}

#[test]
fn what_may_not_be_written_is_not_discarded() {
    let discarding = [MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_WIPEONFORK];
    let (read, write) = (sealed(Prot::READ), sealed(Prot::RW));
    for advice in discarding {
        assert_eq!(read.madvise(page(2), pages(1), advice), Err(Errno::EPERM));
        assert_eq!(read.madvise(page(4), pages(1), advice), Ok(()));
        assert_eq!(write.madvise(page(2), pages(1), advice), Ok(()));
    }
    assert_eq!(read.madvise(page(2), pages(1), MADV_COLD), Ok(()));
    assert_eq!((read.mlock(page(2), pages(1), false), read.munlock(page(2), pages(1))), (Ok(()), Ok(())));
}

#[test]
fn a_child_inherits_the_seal_and_a_new_program_does_not() {
    let space = sealed(Prot::RW);
    let child = space.fork(Arc::new(NoGuest), None).unwrap();
    assert_eq!(child.munmap(page(2), pages(1)), Err(Errno::EPERM));
    child.clear();
    assert_eq!(child.mmap(request(0, 8, Prot::RW)), Ok(page(0)));
    assert_eq!(child.munmap(page(2), pages(1)), Ok(()));
}
