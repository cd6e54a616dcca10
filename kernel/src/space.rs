//! Joins an address space of `mm` to a guest space of the platform.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU32, Ordering};

use abi::Errno;
use mm::{AddressSpace, Layout, MapOp, Prot, SpaceBackend};
use platform::{Access, GuestSpace, Landlord};
use smallvec::SmallVec;

use crate::image::{Executable, Image};
use crate::kernel::Kernel;
use kcore::addr::{GuestAddr, GuestRange, PAGE_SIZE};

struct Backend(Arc<dyn GuestSpace>);

fn access(prot: Prot) -> Access {
    let mut a = Access::empty();
    a.set(Access::READ, prot.contains(Prot::READ));
    a.set(Access::WRITE, prot.contains(Prot::WRITE));
    a.set(Access::EXEC, prot.contains(Prot::EXEC));
    a
}

fn platform_ops(ops: &[MapOp]) -> SmallVec<[platform::MapOp; 8]> {
    let one = |op: &MapOp| match *op {
        MapOp::Map { range, offset, access: a, populate, private } => {
            platform::MapOp::Map { range, offset, access: access(a), populate, private }
        }
        MapOp::Unmap { range } => platform::MapOp::Unmap { range },
        MapOp::Protect { range, access: a } => platform::MapOp::Protect { range, access: access(a) },
    };
    ops.iter().map(one).collect()
}

impl SpaceBackend for Backend {
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno> {
        self.0.apply(&platform_ops(ops))
    }
    fn apply_ahead(&self, ops: &[MapOp]) {
        self.0.apply_ahead(&platform_ops(ops));
    }
    fn end(&self, mapped: GuestRange, bytes: u64, pages: Box<dyn Send>) {
        self.0.end(mapped, bytes, pages);
    }
    fn wrote(&self, range: GuestRange) {
        self.0.wrote(range);
    }
}

/// Places for the platform among a guest's mappings.
struct Reserver(Weak<AddressSpace>);

impl Landlord for Reserver {
    fn reserve(&self, range: GuestRange) -> bool {
        self.0.upgrade().is_some_and(|mm| mm.reserve(range))
    }
}

/// A guest's memory: what the kernel knows of it, and the platform's space that shows it to the guest.
#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) mm: Arc<AddressSpace>,
    pub(crate) space: Arc<dyn GuestSpace>,
    pub(crate) image: Arc<Image>,
    /// The `MEMBARRIER_CMD_REGISTER_*` commands that were given.
    pub(crate) barriers: Arc<AtomicU32>,
}

/// What a random number of pages moves the stack down by at most.
const STACK_RANDOM: u64 = 0x3fff;
/// What a random number of pages moves mappings down by at most.
const MMAP_RANDOM: u64 = 0xffff;
/// The least that is kept between the top of the stack and mappings.
const MIN_GAP: u64 = 128 << 20;
/// What is kept free below a stack.
const GUARD: u64 = 1 << 20;

fn lend_places(space: &Arc<dyn GuestSpace>, mm: &Arc<AddressSpace>) {
    space.set_landlord(Box::new(Reserver(Arc::downgrade(mm))));
}

/// An empty memory for the program in `exe`, with random addresses or always the same, and with room for a stack up to its limit.
/// Errors: `ENOMEM`, `EAGAIN` when the host refuses another stub.
pub(crate) fn new_memory(
    kernel: &Kernel,
    exe: Arc<Executable>,
    stack_limit: u64,
    randomize: bool,
) -> Result<Memory, Errno> {
    let host = kernel.host();
    let caps = host.platform.caps();
    let space = host.platform.new_space()?;
    let random = if randomize { host.entropy.next_u64() } else { 0 };
    let top = caps.max_address.page_down();
    let room = stack_limit.saturating_add(GUARD).clamp(MIN_GAP, top.0 / 6 * 5) & !(PAGE_SIZE - 1);
    let gap = if randomize { room + (STACK_RANDOM + 1) * PAGE_SIZE } else { room };
    let stack_top = GuestAddr(top.0 - (random & STACK_RANDOM) * PAGE_SIZE);
    let mmap_base = GuestAddr(top.0 - gap - (random >> 32 & MMAP_RANDOM) * PAGE_SIZE);
    let layout = Layout { min: caps.min_address, max: caps.max_address, mmap_base, stack_top };
    let backend = Arc::new(Backend(space.clone()));
    let mm = AddressSpace::new(host.frames.clone(), backend, layout, caps.precise_faults);
    mm.hold_back();
    lend_places(&space, &mm);
    Ok(Memory { mm, space, image: Image::new(exe), barriers: Arc::default() })
}

/// A child's copy of a memory; `only_stack` as for [`AddressSpace::fork`]. Errors: `ENOMEM`, `EAGAIN` when the host refuses another stub.
pub(crate) fn fork_memory(
    kernel: &Kernel,
    parent: &Memory,
    only_stack: Option<GuestAddr>,
) -> Result<Memory, Errno> {
    let space = kernel.host().platform.new_space()?;
    let mm = parent.mm.fork(Arc::new(Backend(space.clone())), only_stack)?;
    lend_places(&space, &mm);
    let barriers = Arc::new(AtomicU32::new(parent.barriers.load(Ordering::Relaxed)));
    Ok(Memory { mm, space, image: parent.image.fork(), barriers })
}
