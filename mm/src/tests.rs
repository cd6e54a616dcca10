//! What only the crate itself can do.

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};

use crate::{
    AddressSpace, FaultAccess, FaultOutcome, FrameAllocator, Layout, MapOp, MmapRequest, Prot, SpaceBackend,
    VecMemory,
};

struct NoGuest;
impl SpaceBackend for NoGuest {
    fn apply(&self, _: &[MapOp]) -> Result<(), Errno> {
        Ok(())
    }
}

#[test]
fn accesses_of_the_kernel_that_meet_are_no_errors() {
    let layout = Layout {
        min: GuestAddr(0x1_0000),
        max: GuestAddr(0x7fff_0000),
        mmap_base: GuestAddr(0x7000_0000),
        stack_top: GuestAddr(0x7fff_0000),
    };
    // A backend that cannot tell loads from stores, and one that can.
    for precise in [false, true] {
        let frames = FrameAllocator::new(Arc::new(VecMemory::new(4096)));
        let space = AddressSpace::new(frames, Arc::new(NoGuest), layout, precise);
        let request =
            MmapRequest { len: PAGE_SIZE, prot: Prot::READ | Prot::WRITE, ..MmapRequest::default() };
        let at = space.mmap(request).unwrap();
        // All have seen that the page is missing before the first supplies it.
        for _ in 0..5 {
            assert_eq!(space.fault_as(at.0, FaultAccess::Read, false), FaultOutcome::Resumed);
        }
        for _ in 0..5 {
            assert_eq!(space.fault_as(at.0, FaultAccess::Write, false), FaultOutcome::Resumed);
        }
    }
}
