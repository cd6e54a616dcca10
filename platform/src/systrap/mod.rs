//! Guest code in stub processes under seccomp, which hand over to the sentry through shared memory.
//!
//! A stub is a process whose address space is the guest's, but for a region at its top. Guest threads run in host threads of the
//! stub, whose filter turns each system call into a signal; faults and exceptions are signals anyway. The stub's handler leaves the
//! registers in an area that it shares with the sentry, and waits for the answer there: polling for a while, then asleep. Workers
//! of the sentry poll the areas of running threads in the same manner. Who polls for how long is in `policy`.
//!
//! Mappings are changed by the stub's first thread, the *mapper*. It runs no guest code, executes batches of host calls from a page
//! that its process can only read, and answers through a descriptor that guest threads do not have.
//!
//! Needs Linux 5.9 for `FSGSBASE` and `close_range`, and permission for `seccomp(2)` filters, which needs no privilege.

mod bell;
mod call;
mod code;
mod cpus;
mod event;
mod files;
mod filter;
mod frame;
mod host_thread;
mod layout;
mod mapper;
mod nursery;
mod patches;
mod policy;
mod ready;
mod retired;
mod rewrite;
mod seats;
mod seed;
mod shared;
mod space;
mod tenant;
mod thread;
mod trampoline;

use core::any::Any;
use core::fmt;
use core::sync::atomic::AtomicUsize;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::host::Entropy;

use crate::fpu::FpuLayout;
use crate::host::{HostEntropy, HostMemory, last_errno};
use crate::{GuestSpace, GuestThread, Platform, PlatformCaps, Sleeper};
use bell::Bell;
use files::Files;
pub use filter::{GUEST_CALLS, MAPPER_CALLS};
use layout::{BASE_ALIGN, HIGHEST_BASE};
pub use nursery::CALLS;
use nursery::Nursery;
use patches::Patches;
use ready::{Prepared, Ready, ThreadKind};
pub use space::SystrapSpace;
pub use thread::SystrapThread;

/// Why the backend could not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystrapError {
    /// The processor or the host does not let programs read and write the FS and GS bases.
    NoFsGsBase,
    /// The host refuses filters of system calls that raise signals.
    NoFilters(Errno),
    /// The host does not close ranges of descriptors.
    NoCloseRange(Errno),
    /// The host refuses memory, descriptors, a thread or a process.
    Host(Errno),
    /// The first stub could not be set up.
    Setup(Errno),
}

impl fmt::Display for SystrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SystrapError::NoFsGsBase => f.write_str(
                "the host does not offer FSGSBASE, which needs Linux 5.9 and a processor that has it",
            ),
            SystrapError::NoFilters(e) => write!(f, "the host does not permit seccomp(2) filters ({e})"),
            SystrapError::NoCloseRange(e) => {
                write!(f, "the host does not permit close_range(2) ({e}), which needs Linux 5.9")
            }
            SystrapError::Host(e) => {
                write!(f, "the host refuses memory, descriptors or threads for stubs ({e})")
            }
            SystrapError::Setup(e) => write!(f, "the first stub could not be set up ({e})"),
        }
    }
}

impl core::error::Error for SystrapError {}

// A panic under one of these locks leaves a value that is still consistent: each change is one assignment.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What platform, spaces and threads share. Stubs end when the last of them is gone.
struct Handle {
    nursery: Arc<Nursery>,
    bell: Arc<Bell>,
    layout: FpuLayout,
    cpus: usize,
    patches: Patches,
    ready: Arc<Ready>,
    memory: Arc<HostMemory>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.ready.stop();
        self.nursery.shut_down();
    }
}

/// The systrap backend.
pub struct SystrapPlatform {
    handle: Arc<Handle>,
    caps: PlatformCaps,
}

