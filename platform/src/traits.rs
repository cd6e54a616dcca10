//! The seam between the kernel and what runs guest code.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::AtomicUsize;
use core::task::{Context, Poll};

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange};
use kcore::frame::FileOffset;
use kcore::host::Nanos;

use crate::{FpuState, Registers};

/// What a backend can and cannot do, asked once at start.
#[derive(Clone, Debug)]
pub struct PlatformCaps {
    /// The backend's name, as `--platform` takes it.
    pub name: &'static str,
    /// First address that a guest mapping may use.
    pub min_address: GuestAddr,
    /// First address past the ones that a guest mapping may use.
    pub max_address: GuestAddr,
    /// Whether [`Trap::Fault`] tells reads, writes and instruction fetches apart; if not, `access` is [`Access::UNKNOWN`].
    pub precise_faults: bool,
    /// Size in bytes of the `XSAVE` area in [`FpuState`].
    pub xsave_size: usize,
    /// The `XCR0` feature mask of the state in [`FpuState`].
    pub xfeatures: u64,
    /// Whether [`Platform::barrier`] works.
    pub barrier: bool,
}

/// Makes address spaces and threads that run guest code.
pub trait Platform: Send + Sync {
    /// What this backend can do.
    fn caps(&self) -> &PlatformCaps;
    /// A new address space without any mapping.
    ///
    /// Errors: `EAGAIN` or `ENOMEM` when the host refuses another process.
    fn new_space(&self) -> Result<Arc<dyn GuestSpace>, Errno>;
    /// A new thread that will run in `space`, which must come from this platform.
    fn new_thread(&self, space: &Arc<dyn GuestSpace>) -> Result<Box<dyn GuestThread>, Errno>;
    /// When it returns, every processor that was running guest code has passed a full memory barrier, `membarrier(2)`.
    ///
    /// Errors: `ENOSYS` if the host cannot do that. Default: that.
    fn barrier(&self) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }
    /// How idle workers should sleep, if the backend has guest threads tell of their traps that way. Without it, traps wake by
    /// wakers alone.
    fn sleeper(&self) -> Option<Arc<dyn Sleeper>> {
        None
    }
}

/// A place where idle workers sleep until there is something to do.
pub trait Sleeper: Send + Sync {
    /// A number that changes at each [`Sleeper::wake`], and maybe at other times.
    fn epoch(&self) -> u32;
    /// Sleeps until `wake` has been called since `epoch` was read, a guest thread has trapped (its waker is then woken), or `timeout`
    /// nanoseconds have passed. May return early. `last` says that no worker stays awake; another one need not hear of traps.
    fn sleep(&self, epoch: u32, timeout: Option<Nanos>, last: bool);
    /// Ends sleeps.
    fn wake(&self);
    /// Where the scheduler counts what waits for a worker, if the backend has workers look for traps while they could do that instead.
    fn backlog(&self) -> Option<&AtomicUsize> {
        None
    }
}

/// One change of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapOp {
    /// Map `range` to the memory file at `offset`, replacing what was there. The mapping is shared with the file.
    Map {
        /// Page-aligned guest addresses.
        range: GuestRange,
        /// Page-aligned offset in the memory file.
        offset: FileOffset,
        /// Allowed accesses.
        access: Access,
        /// Whether the host should populate the pages at once (`MAP_POPULATE`) rather than on first touch.
        populate: bool,
        /// Whether only this space's own stores can change the pages, or none: a backend may then show the guest a copy of code.
        private: bool,
    },
    /// Remove whatever is mapped in `range`.
    Unmap {
        /// Page-aligned guest addresses.
        range: GuestRange,
    },
    /// Change the access of what is mapped in `range`; pages that are not mapped stay so.
    Protect {
        /// Page-aligned guest addresses.
        range: GuestRange,
        /// Allowed accesses.
        access: Access,
    },
}

bitflags::bitflags! {
    /// Kinds of memory access: what a mapping allows, or what a fault tried.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u8 {
        /// Loads.
        const READ = 1;
        /// Stores.
        const WRITE = 2;
        /// Instruction fetches.
        const EXEC = 4;
        /// In a fault: the backend cannot tell what was tried.
        const UNKNOWN = 8;
    }
}

/// An address space in which guest threads run.
pub trait GuestSpace: Send + Sync + core::any::Any {
    /// Carries out `ops` in order. When it returns, every thread of the space sees the result.
    ///
    /// Errors: `ENOMEM` if the host refuses a mapping (the space then has the operations before it).
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno>;
    /// As `apply`, for a space where no thread has run yet. The host may be at it when this returns, but not any more when a thread
    /// runs; what it refuses is not told of: a thread will fault there. Default: as `apply`.
    fn apply_ahead(&self, ops: &[MapOp]) {
        let _ = self.apply(ops);
    }
    /// No guest thread will run here again, and the space is about to be dropped. All that is mapped lies in `mapped`; `pages` stands for
    /// the memory, `bytes` of which are nobody else's: it is dropped as soon as no guest can reach that. Default: it is unmapped at once.
    fn end(&self, mapped: GuestRange, bytes: u64, pages: Box<dyn Send>) {
        let _ = bytes;
        if self.apply(&[MapOp::Unmap { range: mapped }]).is_ok() {
            drop(pages);
        } else {
            // What a guest may still reach must never be used again.
            core::mem::forget(pages);
        }
    }
    /// The kernel has stored to private pages in `range` that the guest itself cannot write: a debugger's breakpoint, say. The guest
    /// sees it from now on. Default: nothing is to be done, as there are no copies.
    fn wrote(&self, range: GuestRange) {
        let _ = range;
    }
    /// Tells whom to ask for places among the guest's mappings. Default: the backend needs none.
    fn set_landlord(&self, landlord: Box<dyn Landlord>) {
        let _ = landlord;
    }
}

