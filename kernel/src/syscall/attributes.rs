//! Permissions, owners and times of files.

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::open::{AT_EACCESS, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use kcore::addr::GuestAddr;
use kcore::cred::{CapSet, Credentials};
use kcore::id::{Fd, Gid, Uid};
use kcore::user::UserPtr;
use vfs::{Path, TimeChange, Timestamp, ops};

use super::SysResult;
use super::path::{AT_FDCWD, Caller, Name, done};
use crate::current::CurrentTask;

/// Where the open file `fd` lies. Errors: `EBADF`, also for `O_PATH`; `EINVAL` for files in no file system.
fn open_place(cx: &CurrentTask, fd: Fd) -> Result<Path, Errno> {
    cx.task.files().get_open(fd)?.path().cloned().ok_or(Errno::EINVAL)
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
    let path = cx.read_path_at(path, flags)?;
    let mut who = Caller::new(cx);
    let other = if flags & AT_EACCESS == 0 { real(who.cred).map(Arc::new) } else { None };
    if let Some(cred) = &other {
        who.cred = cred;
    }
    let place = who.place(cx, dir, &path, flags)?;
    done(ops::access(&who.at(cx, AT_FDCWD, b"")?, &place, mode))
}

/// The credentials that `access(2)` checks, if they are others: the real user's, with the capabilities that this user could have.
fn real(cred: &Credentials) -> Option<Credentials> {
    let (fsuid, fsgid) = (cred.uid, cred.gid);
    let effective = if cred.user_ns.root() == Some(cred.uid) { cred.permitted } else { CapSet::EMPTY };
    let is_same = (fsuid, fsgid, effective) == (cred.fsuid, cred.fsgid, cred.effective);
    (!is_same).then(|| Credentials { fsuid, fsgid, effective, ..cred.clone() })
}

/// `chmod(2)`.
pub(super) fn chmod(cx: &mut CurrentTask, path: Name, mode: u32) -> SysResult {
    fchmodat2(cx, AT_FDCWD, path, mode, 0)
}

/// `fchmodat(2)`, the system call, which has no flags.
pub(super) fn fchmodat(cx: &mut CurrentTask, dir: Fd, path: Name, mode: u32) -> SysResult {
    fchmodat2(cx, dir, path, mode, 0)
}

/// `fchmodat2(2)`.
pub(super) fn fchmodat2(cx: &mut CurrentTask, dir: Fd, path: Name, mode: u32, flags: u32) -> SysResult {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = cx.read_path_at(path, flags)?;
    let who = Caller::new(cx);
    let place = who.place(cx, dir, &path, flags)?;
    done(ops::chmod(who.cred, &place, mode))
}

/// `fchmod(2)`.
pub(super) fn fchmod(cx: &mut CurrentTask, fd: Fd, mode: u32) -> SysResult {
    done(ops::chmod(&cx.task.cred(), &open_place(cx, fd)?, mode))
}

/// Owner arguments; -1 leaves one as it is. Errors: `EINVAL` for users that the caller's namespace does not have.
fn owners(cred: &Credentials, uid: u32, gid: u32) -> Result<(Option<Uid>, Option<Gid>), Errno> {
    let ns = &cred.user_ns;
    let known = |id: u32| id != u32::MAX;
    let uid = known(uid).then(|| ns.uid(uid).ok_or(Errno::EINVAL)).transpose()?;
    let gid = known(gid).then(|| ns.gid(gid).ok_or(Errno::EINVAL)).transpose()?;
    Ok((uid, gid))
}

/// `chown(2)`.
pub(super) fn chown(cx: &mut CurrentTask, path: Name, uid: u32, gid: u32) -> SysResult {
    fchownat(cx, AT_FDCWD, path, uid, gid, 0)
}

/// `lchown(2)`.
pub(super) fn lchown(cx: &mut CurrentTask, path: Name, uid: u32, gid: u32) -> SysResult {
    fchownat(cx, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW)
}

/// `fchownat(2)`.
pub(super) fn fchownat(
    cx: &mut CurrentTask,
    dir: Fd,
    path: Name,
    uid: u32,
    gid: u32,
    flags: u32,
) -> SysResult {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = cx.read_path_at(path, flags)?;
    let who = Caller::new(cx);
    let place = who.place(cx, dir, &path, flags)?;
    let (uid, gid) = owners(who.cred, uid, gid)?;
    done(ops::chown(who.cred, &place, uid, gid))
}

/// `fchown(2)`.
pub(super) fn fchown(cx: &mut CurrentTask, fd: Fd, uid: u32, gid: u32) -> SysResult {
    let place = open_place(cx, fd)?;
    let cred = cx.task.cred();
    let (uid, gid) = owners(&cred, uid, gid)?;
    done(ops::chown(&cred, &place, uid, gid))
}

/// Access and modification time; `None` leaves one as it is.
type Times = [Option<TimeChange>; 2];
const NOW: Times = [Some(TimeChange::Now); 2];

/// What `[seconds, nanoseconds]` asks for, with the special values of nanoseconds. Errors: `EINVAL`.
fn timespec([sec, nsec]: [i64; 2]) -> Result<Option<TimeChange>, Errno> {
    const UTIME_NOW: i64 = 0x3fff_ffff;
    const UTIME_OMIT: i64 = 0x3fff_fffe;
    match nsec {
        UTIME_NOW => Ok(Some(TimeChange::Now)),
        UTIME_OMIT => Ok(None),
        0..1_000_000_000 => stamp(sec, nsec),
        _ => Err(Errno::EINVAL),
    }
}

/// Two `struct timeval`. Errors: `EFAULT`, `EINVAL`.
fn read_timevals(cx: &CurrentTask, at: GuestAddr) -> Result<Times, Errno> {
    if at.is_null() {
        return Ok(NOW);
    }
    let time = |[sec, usec]: [i64; 2]| match usec {
        0..1_000_000 => stamp(sec, usec * 1000),
        _ => Err(Errno::EINVAL),
    };
    let [a, m] = UserPtr::<[[i64; 2]; 2]>::new(at).read(&**cx.task.mm())?;
    Ok([time(a)?, time(m)?])
}

fn stamp(sec: i64, nsec: i64) -> Result<Option<TimeChange>, Errno> {
    let nsec = u32::try_from(nsec).map_err(|_| Errno::EINVAL)?;
    Ok(Some(TimeChange::At(Timestamp { sec, nsec })))
}

/// The file whose times are meant. Errors: those of `path_resolution(7)`, `EBADF`, `EINVAL`.
fn timed_place(cx: &CurrentTask, dir: Fd, path: Name, flags: u32) -> Result<Path, Errno> {
    if path.is_null() && dir != AT_FDCWD {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        open_place(cx, dir)
    } else {
        let path = cx.read_path_at(path, flags)?;
        Caller::new(cx).place(cx, dir, &path, flags)
    }
}

fn set_times(cx: &CurrentTask, place: &Path, [atime, mtime]: Times) -> SysResult {
    done(ops::utimens(&cx.task.cred(), place, atime, mtime))
}

/// `utimensat(2)`; without a path it is `futimens(3)`.
pub(super) fn utimensat(
    cx: &mut CurrentTask,
    dir: Fd,
    path: Name,
    times: GuestAddr,
    flags: u32,
) -> SysResult {
    // Bad nanoseconds are told only of a file that is there.
    let [atime, mtime] = if times.is_null() {
        NOW.map(Ok)
    } else {
        UserPtr::<[[i64; 2]; 2]>::new(times).read(&**cx.task.mm())?.map(timespec)
    };
    if [atime, mtime] == [Ok(None); 2] {
        return Ok(0);
    }
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let place = timed_place(cx, dir, path, flags)?;
    set_times(cx, &place, [atime?, mtime?])
}

/// `futimesat(2)`.
pub(super) fn futimesat(cx: &mut CurrentTask, dir: Fd, path: Name, times: GuestAddr) -> SysResult {
    let times = read_timevals(cx, times)?;
    set_times(cx, &timed_place(cx, dir, path, 0)?, times)
}

/// `utimes(2)`.
pub(super) fn utimes(cx: &mut CurrentTask, path: Name, times: GuestAddr) -> SysResult {
    futimesat(cx, AT_FDCWD, path, times)
}

/// `utime(2)`.
pub(super) fn utime(cx: &mut CurrentTask, path: Name, times: GuestAddr) -> SysResult {
    let times = if times.is_null() {
        NOW
    } else {
        let [a, m] = UserPtr::<[i64; 2]>::new(times).read(&**cx.task.mm())?;
        [stamp(a, 0)?, stamp(m, 0)?]
    };
    set_times(cx, &timed_place(cx, AT_FDCWD, path, 0)?, times)
}
