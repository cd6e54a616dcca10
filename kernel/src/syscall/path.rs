//! System calls on paths.

use alloc::sync::Arc;
use core::ffi::c_char;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::cred::Credentials;
use kcore::id::Fd;
use kcore::io::IoError;
use kcore::user::{UserMemory, UserPtr};
use vfs::consts::{O_CLOEXEC, O_PATH};
use vfs::ops::{self, OpenHow};
use vfs::{FsView, OpCtx};

use super::SysResult;
use super::file::{install, put_stat};
use crate::current::CurrentTask;

type Name = UserPtr<c_char>;

const AT_FDCWD: Fd = Fd(-100);
const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_REMOVEDIR: u32 = 0x200;
const AT_EACCESS: u32 = 0x200;
const AT_NO_AUTOMOUNT: u32 = 0x800;
const AT_EMPTY_PATH: u32 = 0x1000;

/// A task's view and credentials, held for one call.
struct Caller {
    view: FsView,
    cred: Arc<Credentials>,
}

impl Caller {
    fn new(cx: &CurrentTask) -> Caller {
        Caller { view: cx.task.fs().view(), cred: cx.task.cred() }
    }
    /// Path operations that start at `dir`. Errors: `EBADF`, `ENOTDIR`; only if `path` is relative.
    fn at<'a>(&'a self, cx: &'a CurrentTask, dir: Fd, path: &[u8]) -> Result<OpCtx<'a>, Errno> {
        let ctx = OpCtx::new(cx.kernel().vfs(), &self.view, &self.cred).by(&**cx.task.core()).for_job(cx);
        if path.first() == Some(&b'/') {
            return Ok(ctx);
        }
        Ok(match cx.task.dir(dir)? {
            Some(place) => ctx.at(place),
            None => ctx,
        })
    }
}

fn done(r: Result<(), Errno>) -> SysResult {
    r.map(|()| 0)
}

/// `open(2)`.
pub(super) fn open(cx: &mut CurrentTask, path: Name, flags: u32, mode: u32) -> SysResult {
    openat(cx, AT_FDCWD, path, flags, mode)
}

/// `openat(2)`.
pub(super) fn openat(cx: &mut CurrentTask, dir: Fd, path: Name, flags: u32, mode: u32) -> SysResult {
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    let how = OpenHow { flags, mode: mode & 0o7777, resolve: 0 };
    let file = ops::open(&who.at(cx, dir, &path)?, &path, &how).map_err(IoError::errno)?;
    debug_assert!(flags & O_PATH == 0 || file.is_path_only());
    install(cx, file, flags & O_CLOEXEC != 0)
}

/// `stat(2)`.
pub(super) fn stat(cx: &mut CurrentTask, path: Name, buf: GuestAddr) -> SysResult {
    newfstatat(cx, AT_FDCWD, path, buf, 0)
}

/// `lstat(2)`.
pub(super) fn lstat(cx: &mut CurrentTask, path: Name, buf: GuestAddr) -> SysResult {
    newfstatat(cx, AT_FDCWD, path, buf, AT_SYMLINK_NOFOLLOW)
}

/// `fstatat(2)`.
pub(super) fn newfstatat(cx: &mut CurrentTask, dir: Fd, path: Name, buf: GuestAddr, flags: u32) -> SysResult {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = cx.read_path(path)?;
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        let attr = match dir {
            AT_FDCWD => cx.task.fs().view().cwd.inode().attr()?,
            _ => cx.task.files().get(dir)?.stat()?,
        };
        return put_stat(cx, buf, &attr);
    }
    let who = Caller::new(cx);
    let attr = ops::stat(&who.at(cx, dir, &path)?, &path, flags & AT_SYMLINK_NOFOLLOW == 0)?;
    put_stat(cx, buf, &attr)
}

/// `access(2)`.
pub(super) fn access(cx: &mut CurrentTask, path: Name, mode: u32) -> SysResult {
    faccessat2(cx, AT_FDCWD, path, mode, 0)
}

/// `faccessat(2)`, the system call, which has no flags.
pub(super) fn faccessat(cx: &mut CurrentTask, dir: Fd, path: Name, mode: u32) -> SysResult {
    faccessat2(cx, dir, path, mode, 0)
}

/// `faccessat2(2)`.
pub(super) fn faccessat2(cx: &mut CurrentTask, dir: Fd, path: Name, mode: u32, flags: u32) -> SysResult {
    if mode & !7 != 0 || flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = cx.read_path(path)?;
    let mut who = Caller::new(cx);
    if flags & AT_EACCESS == 0 {
        who.cred = Arc::new(real(&who.cred));
    }
    let ctx = who.at(cx, dir, &path)?;
    let place = if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        ctx.start().clone()
    } else {
        ops::lookup(&ctx, &path, flags & AT_SYMLINK_NOFOLLOW == 0)?
    };
    done(ops::access(&ctx, &place, mode))
}

