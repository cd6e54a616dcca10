//! What is known about a file: [`stat(2)`](https://man7.org/linux/man-pages/man2/stat.2.html),
//! [`statx(2)`](https://man7.org/linux/man-pages/man2/statx.2.html).

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::open::{
    AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_DONT_SYNC, AT_STATX_FORCE_SYNC, AT_SYMLINK_NOFOLLOW,
};
use abi::fs::stat::{
    STATX_ATTR_MOUNT_ROOT, STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID, STATX_MNT_ID_UNIQUE, Stat, Statx,
    StatxTimestamp,
};
use kcore::addr::GuestAddr;
use kcore::cred::UserNamespace;
use kcore::id::Fd;
use vfs::{InodeAttr, Timestamp, dev_major, dev_minor};
use zerocopy::FromZeros;

use super::SysResult;
use super::path::{AT_FDCWD, Caller, Name};
use crate::current::CurrentTask;

/// `fstat(2)`.
pub(super) fn fstat(cx: &mut CurrentTask, fd: Fd, buf: GuestAddr) -> SysResult {
    let attr = cx.task.files().get(fd)?.stat()?;
    put_stat(cx, buf, &attr)
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
    let attr = attr_at(cx, dir, path, flags)?;
    put_stat(cx, buf, &attr)
}

fn attr_at(cx: &CurrentTask, dir: Fd, path: Name, flags: u32) -> Result<InodeAttr, Errno> {
    let path = cx.read_path_at(path, flags)?;
    if path.is_empty() && dir != AT_FDCWD {
        return cx.task.files().get(dir)?.stat();
    }
    Caller::new(cx).find(cx, dir, &path, flags)?.attr()
}

/// A number that C has as a signed one; what does not fit is told as the largest.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn put_stat(cx: &CurrentTask, buf: GuestAddr, a: &InodeAttr) -> SysResult {
    let users = &cx.task.who().user_ns;
    let raw = Stat {
        st_dev: a.dev,
        st_ino: a.ino,
        st_nlink: a.nlink.into(),
        st_mode: a.mode,
        st_uid: users.show_uid(a.uid),
        st_gid: users.show_gid(a.gid),
        st_rdev: a.rdev,
        st_size: signed(a.size),
        st_blksize: a.blksize.into(),
        st_blocks: signed(a.blocks),
        st_atime: a.atime.sec,
        st_atime_nsec: a.atime.nsec.into(),
        st_mtime: a.mtime.sec,
        st_mtime_nsec: a.mtime.nsec.into(),
        st_ctime: a.ctime.sec,
        st_ctime_nsec: a.ctime.nsec.into(),
        ..Stat::new_zeroed()
    };
    cx.put(buf, &raw)?;
    Ok(0)
}

/// Both at once is an error.
const AT_STATX_SYNC_TYPE: u32 = AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;
/// A bit of the mask that will never mean anything.
const STATX_RESERVED: u32 = 0x8000_0000;

/// `statx(2)`. Fields are filled whether asked for or not, as Linux allows; `stx_mask` says which are.
pub(super) fn statx(
    cx: &mut CurrentTask,
    dir: Fd,
    path: Name,
    flags: u32,
    mask: u32,
    buf: GuestAddr,
) -> SysResult {
    let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    if flags & !known != 0 || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE || mask & STATX_RESERVED != 0 {
        return Err(Errno::EINVAL);
    }
    let path = cx.read_path_at(path, flags)?;
    let who = Caller::new(cx);
    let found = who.find(cx, dir, &path, flags)?;
    let mut raw = statx_of(&found.attr()?, &who.cred.user_ns);
    if let Some(p) = found.into_path() {
        let unique = mask & STATX_MNT_ID_UNIQUE != 0;
        raw.stx_mask |= if unique { STATX_MNT_ID_UNIQUE } else { STATX_MNT_ID };
        raw.stx_mnt_id = if unique { p.mount.unique_id() } else { p.mount.id() };
        raw.stx_attributes_mask |= STATX_ATTR_MOUNT_ROOT;
        if Arc::ptr_eq(&p.dentry, p.mount.root()) {
            raw.stx_attributes |= STATX_ATTR_MOUNT_ROOT;
        }
    }
    cx.put(buf, &raw)?;
    Ok(0)
}

/// The attributes, with users as those of `users` know them.
fn statx_of(a: &InodeAttr, users: &UserNamespace) -> Statx {
    let time =
        |t: Timestamp| StatxTimestamp { tv_sec: t.sec, tv_nsec: t.nsec, ..StatxTimestamp::new_zeroed() };
    let born = a.btime != Timestamp::default();
    Statx {
        stx_mask: STATX_BASIC_STATS | if born { STATX_BTIME } else { 0 },
        stx_blksize: a.blksize,
        stx_nlink: a.nlink,
        stx_uid: users.show_uid(a.uid),
        stx_gid: users.show_gid(a.gid),
        // The type and permission bits are below 2^16.
        stx_mode: u16::try_from(a.mode & 0xffff).unwrap_or(0),
        stx_ino: a.ino,
        stx_size: a.size,
        stx_blocks: a.blocks,
        stx_atime: time(a.atime),
        stx_btime: time(a.btime),
        stx_ctime: time(a.ctime),
        stx_mtime: time(a.mtime),
        stx_rdev_major: dev_major(a.rdev),
        stx_rdev_minor: dev_minor(a.rdev),
        stx_dev_major: dev_major(a.dev),
        stx_dev_minor: dev_minor(a.dev),
        ..Statx::new_zeroed()
    }
}
