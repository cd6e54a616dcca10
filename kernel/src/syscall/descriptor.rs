//! Descriptors as such: [`close(2)`](https://man7.org/linux/man-pages/man2/close.2.html),
//! [`dup(2)`](https://man7.org/linux/man-pages/man2/dup.2.html),
//! [`close_range(2)`](https://man7.org/linux/man-pages/man2/close_range.2.html).

use alloc::sync::Arc;

use abi::Errno;
use kcore::id::Fd;
use task::rlimit::Resource;
use vfs::OpenFile;
use vfs::consts::O_CLOEXEC;

use super::SysResult;
use crate::current::CurrentTask;

impl CurrentTask {
    /// Descriptor numbers stay below this (`RLIMIT_NOFILE`).
    pub(crate) fn fd_limit(&self) -> usize {
        usize::try_from(self.task.core.group().soft_limit(Resource::Nofile)).unwrap_or(usize::MAX)
    }
    /// Adds an open file to the caller's descriptors. Errors: `EMFILE`.
    pub(crate) fn install(&self, file: Arc<OpenFile>, cloexec: bool) -> SysResult {
        file.note_opener(self.task.who());
        fd_result(self.task.files().insert(file, cloexec, 0, self.fd_limit()))
    }
}

pub(super) fn fd_result(fd: Result<Fd, Errno>) -> SysResult {
    u64::try_from(fd?.0).map_err(|_| Errno::EBADF)
}

/// `close(2)`.
pub(super) fn close(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    cx.task.files().close(fd).map(|()| 0)
}

/// `dup(2)`.
pub(super) fn dup(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    let file = cx.task.files().get(fd)?;
    cx.install(file, false)
}

/// `dup2(2)`.
pub(super) fn dup2(cx: &mut CurrentTask, old: Fd, new: Fd) -> SysResult {
    let file = cx.task.files().get(old)?;
    if old == new {
        return fd_result(Ok(new));
    }
    put_at(cx, file, new, false)
}

/// `dup3(2)`.
pub(super) fn dup3(cx: &mut CurrentTask, old: Fd, new: Fd, flags: u32) -> SysResult {
    if flags & !O_CLOEXEC != 0 || old == new {
        return Err(Errno::EINVAL);
    }
    // A number beyond the limit is told before one that is not open.
    if usize::try_from(new.0).map_or(true, |n| n >= cx.fd_limit()) {
        return Err(Errno::EBADF);
    }
    let file = cx.task.files().get(old)?;
    put_at(cx, file, new, flags & O_CLOEXEC != 0)
}

fn put_at(cx: &CurrentTask, file: Arc<OpenFile>, at: Fd, cloexec: bool) -> SysResult {
    cx.task.files().replace(at, file, cloexec, cx.fd_limit())?;
    fd_result(Ok(at))
}

/// `close_range(2)`.
pub(super) fn close_range(cx: &mut CurrentTask, first: u32, last: u32, flags: u32) -> SysResult {
    const CLOSE_RANGE_UNSHARE: u32 = 2;
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    if flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL);
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 {
        cx.task.unshare_files();
    }
    let files = cx.task.files();
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        files.cloexec_range(first, last);
    } else {
        files.close_range(first, last);
    }
    Ok(0)
}
