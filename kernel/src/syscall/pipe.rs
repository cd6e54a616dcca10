//! [`pipe(2)`](https://man7.org/linux/man-pages/man2/pipe.2.html).

use abi::Errno;
use kcore::addr::GuestAddr;
use vfs::anon::pipe::Pipe;
use vfs::consts::{O_CLOEXEC, O_DIRECT, O_NONBLOCK};

use super::SysResult;
use crate::current::CurrentTask;

/// `pipe(2)`.
pub(super) fn pipe(cx: &mut CurrentTask, fds: GuestAddr) -> SysResult {
    pipe2(cx, fds, 0)
}

/// `pipe2(2)`.
pub(super) fn pipe2(cx: &mut CurrentTask, fds: GuestAddr, flags: u32) -> SysResult {
    if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(Errno::EINVAL);
    }
    let place = cx.kernel().nameless().pipe(&cx.task.cred());
    let (r, w) = Pipe::pair(flags & !O_CLOEXEC, Some(place));
    let cred = cx.task.cred();
    r.note_opener(&cred);
    w.note_opener(&cred);
    let cloexec = flags & O_CLOEXEC != 0;
    let files = cx.task.files();
    let limit = cx.fd_limit();
    let a = files.insert(r, cloexec, 0, limit)?;
    let b = files.insert(w, cloexec, 0, limit).inspect_err(|_| files.retract(a))?;
    cx.put(fds, &[a.0, b.0]).inspect_err(|_| {
        files.retract(a);
        files.retract(b);
    })?;
    Ok(0)
}
