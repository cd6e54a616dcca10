//! Making, linking, moving and removing names.

use abi::Errno;
use abi::fs::open::{AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW};
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::user::UserMemory;
use vfs::consts::{S_IFMT, S_IFREG};
use vfs::{make_dev, ops};

use super::SysResult;
use super::path::{AT_FDCWD, Caller, Name, done};
use crate::current::CurrentTask;

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

/// `mknod(2)`.
pub(super) fn mknod(cx: &mut CurrentTask, path: Name, mode: u32, dev: u32) -> SysResult {
    mknodat(cx, AT_FDCWD, path, mode, dev)
}

/// `mknodat(2)`.
pub(super) fn mknodat(cx: &mut CurrentTask, dir: Fd, path: Name, mode: u32, dev: u32) -> SysResult {
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    let mode = if mode & S_IFMT == 0 { mode | S_IFREG } else { mode };
    // The 32-bit encoding of device numbers that system calls use.
    let rdev = make_dev((dev & 0xf_ff00) >> 8, dev & 0xff | dev >> 12 & 0xf_ff00);
    done(ops::mknod(&who.at(cx, dir, &path)?, &path, mode, rdev).map(drop))
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
    ops::check_rename_flags(flags)?;
    let (old, new) = (cx.read_path(old)?, cx.read_path(new));
    let who = Caller::new(cx);
    let from = who.at(cx, olddir, &old)?;
    let to = new.and_then(|new| Ok((who.at(cx, newdir, &new)?, new)));
    match to {
        Ok((to, new)) => done(ops::rename(&from, &old, &to, &new, flags)),
        // What is wrong with the old name is told before what is wrong with the new one.
        Err(e) => ops::check_parent(&from, &old).and(Err(e)),
    }
}

/// `link(2)`, which does not follow a symbolic link at the end of `old`.
pub(super) fn link(cx: &mut CurrentTask, old: Name, new: Name) -> SysResult {
    linkat(cx, AT_FDCWD, old, AT_FDCWD, new, 0)
}

/// `linkat(2)`.
pub(super) fn linkat(
    cx: &mut CurrentTask,
    olddir: Fd,
    old: Name,
    newdir: Fd,
    new: Name,
    flags: u32,
) -> SysResult {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let (old, new) = (cx.read_path_at(old, flags)?, cx.read_path(new));
    let who = Caller::new(cx);
    if flags & AT_EMPTY_PATH != 0 && old.first() != Some(&b'/') && olddir != AT_FDCWD {
        // A file that the caller could not have found by name, perhaps.
        let opened = cx.task.files().get(olddir)?;
        if !opened.was_opened_with(who.cred) && !who.cred.has_cap_everywhere(Cap::DacReadSearch) {
            return Err(Errno::ENOENT);
        }
    }
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 { 0 } else { AT_SYMLINK_NOFOLLOW };
    let place = who.place(cx, olddir, &old, follow)?;
    let new = new?;
    done(ops::link_path(&place, &who.at(cx, newdir, &new)?, &new))
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

/// `readlinkat(2)`: the number of bytes stored, cut at `size`. An empty path reads the link that `dir` refers to.
pub(super) fn readlinkat(cx: &mut CurrentTask, dir: Fd, path: Name, buf: GuestAddr, size: i32) -> SysResult {
    let size = usize::try_from(size).ok().filter(|n| *n > 0).ok_or(Errno::EINVAL)?;
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    let mut ctx = who.at(cx, dir, &path)?;
    if path.is_empty() {
        // The symbolic link that the descriptor is for.
        let place = who
            .place(cx, dir, &path, 0)
            .map_err(|e| if e == Errno::EOPNOTSUPP { Errno::ENOENT } else { e })?;
        ctx = ctx.at(place);
    }
    let mut target = ops::readlink(&ctx, &path)?;
    target.truncate(size);
    if cx.task.mm().copy_out(buf, &target) < target.len() {
        return Err(Errno::EFAULT);
    }
    Ok(target.len() as u64)
}
