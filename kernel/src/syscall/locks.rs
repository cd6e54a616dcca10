//! Advisory locks: [`flock(2)`](https://man7.org/linux/man-pages/man2/flock.2.html) and the record locks of
//! [`fcntl_locking(2)`](https://man7.org/linux/man-pages/man2/F_SETLK.2const.html).

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::fcntl::{F_RDLCK, F_UNLCK, F_WRLCK, Flock, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN};
use kcore::addr::GuestAddr;
use kcore::id::{Fd, Pid};
use kcore::io::{IoError, IoResult};
use kcore::user::UserPtr;
use kcore::wait::{Events, WaitSet};
use vfs::locks::{LockKind, LockOwner, RangeLock};
use vfs::{Inode, OpenFile, Whence};

use super::SysResult;
use super::blocking::until;
use crate::current::CurrentTask;

/// What a record lock belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The process (`F_SETLK`).
    Process,
    /// The open file (`F_OFD_SETLK`).
    OpenFile,
}

/// The inode whose locks are meant. Errors: `EINVAL` for files without.
fn inode(file: &OpenFile) -> Result<Arc<dyn Inode>, Errno> {
    file.inode().ok_or(Errno::EINVAL)
}

/// `flock(2)`.
pub(super) async fn flock(cx: &mut CurrentTask, fd: Fd, op: u32) -> SysResult {
    let kind = match op & !LOCK_NB {
        LOCK_SH => Some(LockKind::Read),
        LOCK_EX => Some(LockKind::Write),
        LOCK_UN => None,
        _ => return Err(Errno::EINVAL),
    };
    let file = cx.task.files().get_open(fd)?;
    let inode = inode(&file)?;
    let locks = inode.common().locks();
    let Some(kind) = kind else {
        locks.funlock(file.id());
        return Ok(0);
    };
    let take = || locks.flock(file.id(), kind);
    match take() {
        Err(IoError::Again) if op & LOCK_NB == 0 => {
            let set = WaitSet::one(&locks.queue(), Events::all());
            until(cx, &set, take).await?;
        }
        other => other.map_err(IoError::errno)?,
    }
    Ok(0)
}

/// The first and last byte that `raw` means, the last one `u64::MAX` without end. Errors: `EINVAL`, `EOVERFLOW`.
fn range(file: &OpenFile, raw: &Flock) -> Result<(u64, u64), Errno> {
    let base = match u32::try_from(raw.l_whence).map_or(Err(Errno::EINVAL), Whence::from_raw)? {
        Whence::Set => 0,
        Whence::Cur => file.offset(),
        Whence::End => file.stat()?.size,
        _ => return Err(Errno::EINVAL),
    };
    range_from(base, raw.l_start, raw.l_len)
}

fn range_from(base: u64, start: i64, len: i64) -> Result<(u64, u64), Errno> {
    let base = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?;
    let start = base.checked_add(start).ok_or(Errno::EOVERFLOW)?;
    if start < 0 {
        return Err(Errno::EINVAL);
    }
    let (first, last) = match len {
        0 => (start, i64::MAX),
        1.. => (start, start.checked_add(len - 1).ok_or(Errno::EOVERFLOW)?),
        _ => (start.checked_add(len).ok_or(Errno::EINVAL)?, start - 1),
    };
    let first = u64::try_from(first).map_err(|_| Errno::EINVAL)?;
    // A range of negative length that ends before the first byte has failed above.
    let last = if last == i64::MAX { u64::MAX } else { u64::try_from(last).map_err(|_| Errno::EINVAL)? };
    Ok((first, last))
}

fn wanted(
    cx: &CurrentTask,
    file: &OpenFile,
    raw: &Flock,
    scope: Scope,
    kind: LockKind,
) -> Result<RangeLock, Errno> {
    let (start, last) = range(file, raw)?;
    let (owner, pid) = match scope {
        Scope::Process => (cx.task.files().lock_owner(), cx.task.core.group().tgid()),
        Scope::OpenFile => (LockOwner::File(file.id()), Pid(-1)),
    };
    Ok(RangeLock { start, last, kind, owner, pid })
}

fn read_flock(cx: &CurrentTask, at: GuestAddr, scope: Scope) -> Result<Flock, Errno> {
    let raw = UserPtr::<Flock>::new(at).read(&**cx.task.mm())?;
    if scope == Scope::OpenFile && raw.l_pid != 0 { Err(Errno::EINVAL) } else { Ok(raw) }
}

