//! The space that a file takes, and hints about its use: [`truncate(2)`](https://man7.org/linux/man-pages/man2/truncate.2.html),
//! [`fallocate(2)`](https://man7.org/linux/man-pages/man2/fallocate.2.html),
//! [`posix_fadvise(2)`](https://man7.org/linux/man-pages/man2/posix_fadvise.2.html),
//! [`readahead(2)`](https://man7.org/linux/man-pages/man2/readahead.2.html).

use core::ffi::c_char;

use abi::Errno;
use kcore::id::Fd;
use kcore::io::IoError;
use kcore::user::UserPtr;
use task::rlimit::Resource;
use task::signal::Signal;
use vfs::consts::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE};
use vfs::{FileKind, OpenFile, ops};

use super::SysResult;
use super::open::lease_broken;
use super::path::{AT_FDCWD, Caller};
use crate::current::CurrentTask;

/// A file may become so long. Errors: `EFBIG`, with `SIGXFSZ`, beyond `RLIMIT_FSIZE`.
fn check_size(cx: &CurrentTask, now: u64, len: i64) -> Result<(), Errno> {
    let limit = cx.task.core.group().rlimit(Resource::Fsize).cur;
    match u64::try_from(len) {
        Ok(len) if len > limit && len > now => {
            cx.signal_self(Signal::XFSZ);
            Err(Errno::EFBIG)
        }
        _ => Ok(()),
    }
}

/// `truncate(2)`.
pub(super) async fn truncate(cx: &mut CurrentTask, path: UserPtr<c_char>, len: i64) -> SysResult {
    if len < 0 {
        return Err(Errno::EINVAL);
    }
    let path = cx.read_path(path)?;
    let who = Caller::new(cx);
    let place = ops::lookup(&who.at(cx, AT_FDCWD, &path)?, &path, true)?;
    if place.inode().kind() == FileKind::Regular {
        check_size(cx, place.inode().attr()?.size, len)?;
    }
    loop {
        match ops::truncate(who.cred, &place, len) {
            Err(IoError::Again) => lease_broken(cx, place.inode(), true).await?,
            done => return done.map(|()| 0).map_err(IoError::errno),
        }
    }
}

/// `ftruncate(2)`.
pub(super) fn ftruncate(cx: &mut CurrentTask, fd: Fd, len: i64) -> SysResult {
    if len < 0 {
        return Err(Errno::EINVAL);
    }
    let file = cx.task.files().get_open(fd)?;
    if !file.is_regular() {
        return Err(Errno::EINVAL);
    }
    if file.writable() {
        check_size(cx, file.stat()?.size, len)?;
    }
    file.truncate(len, &cx.task.cred()).map(|()| 0)
}

/// `fallocate(2)`.
pub(super) fn fallocate(cx: &mut CurrentTask, fd: Fd, mode: u32, at: i64, len: i64) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    if let Some(end) = at.checked_add(len)
        && at >= 0
        && len > 0
        && file.is_regular()
        && file.writable()
        && mode & (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE) == 0
    {
        check_size(cx, file.stat()?.size, end)?;
    }
    file.allocate(mode, at, len, &cx.task.cred()).map(|()| 0)
}

/// Whether the kernel can read the file ahead at all. Errors: `ESPIPE` for pipes.
fn check_advice(file: &OpenFile) -> Result<(), Errno> {
    if file.stat()?.kind() == FileKind::Fifo { Err(Errno::ESPIPE) } else { Ok(()) }
}

/// `posix_fadvise(2)`. All advice is taken note of by doing nothing: pages are read on use and dropped under pressure.
pub(super) fn fadvise64(cx: &mut CurrentTask, fd: Fd, _at: i64, len: i64, advice: i32) -> SysResult {
    const LAST: i32 = 5;
    let file = cx.task.files().get_open(fd)?;
    check_advice(&file)?;
    if len < 0 || !(0..=LAST).contains(&advice) {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

/// `readahead(2)`.
pub(super) fn readahead(cx: &mut CurrentTask, fd: Fd, _at: i64, _count: usize) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    if !file.readable() {
        return Err(Errno::EBADF);
    }
    match file.stat()?.kind() {
        FileKind::Regular | FileKind::Block => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}
