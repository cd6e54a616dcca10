//! Moving bytes between files and the caller's memory: [`read(2)`](https://man7.org/linux/man-pages/man2/read.2.html),
//! [`readv(2)`](https://man7.org/linux/man-pages/man2/readv.2.html) and their positional forms.
//!
//! This is the hot path: one buffer allocates nothing.

use abi::Errno;
use abi::fs::fcntl::{Iovec as RawIovec, RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOWAIT, RWF_SYNC};
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::io::{IoError, IoSource};
use kcore::user::{Read, UserPtr, Write};
use kcore::wait::Events;
use mm::{Iovec, UserSink, UserSource};
use task::rlimit::Resource;
use task::signal::{SigInfo, Signal};
use vfs::consts::{O_DSYNC, O_SYNC};
use vfs::tty::TtyFile;
use vfs::{OpenFile, Whence, WriteOptions};

use super::SysResult;
use super::blocking::blocking;
use super::signalfd::seen_by;
use super::socket::{read_socket, write_socket};
use crate::current::CurrentTask;
use crate::socket::SocketFile;
use crate::usermem::MAX_RW_COUNT;

/// Write where the position says although `O_APPEND` is set.
const RWF_NOAPPEND: u32 = 0x20;
const RWF_KNOWN: u32 = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND;

/// Smaller writes pass through a buffer: looking whether they must not would cost as much.
const IN_PLACE: usize = 16 << 10;

fn count(n: usize) -> u64 {
    n as u64
}

/// One buffer, cut at [`MAX_RW_COUNT`]. Errors: `EINVAL` for a length that is negative as a signed number.
fn one(addr: kcore::addr::GuestAddr, len: usize) -> Result<[Iovec; 1], Errno> {
    let len = len as u64;
    if i64::try_from(len).is_err() {
        return Err(Errno::EINVAL);
    }
    Ok([(addr, len.min(MAX_RW_COUNT))])
}

/// An offset argument. Errors: `EINVAL` for a negative one.
fn offset(at: i64) -> Result<u64, Errno> {
    u64::try_from(at).map_err(|_| Errno::EINVAL)
}

async fn read_into(cx: &CurrentTask, file: &OpenFile, iov: &[Iovec]) -> SysResult {
    if let Some(tty) = file.ops_as::<TtyFile>() {
        return cx.read_tty(file, tty, iov).await.map(count);
    }
    if let Some(socket) = SocketFile::of(file) {
        return read_socket(cx, file, socket.unix(), iov).await;
    }
    let mm = cx.task.mm();
    blocking(cx, file, Events::READABLE, || file.read(&mut UserSink::new(mm, iov))).await.map(count)
}

fn pread_into(cx: &CurrentTask, file: &OpenFile, iov: &[Iovec], at: u64) -> SysResult {
    file.pread(at, &mut UserSink::new(cx.task.mm(), iov)).map(count).map_err(IoError::errno)
}

/// What a write must obey beside the file's own rules.
pub(super) fn write_options(cx: &CurrentTask) -> WriteOptions {
    let cred = cx.task.who();
    let by = (!cred.has_cap_everywhere(Cap::Fsetid)).then(|| cred.clone());
    WriteOptions { append: None, limit: cx.task.core.group().soft_limit(Resource::Fsize), by }
}

/// The caller's buffers as a source. What is large and used by one thread only can be taken in place.
fn source<'a>(cx: &'a CurrentTask, iov: &'a [Iovec]) -> UserSource<'a> {
    let source = UserSource::new(cx.task.mm(), iov);
    let in_place = source.remaining() >= IN_PLACE && cx.task.core.group().is_single();
    if in_place { source.in_place() } else { source }
}

/// A blocking write goes on until all is written; an error or interruption after the first byte reports what was.
async fn write_from(
    cx: &CurrentTask,
    file: &OpenFile,
    iov: &[Iovec],
    at: Option<u64>,
    options: WriteOptions,
) -> SysResult {
    cx.may_write_tty(file)?;
    if at.is_none()
        && let Some(socket) = SocketFile::of(file)
    {
        return write_socket(cx, file, socket.unix(), iov).await;
    }
    let mut source = source(cx, iov);
    let mut done = 0;
    let result = loop {
        // An attempt that did not take all that it looked at must not move the source.
        let attempt =
            || file.write_with(at.map(|a| a.saturating_add(count(done))), &options, &mut source.clone());
        match blocking(cx, file, Events::WRITABLE, attempt).await {
            Ok(n) => {
                done += n;
                source.skip(n);
                if n == 0 || source.remaining() == 0 || file.is_nonblocking() || file.queue().is_none() {
                    break Ok(());
                }
            }
            Err(e) => break Err(e),
        }
    };
    if let Err(e) = result {
        raise_for(cx, e, file, options.limit);
        if done == 0 {
            return Err(e);
        }
        // What was written counts; the call is not repeated.
        cx.forget_interruption();
    }
    sync_after_write(file, file.flags())?;
    Ok(count(done))
}