fn kind_of(raw: &Flock) -> Result<Option<LockKind>, Errno> {
    match raw.l_type {
        F_RDLCK => Ok(Some(LockKind::Read)),
        F_WRLCK => Ok(Some(LockKind::Write)),
        F_UNLCK => Ok(None),
        _ => Err(Errno::EINVAL),
    }
}

/// `F_GETLK`, `F_OFD_GETLK`: the first lock in the way, or `F_UNLCK`. Errors: `EINVAL`, `EOVERFLOW`, `EFAULT`.
pub(super) fn get_lock(cx: &CurrentTask, file: &OpenFile, at: GuestAddr, scope: Scope) -> SysResult {
    let mut raw = read_flock(cx, at, scope)?;
    let kind = kind_of(&raw)?;
    if kind.is_none() && scope == Scope::Process {
        return Err(Errno::EINVAL);
    }
    let want = wanted(cx, file, &raw, scope, kind.unwrap_or(LockKind::Read))?;
    let inode = inode(file)?;
    let locks = inode.common().locks();
    // An open file may ask what it has locked itself.
    let found = if kind.is_some() { locks.test(&want) } else { locks.held(&want) };
    match found {
        None => raw.l_type = F_UNLCK,
        Some(l) => {
            raw.l_type = if l.kind == LockKind::Read { F_RDLCK } else { F_WRLCK };
            raw.l_whence = 0;
            raw.l_start = i64::try_from(l.start).map_err(|_| Errno::EOVERFLOW)?;
            let len = l.last.checked_sub(l.start).and_then(|n| n.checked_add(1)).unwrap_or(0);
            raw.l_len = if l.last == u64::MAX { 0 } else { i64::try_from(len).unwrap_or(0) };
            raw.l_pid = l.pid.0;
        }
    }
    cx.put(at, &raw)?;
    Ok(0)
}

/// `F_SETLK`, `F_SETLKW` and their forms for open files.
pub(super) async fn set_lock(
    cx: &CurrentTask,
    file: &OpenFile,
    at: GuestAddr,
    scope: Scope,
    wait: bool,
) -> SysResult {
    let raw = read_flock(cx, at, scope)?;
    let kind = kind_of(&raw)?;
    let want = wanted(cx, file, &raw, scope, kind.unwrap_or(LockKind::Read))?;
    match kind {
        Some(LockKind::Read) if !file.readable() => return Err(Errno::EBADF),
        Some(LockKind::Write) if !file.writable() => return Err(Errno::EBADF),
        _ => {}
    }
    let inode = inode(file)?;
    let locks = inode.common().locks();
    if kind.is_none() {
        locks.unlock(want.owner, want.start, want.last);
        return Ok(0);
    }
    match locks.set(want) {
        Err(IoError::Again) if wait => wait_for_lock(cx, &inode, want).await?,
        other => other.map_err(IoError::errno)?,
    }
    Ok(0)
}

/// Errors: `EDEADLK` if the holder waits, over others perhaps, for a lock of the caller.
async fn wait_for_lock(cx: &CurrentTask, inode: &Arc<dyn Inode>, want: RangeLock) -> Result<(), Errno> {
    let locks = inode.common().locks();
    let waiter = cx.kernel().lock_waits().enter();
    let attempt = || -> IoResult<()> {
        match locks.set(want) {
            Err(IoError::Again) => {
                waiter.waits_for(inode, want)?;
                Err(IoError::Again)
            }
            other => other,
        }
    };
    until(cx, &WaitSet::one(&locks.queue(), Events::all()), attempt).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range_from(10, -10, 5), Ok((0, 4)));
        assert_eq!(range_from(0, 7, 0), Ok((7, u64::MAX)));
        assert_eq!(range_from(0, 10, -4), Ok((6, 9)));
        assert_eq!(range_from(0, 3, -4), Err(Errno::EINVAL));
        assert_eq!(range_from(0, -1, 1), Err(Errno::EINVAL));
        assert_eq!(range_from(5, i64::MAX, 0), Err(Errno::EOVERFLOW));
        assert_eq!(range_from(0, i64::MAX, 2), Err(Errno::EOVERFLOW));
        assert_eq!(range_from(0, 1, i64::MIN), Err(Errno::EINVAL));
    }
}
