//! Open files: what a descriptor refers to.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering};

use kcore::cred::Credentials;
use kcore::io::{IoError, IoResult, IoSink, IoSource};
use kcore::job::JobCaller;
use kcore::mappable::Mappable;
use kcore::sync::{LockClass, Mutex};
use kcore::user::UserMemory;
use kcore::wait::{Events, WaitQueue};

use crate::Errno;
use crate::attr::{FileKind, InodeAttr};
use crate::consts::*;
use crate::inode::Inode;
use crate::path::Path;

// Held while the file works, and a file of procfs may look at tasks.
static OFFSET: LockClass = LockClass::new("file offset", 90);
static OWNER: LockClass = LockClass::new("file owner", 304);

/// Takes the names that a directory lists.
pub trait DirSink {
    /// Takes one entry; `next` is the position after it. `false` means that it did not fit and was not taken.
    fn entry(&mut self, ino: u64, next: u64, kind: FileKind, name: &[u8]) -> bool;
}

/// Who calls `ioctl(2)`, and with what memory.
pub struct IoctlContext<'a> {
    /// The caller's credentials.
    pub cred: &'a Credentials,
    /// The caller's memory.
    pub mem: &'a dyn UserMemory,
    /// The caller as terminals see it.
    pub job: &'a dyn JobCaller,
}

/// The `whence` of `lseek(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// From the start.
    Set,
    /// From the current position.
    Cur,
    /// From the end.
    End,
    /// The next data at or after the offset.
    Data,
    /// The next hole at or after the offset.
    Hole,
}

