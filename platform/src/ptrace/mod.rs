//! Guest code in traced stub processes, on any Linux that permits `ptrace(2)`.
//!
//! One thread, the tracer, owns all stubs. A *seed* process, forked at start and emptied, is the parent copy of them all: an address
//! space is a fork of the seed, whose leader, the *anchor*, stays stopped and only makes the calls that change mappings. Guest
//! threads are clones of the anchor that run under `PTRACE_SYSEMU`, so none of their system calls reaches the host.

mod filter;
mod inject;
mod mapped;
mod queue;
mod space;
mod stub;
mod sys;
mod thread;
mod tracer;

use core::any::Any;
use core::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::host::MemoryFile;

use crate::fpu::FpuLayout;
use crate::host::HostMemory;
use crate::{GuestSpace, GuestThread, Platform, PlatformCaps};
pub use filter::STUB_CALLS;
use inject::Injector;
use queue::{Command, Queue};
pub use space::PtraceSpace;
pub use sys::CALLS;
pub use thread::PtraceThread;
use tracer::Tracer;

/// Why the backend could not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PtraceError {
    /// The host refuses `PTRACE_TRACEME`.
    NotPermitted,
    /// The host refuses another process or thread.
    Fork(Errno),
    /// The first stub could not be set up.
    Setup(Errno),
}

impl fmt::Display for PtraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PtraceError::NotPermitted => f.write_str(
                "the host does not permit ptrace(2): allow it in the seccomp profile (docker: --cap-add=SYS_PTRACE), check that \
                 /proc/sys/kernel/yama/ptrace_scope is below 3 and that no debugger or strace traces this process",
            ),
            PtraceError::Fork(e) => write!(f, "the host refuses a stub process or the tracer's thread: {e}"),
            PtraceError::Setup(e) => write!(f, "a stub process could not be set up: {e}"),
        }
    }
}

impl core::error::Error for PtraceError {}

// A panic under one of these locks leaves a value that is still consistent: each change is one assignment.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What platform, spaces and threads share. The tracer ends when the last of them is gone.
struct TracerHandle {
    queue: Arc<Queue>,
    layout: FpuLayout,
    memory_len: u64,
    // Stubs map the memory file.
    _memory: Arc<HostMemory>,
}

impl Drop for TracerHandle {
    fn drop(&mut self) {
        self.queue.post(Command::Shutdown);
    }
}

/// The ptrace backend.
pub struct PtracePlatform {
    tracer: Arc<TracerHandle>,
    caps: PlatformCaps,
}

impl PtracePlatform {
    /// Starts the tracer and the first stub; guests can map the pages of `memory`.
    ///
    /// Uses the real-time signal `SIGRTMIN + 5` to wake the tracer. The rest of the process must not reap children that it did not
    /// start (`waitpid(-1)` without `__WNOTHREAD`).
    pub fn new(memory: &Arc<HostMemory>) -> Result<Arc<PtracePlatform>, PtraceError> {
        // Before the seed is forked, so that all stubs are registered, too.
        let barrier = crate::host::register_barrier().is_ok();
        let queue = Arc::new(Queue::default());
        let (reply, result) = mpsc::sync_channel(1);
        let fd = memory.raw_fd();
        let body = {
            let queue = queue.clone();
            move || trace(&queue, fd, &reply)
        };
        let spawned = std::thread::Builder::new().name("picket-tracer".into()).spawn(body);
        spawned.map_err(|e| {
            PtraceError::Fork(e.raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EAGAIN))
        })?;
        let layout = result.recv().unwrap_or(Err(PtraceError::Setup(Errno::EIO)))?;
        let caps = PlatformCaps {
            name: "ptrace",
            min_address: GuestAddr(0x1_0000),
            max_address: GuestAddr(stub::STUB_PAGE),
            precise_faults: false,
            xsave_size: layout.size,
            xfeatures: layout.xfeatures,
            barrier,
        };
        let tracer = TracerHandle { queue, layout, memory_len: memory.len(), _memory: memory.clone() };
        Ok(Arc::new(PtracePlatform { tracer: Arc::new(tracer), caps }))
    }
}

fn trace(queue: &Arc<Queue>, memfd: i32, reply: &mpsc::SyncSender<Result<FpuLayout, PtraceError>>) {
    queue.adopt();
    let mut injector = Injector::default();
    let started = stub::make_seed(&mut injector, memfd).and_then(|seed| {
        let sample = sys::get_xstate(seed).map_err(PtraceError::Setup)?;
        let layout = FpuLayout::from_full_sample(&sample).ok_or(PtraceError::Setup(Errno::EIO))?;
        Ok((seed, layout, sample.len()))
    });
    match started {
        Ok((seed, layout, xstate_len)) => {
            let _ = reply.send(Ok(layout.clone()));
            Tracer::new(queue.clone(), injector, (layout, xstate_len), seed).run();
        }
        // The seed, if it lives, dies with this thread.
        Err(e) => drop(reply.send(Err(e))),
    }
}

/// `space` as one of this backend's. Errors: `EINVAL` if it belongs to another platform.
fn own_space<'a>(tracer: &Arc<TracerHandle>, space: &'a dyn GuestSpace) -> Result<&'a PtraceSpace, Errno> {
    let space = (space as &dyn Any).downcast_ref::<PtraceSpace>().ok_or(Errno::EINVAL)?;
    if Arc::ptr_eq(&space.stub.tracer, tracer) { Ok(space) } else { Err(Errno::EINVAL) }
}

impl Platform for PtracePlatform {
    fn caps(&self) -> &PlatformCaps {
        &self.caps
    }
    fn new_space(&self) -> Result<Arc<dyn GuestSpace>, Errno> {
        Ok(Arc::new(PtraceSpace::new(&self.tracer)?))
    }
    fn new_thread(&self, space: &Arc<dyn GuestSpace>) -> Result<Box<dyn GuestThread>, Errno> {
        Ok(Box::new(PtraceThread::new(own_space(&self.tracer, &**space)?)))
    }
    fn barrier(&self) -> Result<(), Errno> {
        if self.caps.barrier { crate::host::barrier() } else { Err(Errno::ENOSYS) }
    }
}
