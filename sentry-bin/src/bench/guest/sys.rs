//! The calls that are measured, made as most programs make them: by functions of the C library.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};

fn check(result: i64) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

pub(super) fn getppid() {
    // SAFETY: the call takes nothing.
    unsafe { libc::getppid() };
}

/// By the function `syscall()`.
pub(super) fn getppid_by_syscall() {
    // SAFETY: the call takes nothing.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// By an instruction of this program's own, as in static programs and in Go's.
pub(super) fn getppid_inline() {
    // SAFETY: the call takes nothing and changes the registers that are named.
    unsafe {
        core::arch::asm!("syscall", inout("rax") libc::SYS_getppid => _, out("rcx") _, out("r11") _, options(nostack));
    }
}

/// A call that does next to nothing, and that no backend answers by itself.
pub(super) fn getpgrp() {
    // SAFETY: the call takes nothing.
    unsafe { libc::getpgrp() };
}

pub(super) fn gettimeofday() {
    let mut now = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: `now` is a valid place for the result; no time zone is asked for.
    unsafe { libc::gettimeofday(&raw mut now, core::ptr::null_mut()) };
    std::hint::black_box(now.tv_usec);
}

pub(super) fn read(fd: &impl AsRawFd, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is valid for writes of its length.
    check(unsafe { libc::read(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) } as i64)
}

pub(super) fn write(fd: &impl AsRawFd, buf: &[u8]) -> io::Result<usize> {
    // SAFETY: the buffer is valid for reads of its length.
    check(unsafe { libc::write(fd.as_raw_fd(), buf.as_ptr().cast(), buf.len()) } as i64)
}

pub(super) fn rewind(fd: &impl AsRawFd) -> io::Result<usize> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_SET) })
}

pub(super) fn getdents(fd: &impl AsRawFd, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is valid for writes of its length.
    check(unsafe { libc::syscall(libc::SYS_getdents64, fd.as_raw_fd(), buf.as_mut_ptr(), buf.len()) })
}

/// Waits without an end for one event.
pub(super) fn epoll_wait(epoll: &impl AsRawFd) -> io::Result<usize> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: `event` is a valid place for the one event.
    check(unsafe { libc::epoll_wait(epoll.as_raw_fd(), &raw mut event, 1, -1) }.into())
}

pub(super) fn open_and_close(path: &CStr) -> io::Result<usize> {
    // SAFETY: the path ends with a NUL; the descriptor is this function's own.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY);
        check(fd.into())?;
        check(libc::close(fd).into())
    }
}

pub(super) fn stat(path: &CStr) -> io::Result<usize> {
    // SAFETY: all-zero bytes are a valid value, a valid place for the result; the path ends with a NUL.
    check(unsafe { libc::stat(path.as_ptr(), &mut core::mem::zeroed()) }.into())
}

/// Forks a child that does `body` and exits. Only while this process has one thread.
pub(super) fn fork(body: impl FnOnce()) -> io::Result<libc::pid_t> {
    // SAFETY: the process has one thread, so the child may do whatever this process may.
    let pid = unsafe { libc::fork() };
    check(pid.into())?;
    if pid == 0 {
        body();
        // SAFETY: ends the child without its parent's handlers.
        unsafe { libc::_exit(0) };
    }
    Ok(pid)
}

/// Becomes the program at `path`. Errors: the host's.
pub(super) fn exec(path: &CStr) -> io::Error {
    let argv = [path.as_ptr(), core::ptr::null()];
    // SAFETY: the path ends with a NUL, and both lists with a null pointer.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), argv[1..].as_ptr()) };
    io::Error::last_os_error()
}

/// Waits for a child to end. Errors: the host's; that the child failed.
pub(super) fn wait_for(pid: libc::pid_t) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result.
    check(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into())?;
    if status == 0 { Ok(()) } else { Err(io::Error::other(format!("a child ended with status {status:#x}"))) }
}

/// Sleeps for ever.
pub(super) fn pause() -> ! {
    loop {
        // SAFETY: the call takes nothing.
        unsafe { libc::pause() };
    }
}

/// Sleeps while `word` is `value`; may return early.
pub(super) fn futex_wait(word: &AtomicU32, value: u32) {
    let timeout = core::ptr::null::<libc::timespec>();
    let op = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word is live; no timeout is given.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), op, value, timeout) };
}

/// Wakes one sleeper on `word`.
pub(super) fn futex_wake(word: &AtomicU32) {
    // SAFETY: the word is live.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
}

static CAUGHT: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    CAUGHT.fetch_add(1, Ordering::Relaxed);
}

/// Makes `SIGUSR1` be counted.
pub(super) fn catch_signals() {
    let handler: extern "C" fn(i32) = count;
    // SAFETY: the handler only changes an atomic word.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
}

/// Sends `SIGUSR1` to this thread. Returns how many came so far.
pub(super) fn raise() -> u32 {
    // SAFETY: the signal is caught.
    unsafe { libc::raise(libc::SIGUSR1) };
    CAUGHT.load(Ordering::Relaxed)
}

/// Maps `len` bytes of fresh memory, writes to each page, and unmaps them.
pub(super) fn map_and_touch(len: usize) -> io::Result<()> {
    const PAGE: usize = 4096;
    let at = map(len)?;
    for offset in (0..len).step_by(PAGE) {
        // SAFETY: the byte lies in the mapping just made.
        unsafe { at.add(offset).write_volatile(1) };
    }
    unmap(at, len)
}

/// Maps `len` bytes and unmaps them.
pub(super) fn map_and_unmap(len: usize) -> io::Result<()> {
    unmap(map(len)?, len)
}

fn map(len: usize) -> io::Result<*mut u8> {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: the kernel chooses a free range.
    let at = unsafe { libc::mmap(core::ptr::null_mut(), len, prot, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at.cast()) }
}

fn unmap(at: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: the range is a mapping of the caller's, who forgets it.
    check(unsafe { libc::munmap(at.cast(), len) }.into()).map(drop)
}

/// Closes a descriptor in a forked child, whose parent goes on with its own.
pub(super) fn close_copy(fd: &impl AsRawFd) {
    // SAFETY: the child uses the descriptor no more.
    unsafe { libc::close(fd.as_raw_fd()) };
}

/// Kills a child and waits for its end.
pub(super) fn end(pid: libc::pid_t) {
    // SAFETY: the calls take no pointers that they use.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, core::ptr::null_mut(), 0);
    }
}
