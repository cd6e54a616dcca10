//! Moving data through pipes: [`splice(2)`](https://man7.org/linux/man-pages/man2/splice.2.html),
//! [`tee(2)`](https://man7.org/linux/man-pages/man2/tee.2.html),
//! [`vmsplice(2)`](https://man7.org/linux/man-pages/man2/vmsplice.2.html).

use abi::Errno;
use abi::fs::fcntl::{Iovec, SPLICE_F_GIFT, SPLICE_F_MORE, SPLICE_F_MOVE, SPLICE_F_NONBLOCK};
use kcore::id::Fd;
use kcore::io::{IoError, IoResult};
use kcore::user::UserPtr;
use kcore::wait::{Events, WaitSet};
use mm::{UserSink, UserSource};
use vfs::anon::PipeEnd;
use vfs::anon::splice as mechanism;
use vfs::consts::O_APPEND;
use vfs::tty::TtyFile;
use vfs::{FileKind, OpenFile};

use super::SysResult;
use super::blocking::until;
use super::read_write::{raise_for, sync_after_write, write_options};
use crate::current::CurrentTask;
use crate::usermem::MAX_RW_COUNT;

const KNOWN: u32 = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

/// At most so many bytes as one call moves.
pub(super) fn limited(n: usize) -> usize {
    usize::try_from(MAX_RW_COUNT).map_or(n, |most| n.min(most))
}

/// An offset that a call takes from memory; `None` for a null pointer. Errors: `EFAULT`.
pub(super) fn read_offset(cx: &CurrentTask, ptr: UserPtr<i64>) -> Result<Option<i64>, Errno> {
    if ptr.addr().0 == 0 { Ok(None) } else { ptr.read(&**cx.task.mm()).map(Some) }
}

/// Stores the offset after `n` bytes where it was read. Errors: `EFAULT`.
pub(super) fn advance_offset(
    cx: &CurrentTask,
    ptr: UserPtr<i64>,
    at: Option<i64>,
    n: usize,
) -> Result<(), Errno> {
    match at {
        Some(at) => cx.put(ptr.addr(), &at.saturating_add_unsigned(n as u64)),
        None => Ok(()),
    }
}

/// An offset as files take it. Errors: `EINVAL` if negative.
fn position(at: Option<i64>) -> Result<Option<u64>, Errno> {
    at.map(|at| u64::try_from(at).map_err(|_| Errno::EINVAL)).transpose()
}

/// Data can be spliced to and from the file. Errors: `EINVAL` for directories and for files that carry messages or counters.
pub(super) fn check_spliceable(file: &OpenFile) -> Result<(), Errno> {
    match file.inode().map(|i| i.kind()) {
        None | Some(FileKind::Directory | FileKind::Untyped) => Err(Errno::EINVAL),
        Some(_) => Ok(()),
    }
}