/// The signal that comes with a failed write: `SIGPIPE`, or `SIGXFSZ` at the limit.
pub(super) fn raise_for(cx: &CurrentTask, e: Errno, file: &OpenFile, limit: u64) {
    let signal = match e {
        Errno::EPIPE => Signal::PIPE,
        Errno::EFBIG if limit < u64::MAX && file.is_regular() => Signal::XFSZ,
        _ => return,
    };
    cx.signal_self(signal);
}

/// `O_SYNC` and `O_DSYNC`. Errors: the file's.
pub(super) fn sync_after_write(file: &OpenFile, flags: u32) -> Result<(), Errno> {
    if flags & O_DSYNC != 0 && file.is_regular() {
        file.sync(flags & O_SYNC != O_SYNC)?;
    }
    Ok(())
}

/// Whether a list of buffers has no room at all: then nothing is done, whatever the file would say.
fn is_empty(list: &[Iovec]) -> bool {
    list.iter().all(|(_, len)| *len == 0)
}

/// `read(2)`.
pub(super) async fn read(cx: &mut CurrentTask, fd: Fd, buf: UserPtr<u8, Write>, n: usize) -> SysResult {
    let file = seen_by(cx, cx.task.files().get_open(fd)?);
    read_into(cx, &file, &one(buf.addr(), n)?).await
}

/// `write(2)`.
pub(super) async fn write(cx: &mut CurrentTask, fd: Fd, buf: UserPtr<u8, Read>, n: usize) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    write_from(cx, &file, &one(buf.addr(), n)?, None, write_options(cx)).await
}

/// `readv(2)`.
pub(super) async fn readv(cx: &mut CurrentTask, fd: Fd, iov: UserPtr<RawIovec>, n: usize) -> SysResult {
    let file = seen_by(cx, cx.task.files().get_open(fd)?);
    let list = cx.read_iovecs(iov, n)?;
    file.check_read()?;
    if is_empty(&list) {
        return Ok(0);
    }
    read_into(cx, &file, &list).await
}

/// `writev(2)`.
pub(super) async fn writev(cx: &mut CurrentTask, fd: Fd, iov: UserPtr<RawIovec>, n: usize) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    let list = cx.read_iovecs(iov, n)?;
    file.check_write()?;
    if is_empty(&list) {
        return Ok(0);
    }
    write_from(cx, &file, &list, None, write_options(cx)).await
}

/// `pread(2)`.
pub(super) fn pread64(cx: &mut CurrentTask, fd: Fd, buf: UserPtr<u8, Write>, n: usize, at: i64) -> SysResult {
    let at = offset(at)?;
    let file = cx.task.files().get_open(fd)?;
    pread_into(cx, &file, &one(buf.addr(), n)?, at)
}

/// `pwrite(2)`.
pub(super) async fn pwrite64(
    cx: &mut CurrentTask,
    fd: Fd,
    buf: UserPtr<u8, Read>,
    n: usize,
    at: i64,
) -> SysResult {
    let at = offset(at)?;
    let file = cx.task.files().get_open(fd)?;
    write_from(cx, &file, &one(buf.addr(), n)?, Some(at), write_options(cx)).await
}

/// `preadv(2)`.
pub(super) fn preadv(cx: &mut CurrentTask, fd: Fd, iov: UserPtr<RawIovec>, n: usize, at: i64) -> SysResult {
    let at = offset(at)?;
    let file = cx.task.files().get_open(fd)?;
    let list = cx.read_iovecs(iov, n)?;
    check_positioned(&file)?;
    file.check_read()?;
    if is_empty(&list) {
        return Ok(0);
    }
    pread_into(cx, &file, &list, at)
}

