//! System calls on descriptors.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::id::Fd;
use kcore::io::{IoError, IoResult};
use kcore::user::{Read, UserMemory, UserPtr, Write};
use kcore::wait::{Events, WaitSet};
use mm::{IovecList, UserSink, UserSource};
use task::signal::{SigInfo, Signal};
use vfs::anon::pipe::Pipe;
use vfs::consts::{O_CLOEXEC, O_DIRECT, O_NONBLOCK};
use vfs::{DirSink, FileKind, InodeAttr, OpenFile, Whence};
use zerocopy::{Immutable, IntoBytes};

use super::SysResult;
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;
use crate::usermem::{RawIovec, one_buffer};

/// Descriptors that a process may have (`RLIMIT_NOFILE`'s usual hard limit).
const FD_LIMIT: usize = 1 << 20;

fn count(n: usize) -> u64 {
    n as u64
}

/// Repeats `attempt` until it does not say [`IoError::Again`], unless `file` is non-blocking. Errors: the attempt's; `EAGAIN`;
/// `EINTR` when interrupted.
async fn blocking<T>(
    cx: &CurrentTask,
    file: &OpenFile,
    events: Events,
    mut attempt: impl FnMut() -> IoResult<T>,
) -> Result<T, Errno> {
    match attempt() {
        Ok(v) => return Ok(v),
        Err(IoError::Errno(e)) => return Err(e),
        Err(IoError::Again) => {}
    }
    let Some(queue) = file.queue().filter(|_| !file.is_nonblocking()) else { return Err(Errno::EAGAIN) };
    match cx.wait(&WaitSet::one(&queue, events), None, attempt).await {
        Ok(v) => Ok(v),
        Err(WaitEnd::Failed(e)) => Err(e),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::Sys)),
        Err(WaitEnd::TimedOut) => Err(Errno::EAGAIN),
    }
}

async fn read_into(cx: &mut CurrentTask, fd: Fd, list: IovecList) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    let mm = cx.task.mm().clone();
    let n =
        blocking(cx, &file, Events::READABLE, || file.read(&mut UserSink::new(&mm, list.clone()))).await?;
    Ok(count(n))
}

async fn write_from(cx: &mut CurrentTask, fd: Fd, list: IovecList) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    let mm = cx.task.mm().clone();
    // A blocking write goes on until all is written; an error or interruption after the first byte reports what was.
    let mut source = UserSource::new(&mm, list);
    let mut done = 0;
    loop {
        match blocking(cx, &file, Events::WRITABLE, || file.write(&mut source)).await {
            Ok(n) => done += n,
            Err(Errno::EPIPE) => {
                let pipe = SigInfo::kernel(Signal::PIPE);
                cx.kernel().processes().send_to_task(&cx.task.core, pipe, false).ok();
                return if done > 0 { Ok(count(done)) } else { Err(Errno::EPIPE) };
            }
            Err(_) if done > 0 => {
                // What was written counts; the call is not repeated.
                cx.take_interrupted();
                break;
            }
            Err(e) => return Err(e),
        }
        if kcore::io::IoSource::remaining(&source) == 0 || file.is_nonblocking() || file.queue().is_none() {
            break;
        }
    }
    Ok(count(done))
}

/// `read(2)`.
pub(super) async fn read(cx: &mut CurrentTask, fd: Fd, buf: UserPtr<u8, Write>, n: usize) -> SysResult {
    read_into(cx, fd, one_buffer(buf.addr(), n)).await
}

/// `write(2)`.
pub(super) async fn write(cx: &mut CurrentTask, fd: Fd, buf: UserPtr<u8, Read>, n: usize) -> SysResult {
    write_from(cx, fd, one_buffer(buf.addr(), n)).await
}

/// `readv(2)`.
pub(super) async fn readv(cx: &mut CurrentTask, fd: Fd, iov: UserPtr<RawIovec>, n: usize) -> SysResult {
    let list = cx.read_iovecs(iov, n)?;
    read_into(cx, fd, list).await
}

/// `writev(2)`.
pub(super) async fn writev(cx: &mut CurrentTask, fd: Fd, iov: UserPtr<RawIovec>, n: usize) -> SysResult {
    let list = cx.read_iovecs(iov, n)?;
    write_from(cx, fd, list).await
}

