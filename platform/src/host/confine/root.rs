//! A root directory without anything.

use std::ffi::CStr;
use std::io;

use super::check;

/// Where the empty root is mounted until it is the root: what every host has.
const PLACE: &CStr = c"/proc";

fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: u64, data: &CStr) -> io::Result<()> {
    // SAFETY: all strings end with a NUL.
    let done =
        unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) };
    check(done.into()).map(drop)
}

/// Makes an empty directory, which cannot be written to, the root and the working directory of this process, and forgets all mounts.
/// What is open stays open; of trees only those that are [detached](super::detached_tree) stay whole.
///
/// Errors: the host's, most of all `EPERM` without a mount namespace.
pub fn enter_empty_root() -> io::Result<()> {
    // Nothing of this must be seen elsewhere.
    mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE, c"")?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(c"none", PLACE, c"tmpfs", flags, c"size=4k,nr_inodes=2,mode=0555")?;
    // SAFETY: all strings end with a NUL.
    unsafe {
        check(libc::chdir(PLACE.as_ptr()).into())?;
        // The old root is then mounted on top of the new one.
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into())?;
        check(libc::chdir(c"/".as_ptr()).into())?;
    }
    mount(c"none", c"/", c"none", libc::MS_REMOUNT | libc::MS_RDONLY | flags, c"")
}