/// `pwritev(2)`.
pub(super) async fn pwritev(
    cx: &mut CurrentTask,
    fd: Fd,
    iov: UserPtr<RawIovec>,
    n: usize,
    at: i64,
) -> SysResult {
    let at = offset(at)?;
    let file = cx.task.files().get_open(fd)?;
    let list = cx.read_iovecs(iov, n)?;
    check_positioned(&file)?;
    file.check_write()?;
    if is_empty(&list) {
        return Ok(0);
    }
    write_from(cx, &file, &list, Some(at), write_options(cx)).await
}

/// Errors: `ESPIPE` for files that have no positions.
fn check_positioned(file: &OpenFile) -> Result<(), Errno> {
    if file.ops().seekable() { Ok(()) } else { Err(Errno::ESPIPE) }
}

/// The offset of a call for which -1 means the position of the file. Errors: `EINVAL`, `ESPIPE`.
fn offset_or_position(file: &OpenFile, at: i64) -> Result<Option<u64>, Errno> {
    if at == -1 {
        return Ok(None);
    }
    let at = offset(at)?;
    check_positioned(file)?;
    Ok(Some(at))
}

/// Errors: `EOPNOTSUPP` for flags that are not known, or that mean nothing for the file, `EINVAL` for those that exclude each other.
fn check_rw_flags(file: &OpenFile, flags: u32) -> Result<(), Errno> {
    match flags {
        f if f & !RWF_KNOWN != 0 => Err(Errno::EOPNOTSUPP),
        f if f & !RWF_HIPRI != 0 && !file.ops().takes_rw_flags() => Err(Errno::EOPNOTSUPP),
        f if f & RWF_APPEND != 0 && f & RWF_NOAPPEND != 0 => Err(Errno::EINVAL),
        f if f & RWF_NOWAIT != 0 && !file.ops().takes_nowait() => Err(Errno::EOPNOTSUPP),
        _ => Ok(()),
    }
}

/// `preadv2(2)`: at the position if `at` is -1. Errors: `EOPNOTSUPP` for flags that mean nothing for a read.
pub(super) async fn preadv2(
    cx: &mut CurrentTask,
    fd: Fd,
    iov: UserPtr<RawIovec>,
    n: usize,
    at: i64,
    _high: u64,
    flags: u32,
) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    let list = cx.read_iovecs(iov, n)?;
    let at = offset_or_position(&file, at)?;
    file.check_read()?;
    if is_empty(&list) {
        return Ok(0);
    }
    check_rw_flags(&file, flags)?;
    match at {
        None if flags & RWF_NOWAIT != 0 => {
            file.read(&mut UserSink::new(cx.task.mm(), &list)).map(count).map_err(IoError::errno)
        }
        None => read_into(cx, &file, &list).await,
        Some(at) => pread_into(cx, &file, &list, at),
    }
}

/// `pwritev2(2)`: at the position if `at` is -1. Errors: `EOPNOTSUPP` for flags that are not known.
pub(super) async fn pwritev2(
    cx: &mut CurrentTask,
    fd: Fd,
    iov: UserPtr<RawIovec>,
    n: usize,
    at: i64,
    _high: u64,
    flags: u32,
) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    let list = cx.read_iovecs(iov, n)?;
    let at = offset_or_position(&file, at)?;
    file.check_write()?;
    if is_empty(&list) {
        return Ok(0);
    }
    check_rw_flags(&file, flags)?;
    let mut options = write_options(cx);
    if flags & (RWF_APPEND | RWF_NOAPPEND) != 0 {
        options.append = Some(flags & RWF_APPEND != 0);
    }
    let done = if flags & RWF_NOWAIT != 0 {
        let once = file.write_with(at, &options, &mut source(cx, &list));
        once.map(count).map_err(IoError::errno).inspect_err(|e| raise_for(cx, *e, &file, options.limit))?
    } else {
        write_from(cx, &file, &list, at, options).await?
    };
    if flags & (RWF_SYNC | RWF_DSYNC) != 0 && file.is_regular() {
        file.sync(flags & RWF_SYNC == 0)?;
    }
    Ok(done)
}

/// `lseek(2)`.
pub(super) fn lseek(cx: &mut CurrentTask, fd: Fd, offset: i64, whence: u32) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    file.seek(Whence::from_raw(whence)?, offset)
}

impl CurrentTask {
    /// Sends the task a signal about its own system call.
    pub(crate) fn signal_self(&self, signal: Signal) {
        let core = &self.task.core;
        let info = SigInfo::user(signal, core.group().tgid(), self.task.cred().uid);
        // Only real-time signals can find the queue full.
        self.kernel.processes().send_to_task(core, info, false).ok();
    }
}