impl SystrapPlatform {
    /// Starts the first stub; guests can map the pages of `memory`.
    ///
    /// Errors: what the host lacks or refuses. Nothing is left then but the registration for barriers.
    pub fn new(memory: &Arc<HostMemory>) -> Result<Arc<SystrapPlatform>, SystrapError> {
        ask_host()?;
        // Before the seed is forked, so that all stubs are registered, too.
        let barrier = crate::host::register_barrier().is_ok();
        // The lowest place leaves guests all but 64 GiB of what they could have.
        let base = HIGHEST_BASE - HostEntropy.next_u64() % (1 << 15) * BASE_ALIGN;
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let files = Files::new(memory.raw_fd(), base).map_err(SystrapError::Host)?;
        let bell = Arc::new(Bell::new(&files.control, cpus));
        let nursery = Nursery::start(files, base, bell.clone()).map_err(SystrapError::Setup)?;
        let layout = match sample_fpu(&nursery) {
            Ok(layout) => layout,
            Err(e) => {
                nursery.shut_down();
                return Err(SystrapError::Setup(e));
            }
        };
        let caps = PlatformCaps {
            name: "systrap",
            min_address: GuestAddr(0x1_0000),
            max_address: GuestAddr(base),
            precise_faults: true,
            xsave_size: layout.size,
            xfeatures: layout.xfeatures,
            barrier,
        };
        let patches = Patches::new(&nursery.files.patches);
        let ready = Arc::new(Ready::default());
        if let Err(e) = ready.start(&nursery) {
            nursery.shut_down();
            return Err(SystrapError::Host(e));
        }
        let handle = Handle { nursery, bell, layout, cpus, patches, ready, memory: memory.clone() };
        Ok(Arc::new(SystrapPlatform { handle: Arc::new(handle), caps }))
    }
}

/// Whether the host has what stubs need, as far as it can be asked without making one. Errors: what it lacks.
fn ask_host() -> Result<(), SystrapError> {
    const HWCAP2_FSGSBASE: u64 = 2;
    // SAFETY: the call takes no pointers.
    if unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_FSGSBASE == 0 {
        return Err(SystrapError::NoFsGsBase);
    }
    let action: u32 = libc::SECCOMP_RET_TRAP;
    // SAFETY: the call reads the action, which lives as long.
    let r = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    if r != 0 {
        return Err(SystrapError::NoFilters(last_errno()));
    }
    // SAFETY: no descriptor has this number.
    if unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, 0) } != 0 {
        return Err(SystrapError::NoCloseRange(last_errno()));
    }
    Ok(())
}

/// Starts a thread in a stub of its own and looks at the frame of its first trap. Errors: what the host refuses; `ETIMEDOUT`.
fn sample_fpu(nursery: &Arc<Nursery>) -> Result<FpuLayout, Errno> {
    let stub = nursery.new_stub()?;
    let born = host_thread::Newborn::new(&stub)?;
    let end = Instant::now() + Duration::from_secs(5);
    while !born.has_trapped() {
        // Looked at again, since this process may have been stopped in between.
        if Instant::now() > end && !born.has_trapped() {
            return Err(Errno::ETIMEDOUT);
        }
        std::thread::yield_now();
    }
    born.fpu_sample()
}

/// `space` as one of this backend's. Errors: `EINVAL` if it belongs to another platform.
fn own_space<'a>(handle: &Arc<Handle>, space: &'a dyn GuestSpace) -> Result<&'a SystrapSpace, Errno> {
    let space = (space as &dyn Any).downcast_ref::<SystrapSpace>().ok_or(Errno::EINVAL)?;
    if Arc::ptr_eq(&space.0.handle, handle) { Ok(space) } else { Err(Errno::EINVAL) }
}

impl Platform for SystrapPlatform {
    fn caps(&self) -> &PlatformCaps {
        &self.caps
    }
    fn new_space(&self) -> Result<Arc<dyn GuestSpace>, Errno> {
        let h = &self.handle;
        let kind = ThreadKind { cpus: h.cpus, xfeatures: h.layout.xfeatures };
        let prepared = match h.ready.take(kind) {
            Some(prepared) => prepared,
            None => Prepared { stub: h.nursery.new_stub()?, places: Mutex::default(), thread: None },
        };
        Ok(Arc::new(SystrapSpace::new(prepared, h)))
    }
    fn new_thread(&self, space: &Arc<dyn GuestSpace>) -> Result<Box<dyn GuestThread>, Errno> {
        Ok(Box::new(SystrapThread::new(&self.handle, own_space(&self.handle, &**space)?)))
    }
    fn barrier(&self) -> Result<(), Errno> {
        if self.caps.barrier { crate::host::barrier() } else { Err(Errno::ENOSYS) }
    }
    fn sleeper(&self) -> Option<Arc<dyn Sleeper>> {
        Some(self.handle.bell.clone())
    }
}

impl Sleeper for Bell {
    fn epoch(&self) -> u32 {
        Bell::epoch(self)
    }
    fn sleep(&self, epoch: u32, timeout: Option<kcore::host::Nanos>, last: bool) {
        Bell::sleep(self, epoch, timeout.map(Duration::from_nanos), last);
    }
    fn wake(&self) {
        self.ring();
    }
    fn backlog(&self) -> Option<&AtomicUsize> {
        Some(Bell::backlog(self))
    }
}
