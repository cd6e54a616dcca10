//! The seed: the first stub process, from which all others are forked.

use abi::Errno;

use super::PtraceError;
use super::filter;
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
const AFTER_CALL: u64 = STUB_PAGE + 2;
const FILTER: u64 = STUB_PAGE + STUB_CODE.len() as u64;

const EXIT_TRACEME: i32 = 101;
const EXIT_SETUP: i32 = 102;

/// Forks the seed and empties it. It is stopped afterwards and serves injected calls. Must run in the tracer's thread.
pub(super) fn make_seed(injector: &mut Injector, memfd: i32) -> Result<Pid, PtraceError> {
    let parent = libc::c_long::from(std::process::id().cast_signed());
    // Made before: the child must not allocate.
    let page = [&STUB_CODE[..], &filter::image(&filter::filter(AFTER_CALL), FILTER)].concat();
    // SAFETY: `fork` by the bare system call, so that no handlers of the C library run; the child calls only `seed_main`.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0usize, 0usize, 0usize, 0usize) } as Pid;
    if pid < 0 {
        return Err(PtraceError::Fork(last_errno()));
    }
    if pid == 0 {
        // SAFETY: this is the forked child and has one thread.
        unsafe { seed_main(memfd, parent, &page) };
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
unsafe fn seed_main(memfd: i32, parent: libc::c_long, contents: &[u8]) -> ! {
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
        while i < contents.len() {
            code.add(i).write_volatile(contents[i]);
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
    confine(injector, seed)
}

/// Has the seed, and so all stubs, take on the filter. A host that knows none goes without. Errors: `ESRCH`.
fn confine(injector: &mut Injector, seed: Pid) -> Result<(), Errno> {
    let mode = u64::from(libc::SECCOMP_SET_MODE_FILTER);
    let calls = [
        (libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as u64, 1, 0, 0, 0, 0]),
        (libc::SYS_seccomp, [mode, 0, FILTER, 0, 0, 0]),
    ];
    for (nr, args) in calls {
        match injector.call(seed, nr, args) {
            Err(Errno::ESRCH) => return Err(Errno::ESRCH),
            Err(e) => {
                tracing::warn!(%e, "the host permits no filter of stubs");
                return Ok(());
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kcore::host::MemoryFile;

    use super::*;
    use crate::UserRegs;
    use crate::host::HostMemory;

    fn status(pid: Pid, field: &str) -> Option<String> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|l| l.strip_prefix(field)).map(|v| v.trim().to_owned())
    }

    #[test]
    fn stubs_make_the_tracers_calls_and_no_others() {
        let memory = HostMemory::with_len(1 << 20).unwrap();
        let mut injector = Injector::default();
        let flags = (libc::MAP_SHARED | libc::MAP_FIXED) as u64;
        let map = [0x10000, PAGE, libc::PROT_READ as u64, flags, STUB_MEMFD, 0];
        for forbidden in [libc::SYS_getpid, libc::SYS_openat, libc::SYS_seccomp, libc::SYS_ptrace] {
            let seed = make_seed(&mut injector, memory.raw_fd()).unwrap();
            let stub = injector.clone_of(seed, libc::SIGCHLD).unwrap();
            assert_eq!(status(stub, "Seccomp:").as_deref(), Some("2"));
            assert_eq!(injector.call(stub, libc::SYS_mmap, map), Ok(0x10000));
            assert_eq!(injector.call(stub, libc::SYS_munmap, [0x10000, PAGE, 0, 0, 0, 0]), Ok(0));
            assert_eq!(injector.call(stub, forbidden, [0; 6]), Err(Errno::ESRCH), "{forbidden}");
            sys::kill(seed);
        }
    }

    #[test]
    fn guest_code_makes_no_call_even_untraced() {
        let memory = HostMemory::with_len(1 << 20).unwrap();
        for (i, byte) in [0x0f, 0x05, 0xcc].into_iter().enumerate() {
            // SAFETY: the file is a mebibyte long and mapped whole.
            unsafe { memory.base().add(i).write_volatile(byte) };
        }
        let mut injector = Injector::default();
        let seed = make_seed(&mut injector, memory.raw_fd()).unwrap();
        let stub = injector.clone_of(seed, libc::SIGCHLD).unwrap();
        let (flags, prot) = (libc::MAP_SHARED | libc::MAP_FIXED, libc::PROT_READ | libc::PROT_EXEC);
        let map = [0x10000, PAGE, prot as u64, flags as u64, STUB_MEMFD, 0];
        injector.call(stub, libc::SYS_mmap, map).unwrap();
        let regs = sys::get_regs(stub).unwrap();
        let regs = UserRegs { rip: 0x10000, rax: libc::SYS_munmap as u64, rdi: 0x10000, rsi: PAGE, ..regs };
        sys::set_regs(stub, &regs).unwrap();
        // Not as a guest's thread is resumed: that a call is carried out is what must not happen.
        sys::cont(stub).unwrap();
        let Event::Exit(status) = injector.wait_for(stub).unwrap() else { panic!("the call was made") };
        assert_eq!(libc::WTERMSIG(status), libc::SIGSYS);
        sys::kill(seed);
    }
}