/// `pread(2)`.
pub(super) fn pread64(cx: &mut CurrentTask, fd: Fd, buf: UserPtr<u8, Write>, n: usize, at: i64) -> SysResult {
    let at = u64::try_from(at).map_err(|_| Errno::EINVAL)?;
    let file = cx.task.files().get_open(fd)?;
    let mm = cx.task.mm().clone();
    file.pread(at, &mut UserSink::new(&mm, one_buffer(buf.addr(), n))).map(count).map_err(IoError::errno)
}

/// `pwrite(2)`.
pub(super) fn pwrite64(cx: &mut CurrentTask, fd: Fd, buf: UserPtr<u8, Read>, n: usize, at: i64) -> SysResult {
    let at = u64::try_from(at).map_err(|_| Errno::EINVAL)?;
    let file = cx.task.files().get_open(fd)?;
    let mm = cx.task.mm().clone();
    file.pwrite(at, &mut UserSource::new(&mm, one_buffer(buf.addr(), n))).map(count).map_err(IoError::errno)
}

/// `lseek(2)`.
pub(super) fn lseek(cx: &mut CurrentTask, fd: Fd, offset: i64, whence: u32) -> SysResult {
    let file = cx.task.files().get(fd)?;
    file.seek(Whence::from_raw(whence)?, offset)
}

/// `close(2)`. The descriptor is free even if the file reports an error.
pub(super) fn close(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    let file = cx.task.files().close(fd)?;
    file.ops().flush(&file)?;
    Ok(0)
}

/// `dup(2)`.
pub(super) fn dup(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    let file = cx.task.files().get(fd)?;
    fd_result(cx.task.files().insert(file, false, 0, FD_LIMIT))
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
    let file = cx.task.files().get(old)?;
    put_at(cx, file, new, flags & O_CLOEXEC != 0)
}

fn put_at(cx: &CurrentTask, file: Arc<OpenFile>, at: Fd, cloexec: bool) -> SysResult {
    if let Some(old) = cx.task.files().replace(at, file, cloexec, FD_LIMIT)? {
        // What the replaced file says is lost, as on Linux.
        old.ops().flush(&old).ok();
    }
    fd_result(Ok(at))
}

pub(super) fn fd_result(fd: Result<Fd, Errno>) -> SysResult {
    u64::try_from(fd?.0).map_err(|_| Errno::EBADF)
}

/// Adds an open file to the caller's descriptors.
pub(super) fn install(cx: &CurrentTask, file: Arc<OpenFile>, cloexec: bool) -> SysResult {
    fd_result(cx.task.files().insert(file, cloexec, 0, FD_LIMIT))
}

/// `fsync(2)`.
pub(super) fn fsync(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    cx.task.files().get(fd)?.sync(false)?;
    Ok(0)
}

/// `fdatasync(2)`.
pub(super) fn fdatasync(cx: &mut CurrentTask, fd: Fd) -> SysResult {
    cx.task.files().get(fd)?.sync(true)?;
    Ok(0)
}

/// `ftruncate(2)`.
pub(super) fn ftruncate(cx: &mut CurrentTask, fd: Fd, len: i64) -> SysResult {
    cx.task.files().get(fd)?.truncate(len)?;
    Ok(0)
}

/// `fstat(2)`.
pub(super) fn fstat(cx: &mut CurrentTask, fd: Fd, buf: GuestAddr) -> SysResult {
    let attr = cx.task.files().get(fd)?.stat()?;
    put_stat(cx, buf, &attr)
}

/// `struct stat` of x86-64, `arch/x86/include/uapi/asm/stat.h`.
#[derive(IntoBytes, Immutable, Default)]
#[repr(C)]
struct RawStat {
    dev: u64,
    ino: u64,
    nlink: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    pad: u32,
    rdev: u64,
    size: u64,
    blksize: u64,
    blocks: u64,
    times: [[u64; 2]; 3],
    unused: [u64; 3],
}

const _: () = assert!(size_of::<RawStat>() == 144);

pub(super) fn put_stat(cx: &CurrentTask, buf: GuestAddr, a: &InodeAttr) -> SysResult {
    let time = |t: vfs::Timestamp| [t.sec.cast_unsigned(), t.nsec.into()];
    let raw = RawStat {
        dev: a.dev,
        ino: a.ino,
        nlink: a.nlink.into(),
        mode: a.mode,
        uid: a.uid.0,
        gid: a.gid.0,
        rdev: a.rdev,
        size: a.size,
        blksize: a.blksize.into(),
        blocks: a.blocks,
        times: [time(a.atime), time(a.mtime), time(a.ctime)],
        ..RawStat::default()
    };
    cx.put(buf, &raw)?;
    Ok(0)
}

