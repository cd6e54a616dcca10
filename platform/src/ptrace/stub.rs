//! The seed: the first stub process, from which all others are forked.

use abi::Errno;

use super::PtraceError;
use super::inject::Injector;
use super::sys::{self, Event, Pid};
use crate::host::{last_errno, mapped_ranges};

/// Address of the one page of a stub that is not the guest's. It is below the top of user space on every x86-64 host.
pub(super) const STUB_PAGE: u64 = 0x7fff_fff0_0000;
/// The descriptor of the memory file in every stub.
pub(super) const STUB_MEMFD: u64 = 0;

const PAGE: u64 = 4096;
// End of user space with four-level page tables.
const TASK_END: u64 = 0x7fff_ffff_f000;
// `syscall; int3`, and then traps.
const STUB_CODE: [u8; 16] =
    [0x0f, 0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc];

const EXIT_TRACEME: i32 = 101;
const EXIT_SETUP: i32 = 102;

/// Forks the seed and empties it. It is stopped afterwards and serves injected calls. Must run in the tracer's thread.
pub(super) fn make_seed(injector: &mut Injector, memfd: i32) -> Result<Pid, PtraceError> {
    let parent = libc::c_long::from(std::process::id().cast_signed());
    // SAFETY: `fork` by the bare system call, so that no handlers of the C library run; the child calls only `seed_main`.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0usize, 0usize, 0usize, 0usize) } as Pid;
    if pid < 0 {
        return Err(PtraceError::Fork(last_errno()));
    }
    if pid == 0 {
        // SAFETY: this is the forked child and has one thread.
        unsafe { seed_main(memfd, parent) };
    }
    match injector.wait_for(pid) {
        Ok(Event::Stop(libc::SIGSTOP)) => {}
        Ok(Event::Exit(status)) => {
            return Err(match libc::WEXITSTATUS(status) {
                EXIT_TRACEME => PtraceError::NotPermitted,
                _ => PtraceError::Setup(Errno::EIO),
            });
        }
        Ok(_) => return Err(PtraceError::Setup(Errno::EIO)),
        Err(e) => return Err(PtraceError::Setup(e)),
    }
    empty(injector, pid).map_err(PtraceError::Setup)?;
    Ok(pid)
}

/// # Safety
/// Only in a freshly forked child. Makes system calls only: locks may be held by threads that do not exist here.
unsafe fn seed_main(memfd: i32, parent: libc::c_long) -> ! {
    // SAFETY: see the function; the page is new memory at an address that nothing uses, and descriptors are this process's own.
    unsafe {
        libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        // A parent that died before that sends nothing any more.
        if libc::syscall(libc::SYS_getppid) != parent {
            exit(EXIT_SETUP);
        }
        libc::syscall(libc::SYS_prctl, libc::PR_SET_NAME, c"picket-stub".as_ptr(), 0, 0, 0);
        // Away from the terminal's signals.
        libc::syscall(libc::SYS_setsid);
        if libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0) != 0 {
            exit(EXIT_TRACEME);
        }
        let none = 0u64;
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, 0usize, 8usize);
        if memfd != STUB_MEMFD as i32 && libc::syscall(libc::SYS_dup3, memfd, STUB_MEMFD, 0) < 0 {
            exit(EXIT_SETUP);
        }
        libc::syscall(libc::SYS_close_range, 1, u32::MAX, 0);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let page = libc::syscall(libc::SYS_mmap, STUB_PAGE, PAGE, prot, flags, -1, 0);
        if page as u64 != STUB_PAGE {
            exit(EXIT_SETUP);
        }
        let code = STUB_PAGE as *mut u8;
        let mut i = 0;
        while i < STUB_CODE.len() {
            code.add(i).write_volatile(STUB_CODE[i]);
            i += 1;
        }
        if libc::syscall(libc::SYS_mprotect, STUB_PAGE, PAGE, libc::PROT_READ | libc::PROT_EXEC) != 0 {
            exit(EXIT_SETUP);
        }
        let me = libc::syscall(libc::SYS_getpid);
        libc::syscall(libc::SYS_kill, me, libc::SIGSTOP);
        exit(EXIT_SETUP)
    }
}

/// # Safety
/// As `seed_main`.
unsafe fn exit(code: i32) -> ! {
    loop {
        // SAFETY: the call takes no pointers.
        unsafe { libc::syscall(libc::SYS_exit_group, code) };
    }
}

fn empty(injector: &mut Injector, seed: Pid) -> Result<(), Errno> {
    const RSEQ_FLAG_UNREGISTER: u64 = 1;
    sys::set_options(seed)?;
    // The host's kernel writes to the area whenever it has preempted the thread, and kills it if the area is gone.
    if let Some((pointer, size, signature)) = sys::rseq_config(seed) {
        let args = [pointer, u64::from(size), RSEQ_FLAG_UNREGISTER, u64::from(signature), 0, 0];
        injector.call(seed, libc::SYS_rseq, args)?;
    }
    for (start, end) in [(0, STUB_PAGE), (STUB_PAGE + PAGE, TASK_END)] {
        if injector.call(seed, libc::SYS_munmap, [start, end - start, 0, 0, 0, 0]).is_ok() {
            continue;
        }
        // A host that seals the vDSO refuses the whole; such a page then stays, and shows the guest nothing secret. The seed has what
        // this process has.
        for (a, b) in mapped_ranges()? {
            if start <= a && b <= end {
                let _ = injector.call(seed, libc::SYS_munmap, [a, b - a, 0, 0, 0, 0]);
            }
        }
    }
    Ok(())
}