impl Whence {
    /// From its number. Errors: `EINVAL`.
    pub fn from_raw(n: u32) -> Result<Whence, Errno> {
        Ok(match n {
            0 => Whence::Set,
            1 => Whence::Cur,
            2 => Whence::End,
            3 => Whence::Data,
            4 => Whence::Hole,
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// What an open file does. Access mode and offsets are the [`OpenFile`]'s business.
///
/// `at` is `None` for files that have no position ([`FileOps::seekable`] is false) and always `Some` for others.
/// Operations never wait: they return [`IoError::Again`], and the caller waits on [`FileOps::queue`].
#[allow(unused_variables, reason = "defaults name their parameters for the documentation")]
pub trait FileOps: Send + Sync + Any {
    /// Whether it has a position and `pread` works.
    fn seekable(&self) -> bool {
        false
    }
    /// Reads. Errors: `EINVAL`, `EISDIR`, `EIO`.
    fn read(&self, f: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        Err(Errno::EINVAL.into())
    }
    /// Writes. Errors: `EINVAL`, `EFBIG`, `ENOSPC`, `EPIPE`.
    fn write(&self, f: &OpenFile, at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        Err(Errno::EINVAL.into())
    }
    /// Writes at the end (`O_APPEND`), and says how much and where the end is then. Override it where others may write too.
    fn append(&self, f: &OpenFile, src: &mut dyn IoSource) -> IoResult<(usize, u64)> {
        let end = f.stat()?.size;
        let n = self.write(f, Some(end), src)?;
        Ok((n, end + n as u64))
    }
    /// What of `want` is ready now (and `ERR`/`HUP`).
    fn ready(&self, f: &OpenFile, want: Events) -> Events {
        want & (Events::READABLE | Events::WRITABLE)
    }
    /// Where to wait for readiness; `None` if it is always ready.
    fn queue(&self, f: &OpenFile) -> Option<WaitQueue> {
        None
    }
    /// Whether opening is complete. A FIFO's is not until it has a peer: the opener waits on `queue`.
    fn open_complete(&self, f: &OpenFile) -> bool {
        true
    }
    /// The position that `whence` and `off` mean when the position is `pos`. Errors: `ESPIPE`, `EINVAL`, `ENXIO`, `EOVERFLOW`.
    fn seek(&self, f: &OpenFile, pos: u64, whence: Whence, off: i64) -> Result<u64, Errno> {
        if !self.seekable() {
            return Err(Errno::ESPIPE);
        }
        seek_in(pos, f.stat()?.size, whence, off)
    }
    /// Lists names from position `pos`, and says the position after the last one taken. Errors: `ENOTDIR`.
    fn readdir(&self, f: &OpenFile, pos: u64, sink: &mut dyn DirSink) -> Result<u64, Errno> {
        Err(Errno::ENOTDIR)
    }
    /// Device control. Errors: `ENOTTY`, `EINVAL`, `EFAULT`.
    fn ioctl(&self, f: &OpenFile, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> IoResult<u64> {
        Err(Errno::ENOTTY.into())
    }
    /// What `mmap` maps; `None` means `ENODEV`.
    fn mappable(&self, f: &OpenFile) -> Option<Arc<dyn Mappable>> {
        None
    }
    /// Writes back. Errors: `EINVAL` if that means nothing, `EIO`.
    fn sync(&self, f: &OpenFile, datasync: bool) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    /// `fallocate(2)`. Errors: `ENODEV`, `ENOTSUP`, `ENOSPC`, `EPERM`.
    fn allocate(&self, f: &OpenFile, mode: u32, off: u64, len: u64) -> Result<(), Errno> {
        Err(if self.seekable() { Errno::ENODEV } else { Errno::ESPIPE })
    }
    /// `ftruncate(2)`. Errors: `EINVAL`, `EFBIG`, `EPERM`.
    fn truncate(&self, f: &OpenFile, len: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    /// A descriptor was closed; others may remain.
    fn flush(&self, f: &OpenFile) -> Result<(), Errno> {
        Ok(())
    }
    /// The last reference is gone. Never waits.
    fn on_close(&self, f: &OpenFile) {}
    /// `O_*` flags that can change (`APPEND`, `NONBLOCK`, `ASYNC`, `DIRECT`) are about to become `flags`. Errors: `EINVAL`, `EPERM`.
    fn set_flags(&self, f: &OpenFile, flags: u32) -> Result<(), Errno> {
        Ok(())
    }
    /// Attributes, where they are not those of the inode at the file's path.
    fn stat(&self, f: &OpenFile) -> Option<InodeAttr> {
        None
    }
    /// The inode behind it, where that is not the one at the file's path.
    fn inode(&self) -> Option<Arc<dyn Inode>> {
        None
    }
    /// Seals (`F_GET_SEALS`), and adding some. Errors: `EINVAL` if it has none, `EPERM`, `EBUSY`.
    fn seals(&self, add: Option<u32>) -> Result<u32, Errno> {
        Err(Errno::EINVAL)
    }
    /// Opens it again through `/proc/PID/fd`, for files without a path. Errors: `ENXIO` if that cannot be.
    fn reopen(&self, f: &OpenFile, flags: u32) -> IoResult<Arc<dyn FileOps>> {
        Err(Errno::ENXIO.into())
    }
    /// Name shown in `/proc/PID/fd` for files without a path, such as `anon_inode:[eventfd]`.
    fn name(&self) -> String {
        String::from("anon_inode:[file]")
    }
    /// Extra lines of `/proc/PID/fdinfo/N`.
    fn fdinfo(&self, f: &OpenFile) -> String {
        String::new()
    }
}

/// `lseek` for a file of `size` bytes without holes. Errors: `EINVAL`, `ENXIO`, `EOVERFLOW`.
pub fn seek_in(pos: u64, size: u64, whence: Whence, off: i64) -> Result<u64, Errno> {
    let base = match whence {
        Whence::Set => 0,
        Whence::Cur => pos,
        Whence::End => size,
        Whence::Data | Whence::Hole => {
            let off = u64::try_from(off).map_err(|_| Errno::ENXIO)?;
            return match whence {
                _ if off >= size => Err(Errno::ENXIO),
                Whence::Data => Ok(off),
                _ => Ok(size),
            };
        }
    };
    let new = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?.checked_add(off).ok_or(Errno::EOVERFLOW)?;
    u64::try_from(new).map_err(|_| Errno::EINVAL)
}

/// Who gets signals about a file (`F_SETOWN`, `F_SETSIG`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsyncOwner {
    /// `F_OWNER_*` type: 0 thread, 1 process, 2 group.
    pub kind: u32,
    /// Its number; 0 for nobody.
    pub id: i32,
    /// The signal; 0 for `SIGIO`.
    pub signal: i32,
}

/// Flags that `F_SETFL` can change.
pub const SETTABLE: u32 = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;

/// An open file description: shared by all descriptors that `dup(2)` and `fork(2)` made from one `open(2)`.
pub struct OpenFile {
    ops: Arc<dyn FileOps>,
    path: Option<Path>,
    flags: AtomicU32,
    offset: Mutex<u64>,
    owner: Mutex<AsyncOwner>,
    this: Weak<OpenFile>,
    counts_writer: bool,
}

impl OpenFile {
    /// A file at position 0 with `O_*` flags (creation flags are dropped).
    pub fn new(ops: Arc<dyn FileOps>, flags: u32, path: Option<Path>) -> Arc<OpenFile> {
        OpenFile::with_writer(ops, flags, path, false)
    }
    pub(crate) fn with_writer(
        ops: Arc<dyn FileOps>,
        flags: u32,
        path: Option<Path>,
        writer: bool,
    ) -> Arc<OpenFile> {
        let flags = flags & !(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
        Arc::new_cyclic(|this| OpenFile {
            ops,
            path,
            flags: AtomicU32::new(flags),
            offset: Mutex::new(&OFFSET, 0),
            owner: Mutex::new(&OWNER, AsyncOwner::default()),
            this: this.clone(),
            counts_writer: writer,
        })
    }
    /// What it does.
    pub fn ops(&self) -> &Arc<dyn FileOps> {
        &self.ops
    }
    /// What it does, as a known type.
    pub fn ops_as<T: FileOps>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.ops;
        any.downcast_ref()
    }
    /// How it was reached; `None` for anonymous files.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_ref()
    }
    /// The inode behind it; `None` for anonymous files.
    pub fn inode(&self) -> Option<Arc<dyn Inode>> {
        self.ops.inode().or_else(|| self.path.as_ref().map(|p| p.inode().clone()))
    }
    /// A shared reference to itself. `None` only while it is being dropped.
    pub fn arc(&self) -> Option<Arc<OpenFile>> {
        self.this.upgrade()
    }
    /// Identity while it is open.
    pub fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
    /// Access mode and status flags (`O_*`).
    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }
    /// Sets the flags that `F_SETFL` can set. Errors: what the file says.
    pub fn set_flags(&self, flags: u32) -> Result<(), Errno> {
        let new = self.flags() & !SETTABLE | flags & SETTABLE;
        self.ops.set_flags(self, new)?;
        self.flags.store(new, Ordering::Relaxed);
        Ok(())
    }
    /// Whether operations should fail with `EAGAIN` rather than wait.
    pub fn is_nonblocking(&self) -> bool {
        self.flags() & O_NONBLOCK != 0
    }
    /// Whether it was opened with `O_PATH`.
    pub fn is_path_only(&self) -> bool {
        self.flags() & O_PATH != 0
    }
    /// Whether it may be read.
    pub fn readable(&self) -> bool {
        let f = self.flags();
        f & O_PATH == 0 && f & O_ACCMODE != O_WRONLY
    }
    /// Whether it may be written.
    pub fn writable(&self) -> bool {
        let f = self.flags();
        f & O_PATH == 0 && matches!(f & O_ACCMODE, O_WRONLY | O_RDWR)
    }
    /// Who is signalled when it becomes ready.
    pub fn owner(&self) -> AsyncOwner {
        *self.owner.lock()
    }
    /// Sets who is signalled.
    pub fn set_owner(&self, owner: AsyncOwner) {
        *self.owner.lock() = owner;
    }

    fn can_read(&self) -> IoResult<()> {
        if self.readable() { Ok(()) } else { Err(Errno::EBADF.into()) }
    }
    fn can_write(&self) -> IoResult<()> {
        if self.writable() { Ok(()) } else { Err(Errno::EBADF.into()) }
    }
    /// Reads at the position and advances it. Errors: `EBADF`, and the file's.
    pub fn read(&self, dst: &mut dyn IoSink) -> IoResult<usize> {
        self.can_read()?;
        let n = if self.ops.seekable() {
            let mut pos = self.offset.lock();
            let n = self.ops.read(self, Some(*pos), dst)?;
            *pos += n as u64;
            n
        } else {
            self.ops.read(self, None, dst)?
        };
        self.notify_if(n > 0, IN_ACCESS);
        Ok(n)
    }
    /// Reads at `at`. Errors: `EBADF`, `ESPIPE`, and the file's.
    pub fn pread(&self, at: u64, dst: &mut dyn IoSink) -> IoResult<usize> {
        self.can_read()?;
        self.positioned()?;
        let n = self.ops.read(self, Some(at), dst)?;
        self.notify_if(n > 0, IN_ACCESS);
        Ok(n)
    }
    /// Writes at the position (at the end with `O_APPEND`) and advances it. Errors: `EBADF`, and the file's.
    pub fn write(&self, src: &mut dyn IoSource) -> IoResult<usize> {
        self.can_write()?;
        let n = if self.ops.seekable() {
            let mut pos = self.offset.lock();
            if self.flags() & O_APPEND != 0 {
                let (n, end) = self.ops.append(self, src)?;
                *pos = end;
                n
            } else {
                let n = self.ops.write(self, Some(*pos), src)?;
                *pos += n as u64;
                n
            }
        } else {
            self.ops.write(self, None, src)?
        };
        self.notify_if(n > 0, IN_MODIFY);
        Ok(n)
    }
    /// Writes at `at`; with `O_APPEND` at the end, as Linux does. Errors: `EBADF`, `ESPIPE`, and the file's.
    pub fn pwrite(&self, at: u64, src: &mut dyn IoSource) -> IoResult<usize> {
        self.can_write()?;
        self.positioned()?;
        let n = if self.flags() & O_APPEND != 0 {
            self.ops.append(self, src)?.0
        } else {
            self.ops.write(self, Some(at), src)?
        };
        self.notify_if(n > 0, IN_MODIFY);
        Ok(n)
    }
    fn positioned(&self) -> IoResult<()> {
        if self.ops.seekable() { Ok(()) } else { Err(IoError::Errno(Errno::ESPIPE)) }
    }
    fn notify_if(&self, yes: bool, mask: u32) {
        if yes && let Some(p) = &self.path {
            p.notify(mask);
        }
    }
    /// The position.
    pub fn offset(&self) -> u64 {
        *self.offset.lock()
    }
    /// `lseek(2)`. Errors: `ESPIPE`, `EINVAL`, `ENXIO`, `EOVERFLOW`, `EBADF` with `O_PATH`.
    pub fn seek(&self, whence: Whence, off: i64) -> Result<u64, Errno> {
        if self.is_path_only() {
            return Err(Errno::EBADF);
        }
        let mut pos = self.offset.lock();
        *pos = self.ops.seek(self, *pos, whence, off)?;
        Ok(*pos)
    }
    /// Lists names from the position on. Errors: `ENOTDIR`, `EBADF` with `O_PATH`, `ENOENT` for a removed directory.
    pub fn readdir(&self, sink: &mut dyn DirSink) -> Result<(), Errno> {
        if self.is_path_only() {
            return Err(Errno::EBADF);
        }
        let mut pos = self.offset.lock();
        *pos = self.ops.readdir(self, *pos, sink)?;
        Ok(())
    }
    /// Device control. Errors: `ENOTTY`, `EBADF` with `O_PATH`.
    pub fn ioctl(&self, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> IoResult<u64> {
        if self.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        self.ops.ioctl(self, ctx, cmd, arg)
    }
    /// What of `want` is ready.
    pub fn ready(&self, want: Events) -> Events {
        self.ops.ready(self, want)
    }
    /// Where to wait for readiness; `None` if it is always ready.
    pub fn queue(&self) -> Option<WaitQueue> {
        self.ops.queue(self)
    }
    /// Attributes.
    pub fn stat(&self) -> Result<InodeAttr, Errno> {
        if let Some(a) = self.ops.stat(self) {
            return Ok(a);
        }
        match self.inode() {
            Some(i) => i.attr(),
            None => Ok(InodeAttr::anonymous(0o600)),
        }
    }
    /// What `mmap` maps; `None` means `ENODEV`.
    pub fn mappable(&self) -> Option<Arc<dyn Mappable>> {
        self.ops.mappable(self)
    }
    /// `fsync(2)`. Errors: `EINVAL`, `EIO`, `EBADF` with `O_PATH`.
    pub fn sync(&self, datasync: bool) -> Result<(), Errno> {
        if self.is_path_only() {
            return Err(Errno::EBADF);
        }
        self.ops.sync(self, datasync)
    }
    /// `fallocate(2)`. Errors: `EBADF` unless writable, `EINVAL`, `EFBIG`, and the file's.
    pub fn allocate(&self, mode: u32, off: i64, len: i64) -> Result<(), Errno> {
        if !self.writable() {
            return Err(Errno::EBADF);
        }
        if off < 0 || len <= 0 {
            return Err(Errno::EINVAL);
        }
        off.checked_add(len).ok_or(Errno::EFBIG)?;
        self.ops.allocate(self, mode, off as u64, len as u64)
    }
    /// `ftruncate(2)`. Errors: `EINVAL` unless writable, and the file's.
    pub fn truncate(&self, len: i64) -> Result<(), Errno> {
        if self.is_path_only() {
            return Err(Errno::EBADF);
        }
        if !self.writable() || len < 0 {
            return Err(Errno::EINVAL);
        }
        self.ops.truncate(self, len as u64)?;
        self.notify_if(true, IN_MODIFY);
        Ok(())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if self.is_path_only() {
            return;
        }
        self.ops.on_close(self);
        if let Some(i) = self.inode() {
            i.common().locks().drop_file(self.id());
            if self.counts_writer {
                i.common().put_write();
            }
        }
        let mask = if self.writable() { IN_CLOSE_WRITE } else { IN_CLOSE_NOWRITE };
        self.notify_if(true, mask);
    }
}

impl core::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "OpenFile({:#o})", self.flags())
    }
}
