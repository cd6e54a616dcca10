//! The host calls that the tracer makes.

use abi::Errno;

use crate::UserRegs;
use crate::host::confine::{HostCall, HostCalls};
use crate::host::last_errno;

/// The host calls of this backend, besides those of the language's runtime.
pub const CALLS: HostCalls = HostCalls {
    of: "stubs (ptrace)",
    list: &[
        HostCall::new(libc::SYS_ptrace, "run guest code, and make calls in stubs"),
        HostCall::new(libc::SYS_wait4, "learn of traps and ends"),
        HostCall::new(libc::SYS_tgkill, "wake the tracer, and make a running guest thread trap"),
        HostCall::new(libc::SYS_kill, "end a stub"),
        HostCall::new(libc::SYS_getpid, "wake the tracer"),
    ],
};

pub(super) type Pid = i32;

/// The signal that interrupts a running guest thread. It never reaches the stub: the tracer swallows it.
pub(super) const KICK: i32 = libc::SIGURG;

const NT_X86_XSTATE: usize = 0x202;
const PTRACE_SYSEMU: u32 = 31;
const PTRACE_GET_SYSCALL_INFO: u32 = 0x420e;
const PTRACE_GET_RSEQ_CONFIGURATION: u32 = 0x420f;

/// What `waitpid` reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Stopped by or before a signal; bit 7 marks a system-call stop.
    Stop(i32),
    /// Stopped at a `PTRACE_EVENT_*`.
    Ptrace,
    /// Gone and reaped.
    Exit(i32),
}

impl Event {
    pub(super) fn decode(status: i32) -> Event {
        if !libc::WIFSTOPPED(status) {
            return Event::Exit(status);
        }
        if status >> 16 != 0 { Event::Ptrace } else { Event::Stop((status >> 8) & 0xff) }
    }
}

fn check(r: libc::c_long) -> Result<libc::c_long, Errno> {
    if r == -1 { Err(last_errno()) } else { Ok(r) }
}

/// `waitpid` for the children and tracees of the calling thread only.
///
/// Returns `None` when `block` is false and nothing has happened. Errors: `ECHILD`.
pub(super) fn wait_any(block: bool) -> Result<Option<(Pid, Event)>, Errno> {
    let flags = libc::__WALL | libc::__WNOTHREAD | if block { 0 } else { libc::WNOHANG };
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, flags) };
        match pid {
            0 => return Ok(None),
            -1 => match last_errno() {
                Errno::EINTR => {}
                e => return Err(e),
            },
            pid => return Ok(Some((pid, Event::decode(status)))),
        }
    }
}

/// Resumes a stopped tracee without a signal until its next stop.
pub(super) fn cont(pid: Pid) -> Result<(), Errno> {
    // SAFETY: the request takes no pointers.
    check(unsafe { libc::ptrace(libc::PTRACE_CONT, pid, 0usize, 0usize) }).map(drop)
}

/// As [`cont`], but a system call stops the tracee and is not carried out.
pub(super) fn sysemu(pid: Pid) -> Result<(), Errno> {
    // SAFETY: the request takes no pointers.
    check(unsafe { libc::ptrace(PTRACE_SYSEMU, pid, 0usize, 0usize) }).map(drop)
}

pub(super) fn get_regs(pid: Pid) -> Result<UserRegs, Errno> {
    let mut regs = UserRegs::default();
    // SAFETY: `UserRegs` has the layout of `struct user_regs_struct`.
    check(unsafe { libc::ptrace(libc::PTRACE_GETREGS, pid, 0usize, &raw mut regs) })?;
    Ok(regs)
}

pub(super) fn set_regs(pid: Pid, regs: &UserRegs) -> Result<(), Errno> {
    // SAFETY: `UserRegs` has the layout of `struct user_regs_struct`.
    check(unsafe { libc::ptrace(libc::PTRACE_SETREGS, pid, 0usize, core::ptr::from_ref(regs)) }).map(drop)
}