/// The credentials that `access(2)` checks: the real user's, with the capabilities that this user could have.
fn real(cred: &Credentials) -> Credentials {
    let mut c = cred.clone();
    c.fsuid = c.uid;
    c.fsgid = c.gid;
    c.effective = if c.uid == kcore::id::Uid::ROOT { c.permitted } else { kcore::cred::CapSet::EMPTY };
    c
}

/// `truncate(2)`.
pub(super) fn truncate(cx: &mut CurrentTask, path: Name, len: i64) -> SysResult {
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    let place = ops::lookup(&who.at(cx, AT_FDCWD, &path)?, &path, true)?;
    done(ops::truncate(&who.cred, &place, len))
}

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

/// `mkdir(2)`.
pub(super) fn mkdir(cx: &mut CurrentTask, path: Name, mode: u32) -> SysResult {
    mkdirat(cx, AT_FDCWD, path, mode)
}

/// `mkdirat(2)`.
pub(super) fn mkdirat(cx: &mut CurrentTask, dir: Fd, path: Name, mode: u32) -> SysResult {
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    done(ops::mkdir(&who.at(cx, dir, &path)?, &path, mode).map(drop))
}

/// `rmdir(2)`.
pub(super) fn rmdir(cx: &mut CurrentTask, path: Name) -> SysResult {
    unlinkat(cx, AT_FDCWD, path, AT_REMOVEDIR)
}

/// `unlink(2)`.
pub(super) fn unlink(cx: &mut CurrentTask, path: Name) -> SysResult {
    unlinkat(cx, AT_FDCWD, path, 0)
}

/// `unlinkat(2)`.
pub(super) fn unlinkat(cx: &mut CurrentTask, dir: Fd, path: Name, flags: u32) -> SysResult {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    let ctx = who.at(cx, dir, &path)?;
    done(if flags == 0 { ops::unlink(&ctx, &path) } else { ops::rmdir(&ctx, &path) })
}

/// `rename(2)`.
pub(super) fn rename(cx: &mut CurrentTask, old: Name, new: Name) -> SysResult {
    renameat2(cx, AT_FDCWD, old, AT_FDCWD, new, 0)
}

/// `renameat(2)`.
pub(super) fn renameat(cx: &mut CurrentTask, olddir: Fd, old: Name, newdir: Fd, new: Name) -> SysResult {
    renameat2(cx, olddir, old, newdir, new, 0)
}

/// `renameat2(2)`.
pub(super) fn renameat2(
    cx: &mut CurrentTask,
    olddir: Fd,
    old: Name,
    newdir: Fd,
    new: Name,
    flags: u32,
) -> SysResult {
    let (old, new) = (cx.read_path(old)?, cx.read_path(new)?);
    let who = Caller::new(cx);
    done(ops::rename(&who.at(cx, olddir, &old)?, &old, &who.at(cx, newdir, &new)?, &new, flags))
}

/// `link(2)`, which does not follow a symbolic link at the end of `old`.
pub(super) fn link(cx: &mut CurrentTask, old: Name, new: Name) -> SysResult {
    let (old, new) = (cx.read_path(old)?, cx.read_path(new)?);
    let who = Caller::new(cx);
    let ctx = who.at(cx, AT_FDCWD, &old)?;
    done(ops::link(&ctx, &old, false, &ctx, &new))
}

/// `symlink(2)`.
pub(super) fn symlink(cx: &mut CurrentTask, target: Name, path: Name) -> SysResult {
    symlinkat(cx, target, AT_FDCWD, path)
}

/// `symlinkat(2)`.
pub(super) fn symlinkat(cx: &mut CurrentTask, target: Name, dir: Fd, path: Name) -> SysResult {
    let (target, path) = (cx.read_path(target)?, cx.read_path(path)?);
    let who = Caller::new(cx);
    done(ops::symlink(&who.at(cx, dir, &path)?, &target, &path).map(drop))
}

/// `readlink(2)`.
pub(super) fn readlink(cx: &mut CurrentTask, path: Name, buf: GuestAddr, size: i32) -> SysResult {
    readlinkat(cx, AT_FDCWD, path, buf, size)
}

/// `readlinkat(2)`: the number of bytes stored, cut at `size`.
pub(super) fn readlinkat(cx: &mut CurrentTask, dir: Fd, path: Name, buf: GuestAddr, size: i32) -> SysResult {
    let size = usize::try_from(size).ok().filter(|n| *n > 0).ok_or(Errno::EINVAL)?;
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    let mut target = ops::readlink(&who.at(cx, dir, &path)?, &path)?;
    target.truncate(size);
    if cx.task.mm().copy_out(buf, &target) < target.len() {
        return Err(Errno::EFAULT);
    }
    Ok(target.len() as u64)
}

/// `umask(2)`.
pub(super) fn umask(cx: &mut CurrentTask, mask: u32) -> SysResult {
    Ok(cx.task.fs().set_umask(mask).into())
}
