//! Address spaces against a plain model: a vector of pages for each, and of the pages that they share.

use std::sync::Arc;

use abi::Errno;
use abi::mm::{MADV_DONTNEED, MREMAP_FIXED, MREMAP_MAYMOVE};
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::user::UserMemory;
use mm::{
    AddressSpace, FaultAccess, FaultOutcome, FrameAllocator, Layout, MapOp, MmapRequest, Prot, SpaceBackend,
    VecMemory,
};
use proptest::prelude::*;

const BASE: u64 = 0x10_0000;
const PAGES: usize = 24;
const SPACES: usize = 4;

/// Shows nothing to anybody.
struct NoGuest;
impl SpaceBackend for NoGuest {
    fn apply(&self, _: &[MapOp]) -> Result<(), Errno> {
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Private(u8),
    /// An index into the shared pages.
    Shared(usize),
}

type Space = Vec<Option<(Prot, Content)>>;

#[derive(Clone, Debug)]
enum Op {
    Map { at: usize, len: usize, prot: Prot, shared: bool },
    Unmap { at: usize, len: usize },
    Protect { at: usize, len: usize, prot: Prot },
    Write { at: usize, value: u8 },
    Move { from: usize, to: usize, len: usize },
    Forget { at: usize, len: usize },
    Fork { at: usize, alone: bool },
}

fn prot() -> impl Strategy<Value = Prot> {
    prop_oneof![Just(Prot::RW), Just(Prot::READ), Just(Prot::NONE), Just(Prot::RX)]
}

fn op() -> impl Strategy<Value = Op> {
    let (at, len) = (0..PAGES, 1..8usize);
    prop_oneof![
        3 => (at.clone(), len.clone(), prot(), any::<bool>())
            .prop_map(|(at, len, prot, shared)| Op::Map { at, len, prot, shared }),
        1 => (at.clone(), len.clone()).prop_map(|(at, len)| Op::Unmap { at, len }),
        2 => (at.clone(), len.clone(), prot()).prop_map(|(at, len, prot)| Op::Protect { at, len, prot }),
        6 => (at.clone(), any::<u8>()).prop_map(|(at, value)| Op::Write { at, value }),
        2 => (at.clone(), at.clone(), len.clone()).prop_map(|(from, to, len)| Op::Move { from, to, len }),
        1 => (at, len).prop_map(|(at, len)| Op::Forget { at, len }),
        1 => (0..PAGES, any::<bool>()).prop_map(|(at, alone)| Op::Fork { at, alone }),
    ]
}

fn addr(page: usize) -> GuestAddr {
    // In the middle of the page, where a mistake with ends of pages would not show the right byte.
    GuestAddr(BASE + page as u64 * PAGE_SIZE + 1234)
}

fn start(page: usize) -> GuestAddr {
    GuestAddr(BASE + page as u64 * PAGE_SIZE)
}

struct World {
    real: Vec<Arc<AddressSpace>>,
    model: Vec<Space>,
    shared: Vec<u8>,
}

impl World {
    fn new() -> World {
        let frames = FrameAllocator::new(Arc::new(VecMemory::new(4096)));
        let layout = Layout {
            min: GuestAddr(0x1_0000),
            max: GuestAddr(0x7fff_0000),
            mmap_base: GuestAddr(0x7000_0000),
            stack_top: GuestAddr(0x7fff_0000),
        };
        let space = AddressSpace::new(frames, Arc::new(NoGuest), layout, true);
        World { real: vec![space], model: vec![vec![None; PAGES]], shared: Vec::new() }
    }
    fn step(&mut self, which: usize, op: &Op) {
        let i = which % self.real.len();
        let (real, model) = (self.real[i].clone(), &mut self.model[i]);
        match *op {
            Op::Map { at, len, prot, shared } => {
                let len = len.min(PAGES - at);
                let bytes = len as u64 * PAGE_SIZE;
                let request = MmapRequest {
                    addr: start(at),
                    len: bytes,
                    prot,
                    shared,
                    fixed: true,
                    ..MmapRequest::default()
                };
                assert_eq!(real.mmap(request), Ok(start(at)));
                for page in &mut model[at..at + len] {
                    let content = if shared {
                        self.shared.push(0);
                        Content::Shared(self.shared.len() - 1)
                    } else {
                        Content::Private(0)
                    };
                    *page = Some((prot, content));
                }
            }
            Op::Unmap { at, len } => {
                let len = len.min(PAGES - at);
                assert_eq!(real.munmap(start(at), len as u64 * PAGE_SIZE), Ok(()));
                model[at..at + len].fill(None);
            }
            Op::Protect { at, len, prot } => {
                let len = len.min(PAGES - at);
                // What lies before the first hole is changed.
                let whole = model[at..at + len].iter().position(Option::is_none);
                let expected = if whole.is_none() { Ok(()) } else { Err(Errno::ENOMEM) };
                assert_eq!(real.mprotect(start(at), len as u64 * PAGE_SIZE, prot, Prot::NONE), expected);
                for page in model[at..at + whole.unwrap_or(len)].iter_mut().flatten() {
                    page.0 = prot;
                }
            }
            Op::Write { at, value } => {
                let may = model[at].is_some_and(|p| p.0.contains(Prot::WRITE));
                assert_eq!(real.copy_out(addr(at), &[value]), usize::from(may));
                if let (true, Some((_, content))) = (may, &mut model[at]) {
                    match content {
                        Content::Private(v) => *v = value,
                        Content::Shared(n) => self.shared[*n] = value,
                    }
                }
            }
            Op::Move { from, to, len } => {
                let len = len.min(PAGES - from).min(PAGES - to);
                let bytes = len as u64 * PAGE_SIZE;
                let moved = real.mremap(start(from), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, start(to));
                let apart = from + len <= to || to + len <= from;
                let mapped = model[from..from + len].iter().all(Option::is_some);
                if !apart || !mapped {
                    assert!(moved.is_err());
                } else if moved.is_ok() {
                    // It fails where the range is not one mapping, which the model does not know.
                    for n in 0..len {
                        model[to + n] = model[from + n].take();
                    }
                } else {
                    assert_eq!(moved, Err(Errno::EFAULT));
                }
            }
            Op::Forget { at, len } => {
                let len = len.min(PAGES - at);
                let whole = model[at..at + len].iter().all(Option::is_some);
                let expected = if whole { Ok(()) } else { Err(Errno::ENOMEM) };
                assert_eq!(real.madvise(start(at), len as u64 * PAGE_SIZE, MADV_DONTNEED), expected);
                for (_, content) in model[at..at + len].iter_mut().flatten() {
                    if let Content::Private(v) = content {
                        *v = 0;
                    }
                }
            }
            Op::Fork { at, alone } => {
                let child = real.fork(Arc::new(NoGuest), alone.then(|| start(at))).unwrap();
                let copy = model.clone();
                if self.real.len() == SPACES {
                    self.real.remove(SPACES - 1);
                    self.model.remove(SPACES - 1);
                }
                self.real.insert(0, child);
                self.model.insert(0, copy);
            }
        }
    }
    fn check(&self) {
        for (real, model) in self.real.iter().zip(&self.model) {
            for (n, page) in model.iter().enumerate() {
                let mut byte = [0xee];
                let read = real.copy_in(addr(n), &mut byte);
                let fault = |access| real.handle_fault(1, addr(n), access);
                match page {
                    None => {
                        assert_eq!(read, 0);
                        assert_eq!(fault(FaultAccess::Read), FaultOutcome::Segv { code: 1 });
                    }
                    Some((Prot::NONE, _)) => {
                        assert_eq!(read, 0);
                        assert_eq!(fault(FaultAccess::Read), FaultOutcome::Segv { code: 2 });
                    }
                    Some((prot, content)) => {
                        let value = match content {
                            Content::Private(v) => *v,
                            Content::Shared(i) => self.shared[*i],
                        };
                        assert_eq!((read, byte[0]), (1, value), "page {n}");
                        if !prot.contains(Prot::WRITE) {
                            assert_eq!(fault(FaultAccess::Write), FaultOutcome::Segv { code: 2 });
                        }
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn spaces_behave_as_vectors_of_pages(ops in prop::collection::vec((0..SPACES, op()), 1..60)) {
        let mut world = World::new();
        for (which, op) in &ops {
            world.step(*which, op);
        }
        world.check();
    }
}

#[test]
fn threads_that_fault_on_one_page_at_once_all_go_on() {
    let frames = FrameAllocator::new(Arc::new(VecMemory::new(4096)));
    let layout = Layout {
        min: GuestAddr(0x1_0000),
        max: GuestAddr(0x7fff_0000),
        mmap_base: GuestAddr(0x7000_0000),
        stack_top: GuestAddr(0x7fff_0000),
    };
    // A backend that cannot tell loads from stores.
    let space = AddressSpace::new(frames, Arc::new(NoGuest), layout, false);
    let at = space.mmap(MmapRequest { len: PAGE_SIZE, prot: Prot::READ, ..MmapRequest::default() }).unwrap();
    for thread in 0..5 {
        assert_eq!(space.handle_fault(thread, at, FaultAccess::Unknown), FaultOutcome::Resumed);
    }
    // Only the one that comes back has tried to write.
    assert_eq!(space.handle_fault(3, at, FaultAccess::Unknown), FaultOutcome::Segv { code: 2 });
}