/// Data can be spliced from the file. Errors: `EINVAL`.
pub(super) fn check_splices_from(file: &OpenFile) -> Result<(), Errno> {
    check_spliceable(file)?;
    if file.ops().splices_from() { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Repeats `attempt`, which moves data between a pipe and another file, until it does not say [`IoError::Again`]. With
/// `nonblock` nothing is waited for, and a non-blocking `other` is never. Errors: the attempt's; `EAGAIN`; when interrupted
/// `EINTR`, with the rule `ERESTARTSYS`.
pub(super) async fn through_pipe(
    cx: &CurrentTask,
    (pipe, pipe_event): (&OpenFile, Events),
    (other, other_event): (&OpenFile, Events),
    nonblock: bool,
    mut attempt: impl FnMut() -> IoResult<usize>,
) -> Result<usize, Errno> {
    let nonblock = nonblock || pipe.is_nonblocking();
    let mut once = || match attempt() {
        Err(IoError::Again) if nonblock || (other.is_nonblocking() && !pipe.ready(pipe_event).is_empty()) => {
            Err(Errno::EAGAIN.into())
        }
        result => result,
    };
    match once() {
        Err(IoError::Again) => {}
        result => return result.map_err(IoError::errno),
    }
    let mut set = WaitSet::new();
    for (file, event) in [(pipe, pipe_event), (other, other_event)] {
        if let Some(queue) = file.queue() {
            set.add(&queue, event);
        }
    }
    until(cx, &set, once).await
}

/// `splice(2)`.
pub(super) async fn splice(
    cx: &mut CurrentTask,
    input: Fd,
    in_ptr: UserPtr<i64>,
    out: Fd,
    out_ptr: UserPtr<i64>,
    n: usize,
    flags: u32,
) -> SysResult {
    if n == 0 {
        return Ok(0);
    }
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let input = cx.task.files().get_open(input)?;
    let out = cx.task.files().get_open(out)?;
    let (from, to) = (PipeEnd::of(&input), PipeEnd::of(&out));
    if (from.is_some() && in_ptr.addr().0 != 0) || (to.is_some() && out_ptr.addr().0 != 0) {
        return Err(Errno::ESPIPE);
    }
    let out_at = read_offset(cx, out_ptr)?;
    let in_at = read_offset(cx, in_ptr)?;
    if !input.readable() || !out.writable() {
        return Err(Errno::EBADF);
    }
    let nonblock = flags & SPLICE_F_NONBLOCK != 0;
    let n = limited(n);
    let done = match (from, to) {
        (Some(from), Some(to)) => {
            between_pipes(cx, &input, &out, nonblock, || mechanism::splice_pipes(from, to, n)).await?
        }
        (Some(pipe), None) => {
            if out.flags() & O_APPEND != 0 || (out_at.is_some() && !out.ops().seekable()) {
                return Err(Errno::EINVAL);
            }
            check_spliceable(&out)?;
            let at = position(out_at)?;
            cx.may_write_tty(&out)?;
            let options = write_options(cx);
            let ends = ((&*input, Events::READABLE), (&*out, Events::WRITABLE));
            let attempt = || mechanism::splice_from_pipe(pipe, &out, at, &options, n);
            let done = through_pipe(cx, ends.0, ends.1, nonblock, attempt)
                .await
                .inspect_err(|e| raise_for(cx, *e, &out, options.limit))?;
            sync_after_write(&out, out.flags())?;
            done
        }
        (None, Some(pipe)) => {
            if in_at.is_some() && !input.ops().seekable() {
                return Err(Errno::EINVAL);
            }
            let at = position(in_at)?;
            file_to_pipe(cx, &input, at, (&out, pipe), n, nonblock).await?
        }
        (None, None) => return Err(Errno::EINVAL),
    };
    advance_offset(cx, out_ptr, out_at, done)?;
    advance_offset(cx, in_ptr, in_at, done)?;
    Ok(done as u64)
}

/// Moves from a file to the pipe of `out`. Errors: `EINVAL` for files that cannot be spliced from; `EPIPE`, with `SIGPIPE`;
/// those of [`through_pipe`].
pub(super) async fn file_to_pipe(
    cx: &CurrentTask,
    input: &OpenFile,
    at: Option<u64>,
    (out, pipe): (&OpenFile, &PipeEnd),
    n: usize,
    nonblock: bool,
) -> Result<usize, Errno> {
    check_splices_from(input)?;
    if input.ops_as::<TtyFile>().is_some() {
        return Err(Errno::EINVAL);
    }
    let attempt = || mechanism::splice_to_pipe(input, at, pipe, n);
    through_pipe(cx, (out, Events::WRITABLE), (input, Events::READABLE), nonblock, attempt)
        .await
        .inspect_err(|e| raise_for(cx, *e, out, u64::MAX))
}

/// Either pipe being non-blocking makes the whole so.
async fn between_pipes(
    cx: &CurrentTask,
    input: &OpenFile,
    out: &OpenFile,
    nonblock: bool,
    attempt: impl FnMut() -> IoResult<usize>,
) -> Result<usize, Errno> {
    let nonblock = nonblock || input.is_nonblocking() || out.is_nonblocking();
    through_pipe(cx, (input, Events::READABLE), (out, Events::WRITABLE), nonblock, attempt)
        .await
        .inspect_err(|e| raise_for(cx, *e, out, u64::MAX))
}

/// `tee(2)`.
pub(super) async fn tee(cx: &mut CurrentTask, input: Fd, out: Fd, n: usize, flags: u32) -> SysResult {
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    if n == 0 {
        return Ok(0);
    }
    let input = cx.task.files().get_open(input)?;
    let out = cx.task.files().get_open(out)?;
    if !input.readable() || !out.writable() {
        return Err(Errno::EBADF);
    }
    let (Some(from), Some(to)) = (PipeEnd::of(&input), PipeEnd::of(&out)) else {
        return Err(Errno::EINVAL);
    };
    let nonblock = flags & SPLICE_F_NONBLOCK != 0;
    let attempt = || mechanism::tee(from, to, limited(n));
    between_pipes(cx, &input, &out, nonblock, attempt).await.map(|n| n as u64)
}

/// `vmsplice(2)`: into a pipe that is open for writing, out of one that is not. The descriptor's `O_NONBLOCK` has no part in it.
pub(super) async fn vmsplice(
    cx: &mut CurrentTask,
    fd: Fd,
    iov: UserPtr<Iovec>,
    n: usize,
    flags: u32,
) -> SysResult {
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let file = cx.task.files().get_open(fd)?;
    if !file.readable() && !file.writable() {
        return Err(Errno::EBADF);
    }
    let list = cx.read_iovecs(iov, n)?;
    if list.iter().all(|(_, len)| *len == 0) {
        return Ok(0);
    }
    let pipe = PipeEnd::of(&file).ok_or(Errno::EBADF)?;
    let mm = cx.task.mm();
    let writes = file.writable();
    let attempt = || {
        let result = if writes {
            mechanism::vmsplice_in(pipe, &mut UserSource::new(mm, &list))
        } else {
            mechanism::vmsplice_out(pipe, &mut UserSink::new(mm, &list))
        };
        match result {
            Err(IoError::Again) if flags & SPLICE_F_NONBLOCK != 0 => Err(Errno::EAGAIN.into()),
            result => result,
        }
    };
    let event = if writes { Events::WRITABLE } else { Events::READABLE };
    let set = WaitSet::one(pipe.pipe().wait_queue(), event);
    let done = until(cx, &set, attempt).await.inspect_err(|e| raise_for(cx, *e, &file, u64::MAX))?;
    Ok(done as u64)
}