/// Decides over the addresses of a space.
pub trait Landlord: Send + Sync {
    /// Lets the backend have `range`, if no mapping of the guest is there and one may be. The guest's mappings keep precedence: when
    /// one is made there later, the space is told to unmap it first.
    ///
    /// Takes the locks of an address space: not to be called while one of the space's operations is carried out.
    fn reserve(&self, range: GuestRange) -> bool;
}

/// A guest thread's place to run.
pub trait GuestThread: Send {
    /// Runs the guest with `regs` until it traps, and then leaves its registers in `regs`.
    ///
    /// `Pending` means that it runs elsewhere; `cx`'s waker is woken when it has trapped. While a call is pending the caller
    /// must pass the same `regs` and must not change them. Floating-point state persists between calls and can be
    /// looked at and changed through [`GuestThread::fpu`] while no call is pending.
    ///
    /// Errors: `ESRCH` when the thread was lost (its host process was killed).
    fn poll_run(&mut self, cx: &mut Context<'_>, regs: &mut Registers) -> Poll<Result<Trap, Errno>>;
    /// As [`GuestThread::poll_run`]; `begun` is called once in each call, as soon as the guest runs if it does, so that what it does keeps nobody
    /// waiting. Default: before that.
    fn poll_run_with(
        &mut self,
        cx: &mut Context<'_>,
        regs: &mut Registers,
        begun: &mut dyn FnMut(),
    ) -> Poll<Result<Trap, Errno>> {
        begun();
        self.poll_run(cx, regs)
    }
    /// A handle that interrupts `poll_run` from any thread.
    fn kicker(&self) -> Arc<dyn Kick>;
    /// The floating-point state, fetched lazily; changes made through it are loaded before the guest next runs.
    fn fpu(&mut self) -> &mut FpuState;
    /// The floating-point state, to be looked at only: the guest goes on with what it has.
    fn copy_fpu(&mut self) -> FpuState {
        self.fpu().clone()
    }
    /// Replaces the floating-point state, whatever it is now.
    fn set_fpu(&mut self, state: FpuState) {
        *self.fpu() = state;
    }
    /// Makes the floating-point state that of a new thread.
    fn reset_fpu(&mut self);
    /// Says what the backend may answer without a trap from now on, as the thread's identity was when
    /// [`Kick::identity_epoch`] was `epoch`. Not to be called while a call of `poll_run` is pending. Default: all calls trap.
    fn set_identity(&mut self, identity: &Identity, epoch: u64) {
        let _ = (identity, epoch);
    }
    /// Moves this thread to another address space of the same platform (`execve`); registers and FPU state start afresh.
    fn set_space(&mut self, space: &Arc<dyn GuestSpace>) -> Result<(), Errno>;
}

/// Interrupts a running guest thread.
pub trait Kick: Send + Sync {
    /// Makes `poll_run` return [`Trap::Kicked`]: the running call, or else the next one, once. A trap that happens at the
    /// same time may be reported first.
    fn kick(&self);
    /// What [`GuestThread::set_identity`] said is not true any more: once this has returned, no call that the thread makes is answered by
    /// it. Default: nothing is to be forgotten.
    fn forget_identity(&self) {}
    /// A number that changes with each [`Kick::forget_identity`]. Default: it never does.
    fn identity_epoch(&self) -> u64 {
        0
    }
    /// Says that the thread, which has trapped, will not run for a while: the backend need not keep it ready. Default: nothing.
    fn rest(&self) {}
}

/// Who a guest thread is: the results of the system calls without arguments that a backend may answer by itself, as far as the kernel
/// allows that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `getpid(2)`.
    pub pid: Option<u32>,
    /// `gettid(2)`.
    pub tid: Option<u32>,
    /// `getppid(2)`.
    pub ppid: Option<u32>,
    /// `getuid(2)`.
    pub uid: Option<u32>,
    /// `geteuid(2)`.
    pub euid: Option<u32>,
    /// `getgid(2)`.
    pub gid: Option<u32>,
    /// `getegid(2)`.
    pub egid: Option<u32>,
}

/// Why a guest thread stopped running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// It executed `syscall`: [`Registers::number`] and [`Registers::args`] say which; `rip` is after the instruction.
    Syscall,
    /// It touched memory that its stub does not map so. A real error only if the kernel's own map says so.
    Fault {
        /// The address.
        at: GuestAddr,
        /// What it tried.
        access: Access,
    },
    /// Another processor exception.
    Exception(ExceptionInfo),
    /// [`Kick::kick`] was called.
    Kicked,
}

/// The `si_code` of a fault that only a protection key is the reason of: no mapping can help against it, so that it is an exception.
#[cfg(any(feature = "ptrace", feature = "systrap"))]
pub(crate) const SEGV_PKUERR: i32 = 4;

/// A processor exception other than a page fault that mappings explain, as the signal that Linux raises for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionInfo {
    /// Signal number: `SIGILL`, `SIGTRAP`, `SIGFPE`, `SIGBUS`, or `SIGSEGV` for a general protection fault.
    pub signal: i32,
    /// The signal's `si_code`.
    pub code: i32,
    /// The signal's `si_addr`.
    pub addr: u64,
    /// The processor's trap number where known (`REG_TRAPNO`).
    pub trapno: u64,
    /// The processor's error code where known (`REG_ERR`).
    pub error: u64,
}
