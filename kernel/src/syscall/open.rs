//! [`open(2)`](https://man7.org/linux/man-pages/man2/open.2.html) and its relatives.

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::id::Fd;
use kcore::io::IoError;
use kcore::user::{UserMemory, UserPtr};
use kcore::wait::{Events, WaitSet};
use vfs::consts::*;
use vfs::ops::{self, OpenHow};
use vfs::{Inode, OpenFile};

use super::SysResult;
use super::blocking::until;
use super::path::{AT_FDCWD, Caller, Name};
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;

/// Flags that `open` knows; it ignores others, and `openat2` refuses them.
const KNOWN: u32 = O_ACCMODE
    | O_CREAT
    | O_EXCL
    | O_NOCTTY
    | O_TRUNC
    | O_APPEND
    | O_NONBLOCK
    | O_SYNC
    | O_ASYNC
    | O_DIRECT
    | O_LARGEFILE
    | O_DIRECTORY
    | O_NOFOLLOW
    | O_NOATIME
    | O_CLOEXEC
    | O_PATH
    | O_TMPFILE;
/// What goes together with `O_PATH`.
const WITH_PATH: u32 = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
const RESOLVE_KNOWN: u64 = RESOLVE_NO_XDEV
    | RESOLVE_NO_MAGICLINKS
    | RESOLVE_NO_SYMLINKS
    | RESOLVE_BENEATH
    | RESOLVE_IN_ROOT
    | RESOLVE_CACHED;

const SECOND: u64 = 1_000_000_000;

/// `open(2)`.
pub(super) async fn open(cx: &mut CurrentTask, path: Name, flags: u32, mode: u32) -> SysResult {
    openat(cx, AT_FDCWD, path, flags, mode).await
}

/// `creat(2)`.
pub(super) async fn creat(cx: &mut CurrentTask, path: Name, mode: u32) -> SysResult {
    openat(cx, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode).await
}

/// `openat(2)`. On 64-bit machines all files are large ones.
pub(super) async fn openat(cx: &mut CurrentTask, dir: Fd, path: Name, flags: u32, mode: u32) -> SysResult {
    let flags = if flags & O_PATH != 0 { flags & WITH_PATH } else { flags & KNOWN | O_LARGEFILE };
    if contradictory(flags) {
        return Err(Errno::EINVAL);
    }
    let creates = flags & O_CREAT != 0 || flags & O_TMPFILE == O_TMPFILE;
    let mode = if creates { mode & 0o7777 } else { 0 };
    open_with(cx, dir, path, OpenHow { flags, mode, resolve: 0 }).await
}

/// `openat2(2)`.
pub(super) async fn openat2(
    cx: &mut CurrentTask,
    dir: Fd,
    path: Name,
    how: GuestAddr,
    size: usize,
) -> SysResult {
    let how = read_how(cx, how, size)?;
    if how.resolve & RESOLVE_CACHED != 0 {
        // Which names are at hand is not known before they are looked up; the caller tries again without.
        return Err(Errno::EAGAIN);
    }
    open_with(cx, dir, path, how).await
}

/// `struct open_how` of any size. Errors: `EINVAL`, `E2BIG` for fields that are not known, `EFAULT`.
fn read_how(cx: &CurrentTask, at: GuestAddr, size: usize) -> Result<OpenHow, Errno> {
    const FIRST_SIZE: usize = 24;
    let rest = size.checked_sub(FIRST_SIZE).ok_or(Errno::EINVAL)?;
    if size as u64 > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    let mem = &**cx.task.mm();
    let [flags, mode, resolve] = UserPtr::<[u64; 3]>::new(at).read(mem)?;
    if rest > 0 {
        let mut later = alloc::vec![0; rest];
        let from = at.checked_add(FIRST_SIZE as u64).ok_or(Errno::EFAULT)?;
        if mem.copy_in(from, &mut later) < rest {
            return Err(Errno::EFAULT);
        }
        if later.iter().any(|b| *b != 0) {
            return Err(Errno::E2BIG);
        }
    }
    check_how(flags, mode, resolve)
}

/// Whether no file could be opened with `flags`, which is told before one is looked for.
fn contradictory(flags: u32) -> bool {
    // The bit of O_TMPFILE that is not O_DIRECTORY needs the other one.
    let tmpfile = flags & O_TMPFILE & !O_DIRECTORY != 0;
    let makes_directory = flags & O_CREAT != 0 && flags & O_DIRECTORY != 0;
    makes_directory || tmpfile && (flags & O_DIRECTORY == 0 || flags & O_ACCMODE == O_RDONLY)
}

