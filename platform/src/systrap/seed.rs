//! The first stub: forked from the sentry, emptied, and from then on the one from which all others are forked.

use abi::Errno;

use super::files::{Files, WAKE_WORDS, WAKES_LEN};
use super::layout::*;
use super::{code, filter};
use crate::host::last_errno;

/// The signal that makes a running guest thread trap.
pub(super) const KICK: i32 = libc::SIGURG;
/// Address, in the seed only, of a word where the host leaves the number of a new process.
pub(super) const NEWBORN: u64 = 0x5000;
/// Offset of that word's page in the control file.
pub(super) const NEWBORN_PAGE: u64 = PAGE;

/// Signals that the stub's handler takes.
const HANDLED: [i32; 7] =
    [libc::SIGSYS, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, KICK];
const SA_RESTORER: u64 = 0x0400_0000;

/// What the forked child needs, prepared before: it must not allocate.
struct Plan {
    base: u64,
    fds: [(i32, i32); 6],
    filter: Vec<libc::sock_filter>,
    /// Address, length and signature of the forking thread's restartable-sequences area.
    rseq: Option<(u64, u32)>,
}

/// Forks the seed, whose region begins at `base`. It then waits for its first batch. Must run in a thread that lives as long as stubs do.
///
/// Errors: what `fork(2)` gives.
pub(super) fn fork_seed(files: &Files, base: u64) -> Result<i32, Errno> {
    let plan = Plan {
        base,
        fds: [
            (files.memory, FD_MEMORY),
            (files.control.fd(), FD_CONTROL),
            (files.ops_read_only, FD_OPS),
            (files.acks.fd(), FD_ACK),
            (files.patches_read_only, FD_PATCHES),
            (files.code, FD_CODE),
        ],
        filter: filter::mapper(),
        rseq: rseq_area(),
    };
    // SAFETY: `fork` by the bare system call, so that no handlers of the C library run; the child calls only `seed_main`.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0usize, 0usize, 0usize, 0usize, 0usize) } as i32;
    match pid {
        -1 => Err(last_errno()),
        // SAFETY: this is the forked child and has one thread.
        0 => unsafe { seed_main(&plan) },
        pid => Ok(pid),
    }
}

/// Where the C library has registered the calling thread's restartable-sequences area, if it has.
fn rseq_area() -> Option<(u64, u32)> {
    // SAFETY: the names are NUL-terminated.
    let (offset, size) = unsafe {
        (
            libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()).cast::<isize>(),
            libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_size".as_ptr()).cast::<u32>(),
        )
    };
    if offset.is_null() || size.is_null() {
        return None;
    }
    // SAFETY: the C library defines both as words that do not change after start.
    let (offset, size) = unsafe { (*offset, *size) };
    if size == 0 {
        return None;
    }
    let thread: u64;
    // SAFETY: the first word of the thread's block holds its own address on x86-64.
    unsafe {
        core::arch::asm!("mov {}, fs:[0]", out(reg) thread, options(nostack, readonly, preserves_flags));
    };
    // Sizes below 32 are of the part in use; the registration is of the original size.
    Some((thread.wrapping_add_signed(offset as i64), size.max(32)))
}

#[repr(C)]
struct KernelSigaction {
    handler: u64,
    flags: u64,
    restorer: u64,
    mask: u64,
}

/// # Safety
/// Only in a freshly forked child. Makes system calls only: locks may be held by threads that do not exist here.
unsafe fn seed_main(plan: &Plan) -> ! {
    // SAFETY: see the function; descriptors and signals are this process's own, and the mappings are at addresses that
    // nothing uses or the calls fail.
    unsafe {
        libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        libc::syscall(libc::SYS_prctl, libc::PR_SET_NAME, c"picket-stub".as_ptr(), 0, 0, 0);
        // Away from the terminal's signals.
        libc::syscall(libc::SYS_setsid);
        let all = u64::MAX;
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, 0usize, 8usize);
        // The host's kernel writes to the area whenever it has preempted the thread, and kills it if the area is gone.
        if let Some((at, len)) = plan.rseq {
            const UNREGISTER: i32 = 1;
            const SIGNATURE: u32 = 0x5305_3053;
            if libc::syscall(libc::SYS_rseq, at, len, UNREGISTER, SIGNATURE) != 0 {
                fail(101);
            }
        }
        // First out of the way of the numbers that they are to have, then there.
        let mut high = [0; 6];
        let mut i = 0;
        while i < plan.fds.len() {
            high[i] = libc::syscall(libc::SYS_fcntl, plan.fds[i].0, libc::F_DUPFD, 64) as i32;
            if high[i] < 0 {
                fail(102);
            }
            i += 1;
        }
        i = 0;
        while i < plan.fds.len() {
            if libc::syscall(libc::SYS_dup3, high[i], plan.fds[i].1, 0) < 0 {
                fail(102);
            }
            i += 1;
        }
        if libc::syscall(libc::SYS_close_range, FD_CODE + 1, u32::MAX, 0) != 0 {
            fail(105);
        }
        map(plan.base + CODE, CODE_LEN, libc::PROT_READ | libc::PROT_EXEC, FD_CODE, 0);
        map(plan.base + OPS, PAGE, libc::PROT_READ, FD_OPS, 0);
        map(plan.base + ACK, PAGE, libc::PROT_READ, FD_ACK, 0);
        map(plan.base + DOORBELL, PAGE, libc::PROT_READ | libc::PROT_WRITE, FD_CONTROL, 0);
        map(plan.base + WAKES, WAKES_LEN, libc::PROT_READ, FD_CONTROL, WAKE_WORDS);
        map(plan.base + NEWBORN, PAGE, libc::PROT_READ | libc::PROT_WRITE, FD_CONTROL, NEWBORN_PAGE);
        libc::syscall(libc::SYS_close, FD_CODE);
        let mut signal = 1;
        while signal <= 64 {
            let ours = HANDLED.contains(&signal);
            let action = KernelSigaction {
                handler: if ours { plan.base + CODE + code::handler() } else { 0 },
                flags: if ours { (libc::SA_SIGINFO | libc::SA_ONSTACK) as u64 | SA_RESTORER } else { 0 },
                restorer: plan.base + CODE + code::restorer(),
                mask: u64::MAX,
            };
            // It fails for SIGKILL and SIGSTOP only.
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, 0usize, 8usize);
            signal += 1;
        }
        let program =
            libc::sock_fprog { len: plan.filter.len() as u16, filter: plan.filter.as_ptr().cast_mut() };
        if libc::syscall(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) != 0
        {
            fail(103);
        }
        core::arch::asm!("xor ebp, ebp", "jmp {}", in(reg) plan.base + CODE + code::mapper(), options(noreturn));
    }
}

/// # Safety
/// As `seed_main`.
unsafe fn map(at: u64, len: u64, prot: i32, fd: i32, offset: u64) {
    let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: with this flag the call takes only addresses that are free.
    unsafe {
        if libc::syscall(libc::SYS_mmap, at, len, prot, flags, fd, offset) as u64 != at {
            fail(104);
        }
    }
}

/// # Safety
/// As `seed_main`.
unsafe fn fail(code: i32) -> ! {
    loop {
        // SAFETY: the call takes no pointers.
        unsafe { libc::syscall(libc::SYS_exit_group, code) };
    }
}
