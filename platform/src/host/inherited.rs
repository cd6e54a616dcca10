//! Descriptors that whoever started this process left open.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

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
