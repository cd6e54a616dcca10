//! The working directory, the root and the umask.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::user::UserMemory;
use vfs::ops;

use super::SysResult;
use super::path::{AT_FDCWD, Caller, Name};
use crate::current::CurrentTask;

/// `getcwd(2)`: the length of the path with its NUL.
pub(super) fn getcwd(cx: &mut CurrentTask, buf: GuestAddr, size: usize) -> SysResult {
    let mut path = ops::getcwd(&cx.task.fs().view())?;
    path.push(0);
    if path.len() > size {
        return Err(Errno::ERANGE);
    }
    if cx.task.mm().copy_out(buf, &path) < path.len() {
        return Err(Errno::EFAULT);
    }
    Ok(path.len() as u64)
}

/// `chdir(2)`.
pub(super) fn chdir(cx: &mut CurrentTask, path: Name) -> SysResult {
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    let ctx = who.at(cx, AT_FDCWD, &path)?;
    let place = ops::lookup(&ctx, &path, true)?;
    ops::chroot_check(&ctx, &place)?;
    cx.task.fs().set_cwd(place);
    Ok(0)
}

/// `fchdir(2)`.
pub(super) fn fchdir(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    let place = cx.task.files().get(fd)?.path().cloned().ok_or(Errno::ENOTDIR)?;
    let who = Caller::new(cx);
    ops::chroot_check(&who.at(cx, AT_FDCWD, b"")?, &place)?;
    cx.task.fs().set_cwd(place);
    Ok(0)
}

/// `chroot(2)`.
pub(super) fn chroot(cx: &mut CurrentTask, path: Name) -> SysResult {
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    let ctx = who.at(cx, AT_FDCWD, &path)?;
    let place = ops::lookup(&ctx, &path, true)?;
    ops::chroot_check(&ctx, &place)?;
    if !who.cred.has_cap(Cap::SysChroot) {
        return Err(Errno::EPERM);
    }
    cx.task.fs().set_root(place);
    Ok(0)
}

/// `umask(2)`.
pub(super) fn umask(cx: &mut CurrentTask, mask: u32) -> SysResult {
    Ok(cx.task.fs().set_umask(mask).into())
}