/// Collects `struct linux_dirent64` records up to a size.
struct Records {
    bytes: Vec<u8>,
    limit: usize,
    /// An entry did not fit.
    full: bool,
}

impl DirSink for Records {
    fn entry(&mut self, ino: u64, next: u64, kind: FileKind, name: &[u8]) -> bool {
        // ino, off, reclen, type, name, NUL; padded to 8.
        let len = (19 + name.len() + 1).next_multiple_of(8);
        let reclen = u16::try_from(len).ok().filter(|_| self.bytes.len() + len <= self.limit);
        let Some(reclen) = reclen else {
            self.full = true;
            return false;
        };
        let end = self.bytes.len() + len;
        self.bytes.extend(ino.to_le_bytes());
        self.bytes.extend(next.to_le_bytes());
        self.bytes.extend(reclen.to_le_bytes());
        self.bytes.push(kind.d_type());
        self.bytes.extend(name);
        self.bytes.resize(end, 0);
        true
    }
}

/// Most bytes of directory entries that one call gives, whatever the guest asks for.
const MAX_DENTS: u32 = 1 << 20;

/// `getdents64(2)`.
pub(super) fn getdents64(cx: &mut CurrentTask, fd: Fd, buf: GuestAddr, size: u32) -> SysResult {
    let file = cx.task.files().get(fd)?;
    let limit = usize::try_from(size.min(MAX_DENTS)).map_err(|_| Errno::EINVAL)?;
    let mut records = Records { bytes: Vec::new(), limit, full: false };
    file.readdir(&mut records)?;
    if records.bytes.is_empty() && records.full {
        return Err(Errno::EINVAL);
    }
    if cx.task.mm().copy_out(buf, &records.bytes) < records.bytes.len() {
        return Err(Errno::EFAULT);
    }
    Ok(count(records.bytes.len()))
}

/// `pipe(2)`.
pub(super) fn pipe(cx: &mut CurrentTask, fds: GuestAddr) -> SysResult {
    pipe2(cx, fds, 0)
}

/// `pipe2(2)`.
pub(super) fn pipe2(cx: &mut CurrentTask, fds: GuestAddr, flags: u32) -> SysResult {
    if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(Errno::EINVAL);
    }
    let cred = cx.task.cred();
    let now = cx.kernel().host().clock.realtime();
    let ino = cx.kernel().next_anon_ino();
    let (r, w) = Pipe::pair(flags & !O_CLOEXEC, Pipe::attr(ino, cred.fsuid, cred.fsgid, now));
    let cloexec = flags & O_CLOEXEC != 0;
    let files = cx.task.files();
    let a = files.insert(r, cloexec, 0, FD_LIMIT)?;
    let b = files.insert(w, cloexec, 0, FD_LIMIT).inspect_err(|_| drop(files.close(a)))?;
    let pair = [a.0, b.0];
    if let Err(e) = cx.put(fds, &pair) {
        drop(files.close(a));
        drop(files.close(b));
        return Err(e);
    }
    Ok(0)
}

/// `fcntl(2)`. Errors: `EINVAL` for commands that are not known.
pub(super) fn fcntl(cx: &mut CurrentTask, fd: Fd, cmd: u32, arg: u64) -> SysResult {
    const F_DUPFD: u32 = 0;
    const F_GETFD: u32 = 1;
    const F_SETFD: u32 = 2;
    const F_GETFL: u32 = 3;
    const F_SETFL: u32 = 4;
    const F_DUPFD_CLOEXEC: u32 = 1030;
    let files = cx.task.files();
    let file = files.get(fd)?;
    match cmd {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let min = usize::try_from(arg).ok().filter(|n| *n < FD_LIMIT).ok_or(Errno::EINVAL)?;
            fd_result(files.insert(file, cmd == F_DUPFD_CLOEXEC, min, FD_LIMIT))
        }
        F_GETFD => Ok(files.cloexec(fd)?.into()),
        F_SETFD => files.set_cloexec(fd, arg & 1 != 0).map(|()| 0),
        F_GETFL => Ok(file.flags().into()),
        F_SETFL => file.set_flags(u32::try_from(arg & 0xffff_ffff).map_err(|_| Errno::EINVAL)?).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}
