//! How many operations and faults a program's start takes: what is mapped along with a fault.

use std::sync::{Arc, Mutex};

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::{FileOffset, Frame, FrameStore};
use kcore::mappable::{Mappable, MappableInfo, MappingObserver};
use kcore::pages::FilePages;
use kcore::raw::RawBytes;
use kcore::user::UserMemory;
use mm::{
    AddressSpace, FaultAccess, FaultOutcome, FileMapping, FrameAllocator, Layout, MapOp, MmapRequest, Prot,
    SpaceBackend, VecMemory,
};

const BASE: u64 = 0x10_0000;

/// Keeps the batches, and can refuse them.
#[derive(Default)]
struct Recorder {
    batches: Mutex<Vec<Vec<MapOp>>>,
    refuses: Mutex<bool>,
}

impl SpaceBackend for Recorder {
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno> {
        self.batches.lock().unwrap().push(ops.to_vec());
        if std::mem::take(&mut *self.refuses.lock().unwrap()) { Err(Errno::ENOMEM) } else { Ok(()) }
    }
}

/// A library that is in the page cache: page `i` is full of `i + 1`.
struct Library(FilePages);

impl Library {
    fn new(store: &Arc<FrameAllocator>, pages: u64) -> Arc<Library> {
        let store: Arc<dyn FrameStore> = store.clone();
        let cache = FilePages::new(store);
        let content: Vec<u8> = (0..pages * PAGE_SIZE).map(|i| (i / PAGE_SIZE) as u8 + 1).collect();
        let mut read = |_, room: RawBytes<'_>| {
            room.write(0, &content);
            Ok(content.len())
        };
        cache.fill(0, pages, &mut read).unwrap();
        Arc::new(Library(cache))
    }
}

impl Mappable for Library {
    fn page(&self, offset: u64, _: bool) -> Result<Frame, Errno> {
        self.0.get(offset / PAGE_SIZE).ok_or(Errno::EFAULT)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        self.0.get(offset / PAGE_SIZE)
    }
    fn resident_runs(&self, from: u64, to: u64, found: &mut dyn FnMut(u64, FileOffset, u64)) {
        let page = |i: u64| i / PAGE_SIZE;
        self.0.runs(page(from), page(to), &mut |i, at, pages| found(i * PAGE_SIZE, at, pages));
    }
    fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        self.0.observe(observer);
    }
    fn info(&self) -> MappableInfo {
        MappableInfo::default()
    }
}

struct World {
    frames: Arc<FrameAllocator>,
    backend: Arc<Recorder>,
    mm: Arc<AddressSpace>,
}

impl World {
    fn new() -> World {
        let frames = FrameAllocator::new(Arc::new(VecMemory::new(4096)));
        let backend = Arc::new(Recorder::default());
        let (min, max) = (GuestAddr(BASE), GuestAddr(BASE + (64 << 20)));
        let layout = Layout { min, max, mmap_base: max, stack_top: max };
        let mm = AddressSpace::new(frames.clone(), backend.clone(), layout, true);
        World { frames, backend, mm }
    }
    fn map(&self, page: u64, pages: u64, prot: Prot, file: Option<(&Arc<Library>, u64)>) {
        let max_prot = Prot::READ | Prot::WRITE | Prot::EXEC;
        let file = file.map(|(f, first)| FileMapping {
            object: f.clone(),
            offset: first * PAGE_SIZE,
            max_prot,
            owner: None,
        });
        let (addr, len) = (at(page), pages * PAGE_SIZE);
        self.mm.mmap(MmapRequest { addr, len, prot, fixed: true, file, ..MmapRequest::default() }).unwrap();
    }
    fn fault(&self, page: u64, access: FaultAccess) -> FaultOutcome {
        self.mm.handle_fault(1, at(page), access)
    }
    /// Batches since the last call.
    fn batches(&self) -> Vec<Vec<MapOp>> {
        std::mem::take(&mut self.backend.batches.lock().unwrap())
    }
    fn byte(&self, page: u64) -> u8 {
        let mut b = [0];
        assert_eq!(self.mm.copy_in(at(page), &mut b), 1);
        b[0]
    }
}

fn at(page: u64) -> GuestAddr {
    GuestAddr(BASE + page * PAGE_SIZE)
}

/// As a dynamic linker maps a library: 8 pages of code, 4 that are only read, 2 of variables, and 3 of variables without values.
fn map_library(w: &World, page: u64, library: &Arc<Library>) {
    w.map(page, 14, Prot::READ, Some((library, 0)));
    w.map(page, 8, Prot::RX, Some((library, 0)));
    w.map(page + 12, 2, Prot::RW, Some((library, 12)));
    w.map(page + 14, 3, Prot::RW, None);
}

