//! What an open file does: the trait that file systems and anonymous files implement.

use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;

use kcore::cred::Credentials;
use kcore::io::{IoResult, IoSink, IoSource};
use kcore::job::JobCaller;
use kcore::mappable::Mappable;
use kcore::user::UserMemory;
use kcore::wait::{Events, WaitQueue};

use crate::Errno;
use crate::attr::{FileKind, InodeAttr};
use crate::inode::Inode;
use crate::locks::LockOwner;
pub use crate::open_file::OpenFile;

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
    pub mem: &'a (dyn UserMemory + Sync),
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
/// Operations never wait: they return [`IoError::Again`](kcore::io::IoError::Again), and the caller waits on [`FileOps::queue`].
#[allow(unused_variables, reason = "defaults name their parameters for the documentation")]
pub trait FileOps: Send + Sync + Any {
    /// Whether it has a position and `pread` works.
    fn seekable(&self) -> bool {
        false
    }
    /// Whether `lseek` works at all. It does nothing where there is no position.
    fn lseeks(&self) -> bool {
        self.seekable()
    }
    /// Whether there is anything to be read, whatever it was opened for.
    fn can_read(&self) -> bool {
        true
    }
    /// Whether it can be written to, whatever it was opened for.
    fn can_write(&self) -> bool {
        true
    }
    /// Whether `splice(2)` and `sendfile(2)` can take from it.
    fn splices_from(&self) -> bool {
        true
    }
    /// Whether reads and writes know flags (`RWF_*`) other than `RWF_HIPRI`.
    fn takes_rw_flags(&self) -> bool {
        true
    }
    /// Whether `RWF_NOWAIT` means something.
    fn takes_nowait(&self) -> bool {
        false
    }
    /// Whether it knows `O_DIRECT`.
    fn takes_direct(&self) -> bool {
        false
    }
    /// Whether a mapping of it is one of nothing: anonymous memory.
    fn maps_zeros(&self) -> bool {
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
        if !self.lseeks() {
            return Err(Errno::ESPIPE);
        }
        if !self.seekable() {
            return Ok(pos);
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
    /// `fallocate(2)`, for regular files. Errors: `ENOTSUP`, `ENOSPC`, `EPERM`.
    fn allocate(&self, f: &OpenFile, mode: u32, off: u64, len: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }
    /// `ftruncate(2)`. Errors: `EINVAL`, `EFBIG`, `EPERM`.
    fn truncate(&self, f: &OpenFile, len: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    /// `by` closed a descriptor; others may remain.
    fn flush(&self, f: &OpenFile, by: LockOwner) -> Result<(), Errno> {
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
    /// As [`FileOps::inode`], for a look. Override both or none.
    fn inode_ref(&self) -> Option<&dyn Inode> {
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
