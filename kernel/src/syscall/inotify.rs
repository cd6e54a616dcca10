//! [`inotify(7)`](https://man7.org/linux/man-pages/man7/inotify.7.html).

use core::ffi::c_char;

use abi::Errno;
use abi::fs::open::AT_SYMLINK_NOFOLLOW;
use abi::fs::poll::{
    IN_ALL_EVENTS, IN_CLOEXEC, IN_DONT_FOLLOW, IN_EXCL_UNLINK, IN_IGNORED, IN_ISDIR, IN_MASK_ADD,
    IN_MASK_CREATE, IN_NONBLOCK, IN_ONESHOT, IN_ONLYDIR, IN_Q_OVERFLOW, IN_UNMOUNT,
};
use kcore::id::Fd;
use kcore::user::UserPtr;
use vfs::anon::Inotify;
use vfs::consts::O_RDONLY;
use vfs::perm::{self, MAY_READ};

use super::SysResult;
use super::path::{AT_FDCWD, Caller};
use crate::current::CurrentTask;

/// The bits that a watch may have (`ALL_INOTIFY_BITS`); without any there is nothing to look for.
const WATCHABLE: u32 = IN_ALL_EVENTS
    | IN_UNMOUNT
    | IN_Q_OVERFLOW
    | IN_IGNORED
    | IN_ONLYDIR
    | IN_DONT_FOLLOW
    | IN_EXCL_UNLINK
    | IN_MASK_ADD
    | IN_MASK_CREATE
    | IN_ISDIR
    | IN_ONESHOT;

/// `inotify_init(2)`. Errors: `EMFILE`.
pub(super) fn inotify_init(cx: &mut CurrentTask) -> SysResult {
    inotify_init1(cx, 0)
}

/// `inotify_init1(2)`. Errors: `EINVAL` for unknown flags; `EMFILE`, also for a user with too many instances.
pub(super) fn inotify_init1(cx: &mut CurrentTask, flags: u32) -> SysResult {
    if flags & !(IN_CLOEXEC | IN_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let instance = Inotify::new(cx.kernel().inotify(), cx.task.cred().euid)?;
    cx.install(cx.kernel().nameless().open(instance, O_RDONLY | flags & IN_NONBLOCK), flags & IN_CLOEXEC != 0)
}

/// `inotify_add_watch(2)`. Errors: `EBADF`, `EINVAL`, `EFAULT`, `EACCES` for what may not be read, those of `path_resolution(7)`,
/// and those of [`Inotify::add_watch`].
pub(super) fn inotify_add_watch(cx: &mut CurrentTask, fd: Fd, path: UserPtr<c_char>, mask: u32) -> SysResult {
    if mask & WATCHABLE == 0 {
        return Err(Errno::EINVAL);
    }
    let file = cx.task.files().get_open(fd)?;
    if mask & IN_MASK_ADD != 0 && mask & IN_MASK_CREATE != 0 {
        return Err(Errno::EINVAL);
    }
    let instance = Inotify::of(&file).ok_or(Errno::EINVAL)?;
    let path = cx.read_path_at(path, 0)?;
    let flags = if mask & IN_DONT_FOLLOW != 0 { AT_SYMLINK_NOFOLLOW } else { 0 };
    let caller = Caller::new(cx);
    let place = caller.place(cx, AT_FDCWD, &path, flags)?;
    let inode = place.inode();
    perm::check(&inode.attr()?, caller.cred, MAY_READ)?;
    u64::try_from(instance.add_watch(inode, mask)?).map_err(|_| Errno::ENOSPC)
}

/// `inotify_rm_watch(2)`. Errors: `EBADF`; `EINVAL` for a file that is no instance or a watch that it has not.
pub(super) fn inotify_rm_watch(cx: &mut CurrentTask, fd: Fd, watch: i32) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    Inotify::of(&file).ok_or(Errno::EINVAL)?.rm_watch(watch)?;
    Ok(0)
}
