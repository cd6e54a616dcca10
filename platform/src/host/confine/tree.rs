//! Trees of the host's files that nothing can leave.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::check;

const OPEN_TREE_CLONE: libc::c_long = 1;
const AT_RECURSIVE: libc::c_long = 0x8000;
const MOUNT_ATTR_RDONLY: u64 = 1;
const MOUNT_ATTR_NOSUID: u64 = 2;
const MOUNT_ATTR_NODEV: u64 = 4;

/// `struct mount_attr`.
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    users: u64,
}

/// A copy of the mounts at and below `path` that is mounted nowhere: `..` at its top stays there, and without `writable` the host allows
/// no changes through it. A descriptor with `O_PATH` keeps it.
///
/// Errors: the host's: `EPERM` without the privilege in a mount namespace, `ENOSYS` before Linux 5.12, and those of the path.
pub fn detached_tree(path: &Path, writable: bool) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = OPEN_TREE_CLONE | AT_RECURSIVE | libc::c_long::from(libc::O_CLOEXEC);
    // SAFETY: the path ends with a NUL.
    let fd = check(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })?;
    // SAFETY: the descriptor is new and nobody else's.
    let tree = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let read_only = if writable { 0 } else { MOUNT_ATTR_RDONLY };
    let attributes = Attributes {
        set: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | read_only,
        clear: 0,
        propagation: libc::MS_PRIVATE,
        users: 0,
    };
    let flags = AT_RECURSIVE | libc::c_long::from(libc::AT_EMPTY_PATH);
    let (attributes, len) = (&raw const attributes, size_of::<Attributes>());
    // SAFETY: the empty path ends with a NUL, and the attributes are a valid structure of the length given.
    check(unsafe {
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), c"".as_ptr(), flags, attributes, len)
    })?;
    Ok(tree)
}
