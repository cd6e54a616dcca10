//! A `fork` that copies nothing until somebody writes: `cargo run -p picket-mm --example copy_on_write`.

use std::sync::Arc;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::frame::FrameStore;
use kcore::user::UserMemory;
use mm::{AddressSpace, FrameAllocator, Layout, MapOp, MmapRequest, Prot, SpaceBackend, VecMemory};

/// Stands for the guest's page tables: prints what it is told.
struct PageTables(&'static str);

impl SpaceBackend for PageTables {
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno> {
        for op in ops {
            println!("  {}: {op:?}", self.0);
        }
        Ok(())
    }
}

fn main() -> Result<(), Errno> {
    let frames = FrameAllocator::new(Arc::new(VecMemory::new(1024)));
    let layout = Layout {
        min: GuestAddr(0x1_0000),
        max: GuestAddr(0x7fff_0000),
        mmap_base: GuestAddr(0x7000_0000),
        stack_top: GuestAddr(0x7fff_0000),
    };
    let parent = AddressSpace::new(frames.clone(), Arc::new(PageTables("parent")), layout, true);

    println!("the parent maps a page and writes to it");
    let at = parent.mmap(MmapRequest { len: 4096, prot: Prot::RW, ..MmapRequest::default() })?;
    parent.copy_out(at, b"parent");

    println!("it forks");
    let child = parent.fork(Arc::new(PageTables("child")), None)?;
    println!("frames in use: {}", frames.used_pages());

    println!("the child writes");
    child.copy_out(at, b"child!");
    println!("frames in use: {}", frames.used_pages());

    for (name, space) in [("parent", &parent), ("child", &child)] {
        let mut text = [0; 6];
        space.copy_in(at, &mut text);
        println!("the {name} reads {:?}", String::from_utf8_lossy(&text));
    }
    Ok(())
}
