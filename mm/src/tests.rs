//! The operations against a model of the guest's page table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::{FileOffset, FrameStore};
use kcore::user::UserMemory;

use crate::*;

/// Records what the guest's hardware would map.
#[derive(Default)]
struct PageTable(Mutex<BTreeMap<u64, (u64, Prot)>>);

impl SpaceBackend for PageTable {
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno> {
        let mut t = self.0.lock().unwrap();
        for op in ops {
            match *op {
                MapOp::Map { range, offset, access, .. } => {
                    for i in 0..range.len() / PAGE_SIZE {
                        t.insert(range.start().0 + i * PAGE_SIZE, (offset.0 + i * PAGE_SIZE, access));
                    }
                }
                MapOp::Unmap { range } => t.retain(|a, _| !range.contains(GuestAddr(*a))),
                MapOp::Protect { range, access } => {
                    t.range_mut(range.start().0..range.end().0).for_each(|(_, e)| e.1 = access);
                }
            }
        }
        Ok(())
    }
}

struct World {
    frames: Arc<FrameAllocator>,
    table: Arc<PageTable>,
    mm: Arc<AddressSpace>,
}

const LAYOUT: Layout = Layout {
    min: GuestAddr(0x1_0000),
    max: GuestAddr(0x4000_0000),
    mmap_base: GuestAddr(0x3000_0000),
    stack_top: GuestAddr(0x3f00_0000),
};

fn world() -> World {
    let frames = FrameAllocator::new(Arc::new(VecMemory::new(16384)));
    let table = Arc::new(PageTable::default());
    let mm = AddressSpace::new(frames.clone(), table.clone(), LAYOUT, true);
    World { frames, table, mm }
}

impl World {
    fn map(&self, len: u64) -> GuestAddr {
        self.mm.mmap(MmapRequest { len, prot: Prot::RW, ..MmapRequest::default() }).unwrap()
    }
    /// A store by the guest, with faults.
    fn guest_store(&self, at: GuestAddr, value: u8) -> Result<(), FaultOutcome> {
        guest_access(&self.mm, &self.table, at, true).map(|o| self.frames.write(o, &[value]))
    }
    fn guest_load(&self, at: GuestAddr) -> Result<u8, FaultOutcome> {
        let mut b = [0];
        guest_access(&self.mm, &self.table, at, false).map(|o| self.frames.read(o, &mut b))?;
        Ok(b[0])
    }
}

fn guest_access(
    mm: &AddressSpace,
    t: &PageTable,
    at: GuestAddr,
    write: bool,
) -> Result<FileOffset, FaultOutcome> {
    let need = if write { Prot::WRITE } else { Prot::READ };
    for _ in 0..3 {
        if let Some((frame, prot)) = t.0.lock().unwrap().get(&at.page_down().0)
            && prot.contains(need)
        {
            return Ok(FileOffset(frame + at.page_offset()));
        }
        match mm.handle_fault(at, if write { FaultAccess::Write } else { FaultAccess::Read }) {
            FaultOutcome::Resumed => {}
            other => return Err(other),
        }
    }
    panic!("a fault at {at} is resumed for ever");
}

#[test]
fn memory_is_zero_and_keeps_what_is_stored() {
    let w = world();
    let at = w.map(3 * PAGE_SIZE);
    assert_eq!(w.guest_load(at), Ok(0));
    w.guest_store(GuestAddr(at.0 + PAGE_SIZE), 7).unwrap();
    let mut b = [0; 2];
    assert_eq!(w.mm.copy_in(GuestAddr(at.0 + PAGE_SIZE - 1), &mut b), 2);
    assert_eq!(b, [0, 7]);
    assert_eq!(
        w.mm.copy_out(GuestAddr(at.0 + 3 * PAGE_SIZE - 1), b"xy"),
        1,
        "stops at the end of the mapping"
    );
}