#[test]
fn one_fault_maps_a_library() {
    let w = World::new();
    let library = Library::new(&w.frames, 14);
    map_library(&w, 0, &library);
    assert!(w.batches().is_empty(), "nothing is mapped before a fault");
    assert_eq!(w.fault(12, FaultAccess::Write), FaultOutcome::Resumed);
    let batches = w.batches();
    assert_eq!(batches.len(), 1, "{batches:?}");
    let mapped: u64 = batches[0]
        .iter()
        .map(|op| if let MapOp::Map { range, .. } = op { range.len() } else { panic!("{op:?}") })
        .sum();
    assert_eq!(mapped, 17 * PAGE_SIZE);
    assert_eq!((w.byte(0), w.byte(11), w.byte(13), w.byte(16)), (1, 12, 14, 0));
    // The variables are this process's own, the rest is the file's.
    w.mm.copy_out(at(13), &[99]);
    assert_eq!((w.byte(13), w.batches().len()), (99, 0));
    let mut original = [0];
    library.page(13 * PAGE_SIZE, false).unwrap().read(0, &mut original);
    assert_eq!(original, [14]);
}

#[test]
fn relocating_many_variables_takes_few_faults() {
    let w = World::new();
    let library = Library::new(&w.frames, 160);
    w.map(0, 160, Prot::RW, Some((&library, 0)));
    let mut faults = 0;
    for page in 0..160 {
        let copied = w.mm.vmas()[0].private_pages;
        if copied <= page {
            assert_eq!(w.fault(page, FaultAccess::Write), FaultOutcome::Resumed);
            faults += 1;
        }
    }
    assert_eq!((faults, w.byte(159)), (4, 160));
}

#[test]
fn a_forbidden_access_maps_ahead_and_is_refused() {
    let w = World::new();
    let library = Library::new(&w.frames, 14);
    map_library(&w, 0, &library);
    assert_eq!(w.fault(3, FaultAccess::Write), FaultOutcome::Segv { code: 2 });
    assert_eq!(w.batches().len(), 1);
    assert_eq!(w.fault(40, FaultAccess::Read), FaultOutcome::Segv { code: 1 });
    assert!(w.batches().is_empty());
}

#[test]
fn a_program_that_is_loaded_is_mapped_at_its_first_fault() {
    let w = World::new();
    w.mm.hold_back();
    let library = Library::new(&w.frames, 14);
    map_library(&w, 0, &library);
    // The loader clears the end of the last page of variables, and writes a stack.
    assert_eq!(w.mm.zero_out(GuestAddr(at(13).0 + 100), 3996), 3996);
    w.map(100, 16, Prot::RW, None);
    assert_eq!(w.mm.copy_out(at(115), &[7]), 1);
    assert!(w.batches().is_empty());
    assert_eq!(w.fault(2, FaultAccess::Exec), FaultOutcome::Resumed);
    assert_eq!(w.batches().len(), 1);
    for (page, value) in [(0, 1), (13, 14), (115, 7)] {
        assert_eq!(w.byte(page), value);
    }
    // All that was made is there, and no longer held back.
    w.map(200, 1, Prot::RW, None);
    w.mm.copy_out(at(200), &[1]);
    assert_eq!(w.batches().len(), 1);
}

#[test]
fn nothing_counts_as_mapped_after_a_refusal() {
    let w = World::new();
    let library = Library::new(&w.frames, 14);
    map_library(&w, 0, &library);
    *w.backend.refuses.lock().unwrap() = true;
    assert!(matches!(w.fault(0, FaultAccess::Read), FaultOutcome::Bus { .. }));
    let batches = w.batches();
    assert!(matches!(batches.last().unwrap()[..], [MapOp::Unmap { range }] if range.start().0 == 0));
    // The next fault maps it again.
    assert_eq!(w.fault(0, FaultAccess::Read), FaultOutcome::Resumed);
    assert_eq!(w.batches().len(), 1);
    assert_eq!(w.byte(5), 6);
}

#[test]
fn all_frames_come_back() {
    let w = World::new();
    let library = Library::new(&w.frames, 14);
    for _ in 0..3 {
        map_library(&w, 0, &library);
        w.fault(0, FaultAccess::Read);
        w.fault(13, FaultAccess::Write);
    }
    w.mm.clear();
    assert_eq!(w.frames.used_pages(), 14);
    drop(library);
    assert_eq!(w.frames.used_pages(), 0);
}