/// What `openat2` checks before it looks at the path. Errors: `EINVAL`.
fn check_how(flags: u64, mode: u64, resolve: u64) -> Result<OpenHow, Errno> {
    let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?;
    let mode = u32::try_from(mode).map_err(|_| Errno::EINVAL)?;
    let creates = flags & O_CREAT != 0 || flags & O_TMPFILE == O_TMPFILE;
    let scopes = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
    let bad = flags & !KNOWN != 0
        || contradictory(flags)
        || resolve & !RESOLVE_KNOWN != 0
        || resolve & scopes == scopes
        || mode & !0o7777 != 0
        || mode != 0 && !creates
        || flags & O_PATH != 0 && flags & !WITH_PATH != 0;
    if bad { Err(Errno::EINVAL) } else { Ok(OpenHow { flags, mode, resolve }) }
}

async fn open_with(cx: &CurrentTask, dir: Fd, path: Name, how: OpenHow) -> SysResult {
    let path = cx.read_path(path)?;
    if !path.is_empty() {
        // Before the file is looked for, or made.
        cx.task.files().has_room(cx.fd_limit())?;
    }
    let file = loop {
        let who = Caller::new(cx);
        match ops::open(&who.at(cx, dir, &path)?, &path, &how) {
            Ok(file) => break file,
            Err(IoError::Again) if how.flags & O_NONBLOCK != 0 => return Err(Errno::EAGAIN),
            Err(IoError::Again) => {
                let place = ops::lookup(&who.at(cx, dir, &path)?, &path, how.flags & O_NOFOLLOW == 0)?;
                let write = how.flags & O_ACCMODE != O_RDONLY || how.flags & O_TRUNC != 0;
                lease_broken(cx, place.inode(), write).await?;
            }
            Err(IoError::Errno(e)) => return Err(e),
        }
    };
    complete(cx, &file).await?;
    cx.install(file, how.flags & O_CLOEXEC != 0)
}

/// Waits until nobody has a lease against opening a file, for writing or not; in the end it is taken away. Errors: `EINTR` with
/// the rule `ERESTARTSYS`.
pub(super) async fn lease_broken(cx: &CurrentTask, inode: &Arc<dyn Inode>, write: bool) -> Result<(), Errno> {
    let leases = inode.common().leases();
    let (clock, time) = (&cx.kernel.host().clock, cx.kernel.lease_break_time());
    let deadline = (time > 0).then(|| clock.monotonic().saturating_add(u64::from(time) * SECOND));
    let set = WaitSet::one(leases.queue(), Events::all());
    match cx.wait(&set, deadline, || leases.check(write)).await {
        Ok(()) => Ok(()),
        Err(WaitEnd::TimedOut) => {
            leases.expire();
            Ok(())
        }
        Err(WaitEnd::Failed(e)) => Err(e),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::Sys)),
    }
}

/// Waits until a FIFO has its other end, [`fifo(7)`](https://man7.org/linux/man-pages/man7/fifo.7.html).
async fn complete(cx: &CurrentTask, file: &Arc<OpenFile>) -> Result<(), Errno> {
    if file.ops().open_complete(file) {
        return Ok(());
    }
    let Some(queue) = file.queue() else { return Ok(()) };
    let set = WaitSet::one(&queue, Events::READABLE | Events::WRITABLE);
    until(cx, &set, || if file.ops().open_complete(file) { Ok(()) } else { Err(IoError::Again) }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_is_checked() {
        assert!(check_how(u64::from(O_CREAT), 0o644, 0).is_ok());
        for (flags, mode, resolve) in [
            (0, 0o644, 0),
            (u64::from(O_CREAT), 0o10000, 0),
            (1 << 40, 0, 0),
            (u64::from(O_PATH | O_RDWR), 0, 0),
            (0, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT),
            (0, 0, 1 << 20),
            (u64::from(O_TMPFILE & !O_DIRECTORY), 0, 0),
            (u64::from(O_TMPFILE), 0o600, 0),
            (u64::from(O_CREAT | O_DIRECTORY), 0o600, 0),
        ] {
            assert_eq!(check_how(flags, mode, resolve).err(), Some(Errno::EINVAL), "{flags:#o} {mode:#o}");
        }
    }
}