#[test]
fn unmapping_frees_and_faults() {
    let w = world();
    let at = w.map(4 * PAGE_SIZE);
    w.guest_store(at, 1).unwrap();
    w.mm.munmap(GuestAddr(at.0 + PAGE_SIZE), PAGE_SIZE).unwrap();
    assert_eq!(w.guest_load(GuestAddr(at.0 + PAGE_SIZE)), Err(FaultOutcome::Segv { code: 1 }));
    assert_eq!(w.guest_load(at), Ok(1));
    w.mm.clear();
    assert_eq!(w.frames.used_pages(), 0);
    assert_eq!(w.mm.munmap(GuestAddr(1), 1), Err(Errno::EINVAL));
}

#[test]
fn protection_is_enforced_and_can_come_back() {
    let w = world();
    let at = w.map(PAGE_SIZE);
    w.guest_store(at, 5).unwrap();
    w.mm.mprotect(at, PAGE_SIZE, Prot::READ).unwrap();
    assert_eq!(w.guest_store(at, 6), Err(FaultOutcome::Segv { code: 2 }));
    assert_eq!(w.mm.copy_out(at, b"x"), 0);
    w.mm.mprotect(at, PAGE_SIZE, Prot::RW).unwrap();
    w.guest_store(at, 6).unwrap();
    assert_eq!(w.mm.mprotect(GuestAddr(at.0 + PAGE_SIZE), PAGE_SIZE, Prot::RW), Err(Errno::ENOMEM));
}

#[test]
fn fork_copies_on_write() {
    let w = world();
    let at = w.map(2 * PAGE_SIZE);
    w.guest_store(at, 1).unwrap();
    let used = w.frames.used_pages();
    let table = Arc::new(PageTable::default());
    let child = w.mm.fork(table.clone()).unwrap();
    assert_eq!(w.frames.used_pages(), used, "nothing is copied yet");
    w.guest_store(at, 2).unwrap();
    let mut b = [0];
    child.copy_in(at, &mut b);
    assert_eq!(b, [1], "the child does not see the parent's store");
    let o = guest_access(&child, &table, at, true).unwrap();
    w.frames.write(o, &[3]);
    assert_eq!(w.guest_load(at), Ok(2));
    drop(child);
    w.guest_store(at, 4).unwrap();
    w.mm.clear();
    assert_eq!(w.frames.used_pages(), 0);
}

#[test]
fn shared_anonymous_memory_is_shared_with_children() {
    let w = world();
    let req = MmapRequest { len: PAGE_SIZE, prot: Prot::RW, shared: true, ..MmapRequest::default() };
    let at = w.mm.mmap(req).unwrap();
    let child = w.mm.fork(Arc::new(PageTable::default())).unwrap();
    assert_eq!(child.copy_out(at, b"z"), 1);
    assert_eq!(w.guest_load(at), Ok(b'z'));
    assert_eq!(w.mm.futex_key(at, false), child.futex_key(at, false));
    assert_ne!(w.mm.futex_key(at, true), child.futex_key(at, true));
}

#[test]
fn the_break_moves_and_the_stack_grows() {
    let w = world();
    w.mm.set_brk_start(GuestAddr(0x10_0000));
    assert_eq!(w.mm.brk(Some(GuestAddr(0x10_1234))), GuestAddr(0x10_1234));
    w.guest_store(GuestAddr(0x10_1fff), 9).unwrap();
    assert_eq!(w.mm.brk(Some(GuestAddr(0x10_0000))), GuestAddr(0x10_0000));
    assert!(w.guest_load(GuestAddr(0x10_1fff)).is_err());
    assert_eq!(w.mm.brk(Some(GuestAddr(1))), GuestAddr(0x10_0000));

    let top = LAYOUT.stack_top;
    let stack = MmapRequest {
        addr: GuestAddr(top.0 - PAGE_SIZE),
        len: PAGE_SIZE,
        prot: Prot::RW,
        fixed: true,
        grows_down: true,
        ..MmapRequest::default()
    };
    w.mm.mmap(stack).unwrap();
    w.guest_store(GuestAddr(top.0 - 10 * PAGE_SIZE), 1).unwrap();
    assert!(w.guest_store(GuestAddr(top.0 - (9 << 20)), 1).is_err(), "beyond RLIMIT_STACK");
}

