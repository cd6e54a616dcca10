//! Making data permanent: [`fsync(2)`](https://man7.org/linux/man-pages/man2/fsync.2.html),
//! [`sync_file_range(2)`](https://man7.org/linux/man-pages/man2/sync_file_range.2.html).

use abi::Errno;
use kcore::id::Fd;
use vfs::FileKind;

use super::SysResult;
use crate::current::CurrentTask;

/// `fsync(2)`.
pub(super) fn fsync(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    cx.task.files().get_open(fd)?.sync(false).map(|()| 0)
}

/// `fdatasync(2)`.
pub(super) fn fdatasync(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    cx.task.files().get_open(fd)?.sync(true).map(|()| 0)
}

/// `sync_file_range(2)`: all of the file's data where Linux would write a part.
pub(super) fn sync_file_range(cx: &mut CurrentTask, fd: Fd, at: i64, len: i64, flags: u32) -> SysResult {
    const ALL_FLAGS: u32 = 7;
    let file = cx.task.files().get_open(fd)?;
    if flags & !ALL_FLAGS != 0 || at < 0 || len < 0 || at.checked_add(len).is_none() {
        return Err(Errno::EINVAL);
    }
    match file.stat()?.kind() {
        FileKind::Regular | FileKind::Directory | FileKind::Symlink | FileKind::Block => {}
        _ => return Err(Errno::ESPIPE),
    }
    if flags != 0 {
        file.sync(true)?;
    }
    Ok(0)
}