/// Reads the `XSAVE` area; the result has the length that the host uses.
pub(super) fn get_xstate(pid: Pid) -> Result<Vec<u8>, Errno> {
    let mut buf = vec![0u8; 16 << 10];
    let mut iov = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: `iov` describes `buf`, which is not otherwise used during the call.
    check(unsafe { libc::ptrace(libc::PTRACE_GETREGSET, pid, NT_X86_XSTATE, &raw mut iov) })?;
    buf.truncate(iov.iov_len);
    Ok(buf)
}

pub(super) fn set_xstate(pid: Pid, state: &[u8]) -> Result<(), Errno> {
    let mut iov = libc::iovec { iov_base: state.as_ptr().cast_mut().cast(), iov_len: state.len() };
    // SAFETY: `iov` describes `state`, which the host only reads.
    check(unsafe { libc::ptrace(libc::PTRACE_SETREGSET, pid, NT_X86_XSTATE, &raw mut iov) }).map(drop)
}

/// `(si_code, si_addr)` of the signal that stopped the tracee.
pub(super) fn signal_info(pid: Pid) -> Result<(i32, u64), Errno> {
    // SAFETY: all-zero bytes are a valid `siginfo_t`.
    let mut info: libc::siginfo_t = unsafe { core::mem::zeroed() };
    // SAFETY: `info` is a valid place for the result.
    check(unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, pid, 0usize, &raw mut info) })?;
    // SAFETY: callers use the address only for signals that have one; the bytes are initialised in any case.
    Ok((info.si_code, unsafe { info.si_addr() } as u64))
}

pub(super) fn set_options(pid: Pid) -> Result<(), Errno> {
    let options = libc::PTRACE_O_EXITKILL
        | libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE;
    // SAFETY: the request takes no pointers.
    check(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0usize, options as usize) }).map(drop)
}

pub(super) fn event_message(pid: Pid) -> Result<Pid, Errno> {
    let mut msg: libc::c_ulong = 0;
    // SAFETY: `msg` is a valid place for the result.
    check(unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, pid, 0usize, &raw mut msg) })?;
    Pid::try_from(msg).map_err(|_| Errno::EIO)
}

/// Whether the system call that stopped the tracee was made through the 64-bit entry.
pub(super) fn is_native_syscall(pid: Pid) -> bool {
    let mut info = [0u32; 24];
    // SAFETY: `info` is longer than `struct ptrace_syscall_info`, and its length is passed.
    let r = unsafe { libc::ptrace(PTRACE_GET_SYSCALL_INFO, pid, size_of_val(&info), info.as_mut_ptr()) };
    // Bytes 4..8 hold the architecture; before Linux 5.3 the request does not exist and nothing can be told.
    r <= 0 || info[1] == crate::bpf::AUDIT_ARCH_X86_64
}

/// Address, length and signature of the tracee's restartable-sequences area, if it has one.
pub(super) fn rseq_config(pid: Pid) -> Option<(u64, u32, u32)> {
    #[repr(C)]
    #[derive(Default)]
    struct Config {
        pointer: u64,
        size: u32,
        signature: u32,
        flags: u32,
        pad: u32,
    }
    let mut c = Config::default();
    // SAFETY: `c` has the layout of `struct ptrace_rseq_configuration`, and its length is passed.
    let r = unsafe { libc::ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, size_of::<Config>(), &raw mut c) };
    (r > 0 && c.pointer != 0).then_some((c.pointer, c.size, c.signature))
}

pub(super) fn tgkill(tgid: Pid, tid: Pid, signal: i32) {
    // SAFETY: the call takes no pointers.
    unsafe { libc::syscall(libc::SYS_tgkill, tgid, tid, signal) };
}

pub(super) fn kill(pid: Pid) {
    // SAFETY: the call takes no pointers.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}