#[test]
fn mremap_keeps_contents() {
    let w = world();
    let at = w.map(2 * PAGE_SIZE);
    w.guest_store(at, 1).unwrap();
    w.guest_store(GuestAddr(at.0 + PAGE_SIZE), 2).unwrap();
    let new = w.mm.mremap(at, 2 * PAGE_SIZE, 64 * PAGE_SIZE, 1, GuestAddr(0)).unwrap();
    assert_eq!((w.guest_load(new), w.guest_load(GuestAddr(new.0 + PAGE_SIZE))), (Ok(1), Ok(2)));
    assert_eq!(w.guest_load(GuestAddr(new.0 + 63 * PAGE_SIZE)), Ok(0));
    assert_eq!(w.mm.mremap(new, 64 * PAGE_SIZE, PAGE_SIZE, 0, GuestAddr(0)), Ok(new));
    assert!(w.guest_load(GuestAddr(new.0 + PAGE_SIZE)).is_err());
}

#[test]
fn limits_and_bad_requests() {
    let w = world();
    let req = MmapRequest { len: PAGE_SIZE, prot: Prot::RW, ..MmapRequest::default() };
    let at = |r| w.mm.mmap(r);
    assert_eq!(at(MmapRequest { len: 0, ..req.clone() }), Err(Errno::EINVAL));
    assert_eq!(at(MmapRequest { len: u64::MAX, ..req.clone() }), Err(Errno::ENOMEM));
    assert_eq!(
        at(MmapRequest { fixed: true, addr: GuestAddr(0x20_0001), ..req.clone() }),
        Err(Errno::EINVAL)
    );
    assert_eq!(at(MmapRequest { fixed: true, addr: GuestAddr(0), ..req.clone() }), Err(Errno::EPERM));
    let there = at(req.clone()).unwrap();
    assert_eq!(at(MmapRequest { noreplace: true, addr: there, ..req.clone() }), Err(Errno::EEXIST));
    w.mm.set_limits(Limits { as_bytes: 2 * PAGE_SIZE, ..Limits::default() });
    assert!(at(req.clone()).is_ok());
    assert_eq!(at(req), Err(Errno::ENOMEM));
}

#[test]
fn without_precise_faults_a_real_error_still_ends() {
    let frames = FrameAllocator::new(Arc::new(VecMemory::new(64)));
    let table = Arc::new(PageTable::default());
    let mm = AddressSpace::new(frames, table.clone(), LAYOUT, false);
    let req = MmapRequest { len: PAGE_SIZE, prot: Prot::READ, ..MmapRequest::default() };
    let at = mm.mmap(req).unwrap();
    assert_eq!(mm.handle_fault(at, FaultAccess::Unknown), FaultOutcome::Resumed);
    // A store to what may only be read: once more in case of a race, then an error.
    assert_eq!(mm.handle_fault(at, FaultAccess::Unknown), FaultOutcome::Resumed);
    assert_eq!(mm.handle_fault(at, FaultAccess::Unknown), FaultOutcome::Segv { code: 2 });
}

#[test]
fn dontneed_zeroes_private_memory() {
    let w = world();
    let at = w.map(PAGE_SIZE);
    w.guest_store(at, 1).unwrap();
    w.mm.madvise(at, PAGE_SIZE, flags::MADV_DONTNEED).unwrap();
    assert_eq!(w.guest_load(at), Ok(0));
    assert_eq!(w.mm.madvise(at, PAGE_SIZE, 99), Err(Errno::EINVAL));
    assert_eq!(w.mm.mincore(at, PAGE_SIZE).unwrap(), [1]);
}
