//! Descriptors that whoever started this process left open.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A copy of descriptor `fd`, not inherited further. To be called before this process opens files of its own, as it cannot tell them
/// apart.
///
/// Errors: `EBADF` if it is not open; `EMFILE`.
pub fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    const FIRST: libc::c_int = 3;
    // SAFETY: the call takes no pointers; a number that is no open descriptor is an error.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, FIRST) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Closes all descriptors but the standard streams and these. To be called before this process opens files of its own.
///
/// Errors: `ENOSYS` before Linux 5.9.
pub fn close_others(keep: &[&OwnedFd]) -> io::Result<()> {
    let mut numbers: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
    numbers.sort_unstable();
    let mut first = 3u32;
    for number in numbers.into_iter().filter(|n| *n >= 3).chain([u32::MAX]) {
        if number > first {
            // SAFETY: nobody uses these descriptors, as is asked of the caller.
            let done = unsafe { libc::syscall(libc::SYS_close_range, first, number - 1, 0) };
            if done < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        first = number.saturating_add(1);
    }
    Ok(())
}
