//! Open file descriptions: what a descriptor refers to.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use kcore::cred::Credentials;
use kcore::frame::{FileOffset, FrameStore};
use kcore::io::{IoError, IoResult, IoSink, IoSource, Moved};
use kcore::mappable::Mappable;
use kcore::raw::RawBytes;
use kcore::sync::{LockClass, Mutex, MutexGuard};
use kcore::wait::{Events, WaitQueue};

use crate::Errno;
use crate::attr::{FileKind, InodeAttr};
use crate::consts::*;
use crate::file::{DirSink, FileOps, IoctlContext, Whence};
use crate::inode::Inode;
use crate::locks::LockOwner;
use crate::path::Path;

// Held while the file works, and a file of procfs may look at tasks.
static OFFSET: LockClass = LockClass::new("file offset", 90);
static OWNER: LockClass = LockClass::new("file owner", 304);
static OPENER: LockClass = LockClass::new("file opener", 305);

/// Who gets signals about a file, `F_SETOWN(2const)` and `F_SETSIG(2const)`. What the parts are, the composition knows.
#[derive(Clone, Default)]
pub struct AsyncState {
    /// Who.
    pub owner: Option<Arc<dyn Any + Send + Sync>>,
    /// The signal; 0 for `SIGIO`.
    pub signal: i32,
    /// Waits for the file to be ready, while it is `O_ASYNC`.
    pub watch: Option<Arc<dyn Any + Send + Sync>>,
    /// Processes that are told what happens in the directory, `F_NOTIFY`, and what tells them.
    pub directory: Vec<(LockOwner, Arc<dyn Any + Send + Sync>)>,
}

impl AsyncState {
    /// What tells this process of the directory.
    pub fn directory_of(&self, owner: LockOwner) -> Option<Arc<dyn Any + Send + Sync>> {
        self.directory.iter().find(|(o, _)| *o == owner).map(|(_, watch)| watch.clone())
    }
    /// This process is told no more.
    pub fn forget_directory(&mut self, owner: LockOwner) {
        self.directory.retain(|(o, _)| *o != owner);
    }
}

/// How a write differs from a plain `write(2)`.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// At the end or not, whatever `O_APPEND` says (`RWF_APPEND`, `RWF_NOAPPEND`).
    pub append: Option<bool>,
    /// A regular file does not become longer than this (`RLIMIT_FSIZE`).
    pub limit: u64,
    /// Who writes, unless they may keep the set-id bits of what they write to (`CAP_FSETID`).
    pub by: Option<Arc<Credentials>>,
}

impl Default for WriteOptions {
    fn default() -> WriteOptions {
        WriteOptions { append: None, limit: u64::MAX, by: None }
    }
}

/// A source that ends early.
struct Limited<'a> {
    src: &'a mut dyn IoSource,
    left: usize,
}

impl IoSource for Limited<'_> {
    fn remaining(&self) -> usize {
        self.src.remaining().min(self.left)
    }
    fn read(&mut self, dst: &mut [u8]) -> Result<usize, Errno> {
        let n = dst.len().min(self.left);
        let n = self.src.read(&mut dst[..n])?;
        self.left -= n;
        Ok(n)
    }
    fn drain(
        &mut self,
        len: usize,
        sink: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Result<Moved, Errno> {
        let moved = self.src.drain(len.min(self.left), sink)?;
        self.left -= moved.taken;
        Ok(moved)
    }
    fn read_frames(&mut self, store: &dyn FrameStore, at: FileOffset, len: usize) -> Result<usize, Errno> {
        let n = self.src.read_frames(store, at, len.min(self.left))?;
        self.left -= n;
        Ok(n)
    }
}

/// Where a file is read and written. One operation at a time moves it; looking at it does not wait for that.
struct Position {
    turn: Mutex<()>,
    at: AtomicU64,
}

impl Default for Position {
    fn default() -> Position {
        Position { turn: Mutex::new(&OFFSET, ()), at: AtomicU64::new(0) }
    }
}

/// The right to move a position; dropping it does.
struct Turn<'a> {
    at: u64,
    position: &'a Position,
    _guard: MutexGuard<'a, ()>,
}

impl Position {
    fn now(&self) -> u64 {
        self.at.load(Ordering::Acquire)
    }
    fn lock(&self) -> Turn<'_> {
        let guard = self.turn.lock();
        Turn { at: self.now(), position: self, _guard: guard }
    }
}

impl Deref for Turn<'_> {
    type Target = u64;
    fn deref(&self) -> &u64 {
        &self.at
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut u64 {
        &mut self.at
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.position.at.store(self.at, Ordering::Release);
    }
}

/// As what an open file counts for its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Open for writing.
    Writer,
    /// Open for reading only.
    Reader,
    /// Not a file of its own.
    Nobody,
}

/// Flags that `F_SETFL` can change.
pub const SETTABLE: u32 = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;

/// An open file description: shared by all descriptors that `dup(2)` and `fork(2)` made from one `open(2)`.
pub struct OpenFile {
    ops: Arc<dyn FileOps>,
    path: Option<Path>,
    flags: AtomicU32,
    offset: Position,
    notify: Mutex<AsyncState>,
    this: Weak<OpenFile>,
    counts: Counts,
    created: AtomicBool,
    /// Whether `O_DIRECT` is refused whatever the file does.
    no_direct: AtomicBool,
    opener: Mutex<Option<Arc<Credentials>>>,
}

impl OpenFile {
    /// A file at position 0 with `O_*` flags (creation flags are dropped).
    pub fn new(ops: Arc<dyn FileOps>, flags: u32, path: Option<Path>) -> Arc<OpenFile> {
        OpenFile::counted(ops, flags, path, Counts::Nobody)
    }
    pub(crate) fn counted(
        ops: Arc<dyn FileOps>,
        flags: u32,
        path: Option<Path>,
        counts: Counts,
    ) -> Arc<OpenFile> {
        let flags = flags & !(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
        if let Some(p) = path.as_ref().filter(|_| counts == Counts::Writer) {
            p.mount.add_writer();
        }
        Arc::new_cyclic(|this| OpenFile {
            ops,
            path,
            flags: AtomicU32::new(flags),
            offset: Position::default(),
            notify: Mutex::new(&OWNER, AsyncState::default()),
            this: this.clone(),
            counts,
            created: AtomicBool::new(false),
            no_direct: AtomicBool::new(false),
            opener: Mutex::new(&OPENER, None),
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
    /// As [`OpenFile::inode`], for a look.
    pub fn inode_ref(&self) -> Option<&dyn Inode> {
        self.ops.inode_ref().or_else(|| self.path.as_ref().map(|p| &**p.inode()))
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
    /// Sets the flags that `F_SETFL` can set. Errors: `EINVAL` for `O_DIRECT` where that means nothing, and what the file says.
    pub fn set_flags(&self, flags: u32) -> Result<(), Errno> {
        let takes_direct = || !self.no_direct.load(Ordering::Relaxed) && self.ops.takes_direct();
        if flags & O_DIRECT != 0 && !takes_direct() {
            return Err(Errno::EINVAL);
        }
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
    /// Whether opening it made the file (`F_CREATED_QUERY`).
    pub fn was_created(&self) -> bool {
        self.created.load(Ordering::Relaxed)
    }
    pub(crate) fn note_created(&self) {
        self.created.store(true, Ordering::Relaxed);
    }
    /// It was not opened by name, and so never asked for `O_DIRECT`.
    pub(crate) fn forbid_direct(&self) {
        self.no_direct.store(true, Ordering::Relaxed);
    }
    /// Remembers who opened it; only the first call counts.
    pub fn note_opener(&self, cred: &Arc<Credentials>) {
        self.opener.lock().get_or_insert_with(|| cred.clone());
    }
    /// Whether it was opened with exactly these credentials, not just with the same ones.
    pub fn was_opened_with(&self, cred: &Arc<Credentials>) -> bool {
        self.opener.lock().as_ref().is_some_and(|o| Arc::ptr_eq(o, cred))
    }
    /// Whether it may be read.
    pub fn readable(&self) -> bool {
        let f = self.flags();
        f & O_PATH == 0 && matches!(f & O_ACCMODE, O_RDONLY | O_RDWR)
    }
    /// Whether it may be written.
    pub fn writable(&self) -> bool {
        let f = self.flags();
        f & O_PATH == 0 && matches!(f & O_ACCMODE, O_WRONLY | O_RDWR)
    }
    /// Who is signalled when it becomes ready.
    pub fn async_state(&self) -> AsyncState {
        self.notify.lock().clone()
    }
    /// Changes who is signalled.
    pub fn change_async_state(&self, f: impl FnOnce(&mut AsyncState)) {
        let mut new = self.async_state();
        f(&mut new);
        let old = core::mem::replace(&mut *self.notify.lock(), new);
        drop(old);
    }

    /// Whether bytes can be read from it. Errors: `EBADF` if it is not open for that, `EINVAL` if it has none.
    pub fn check_read(&self) -> Result<(), Errno> {
        match self.readable() {
            true if self.ops.can_read() => Ok(()),
            true => Err(Errno::EINVAL),
            false => Err(Errno::EBADF),
        }
    }
    /// Whether bytes can be written to it. Errors: `EBADF` if it is not open for that, `EINVAL` if it takes none.
    pub fn check_write(&self) -> Result<(), Errno> {
        match self.writable() {
            true if self.ops.can_write() => Ok(()),
            true => Err(Errno::EINVAL),
            false => Err(Errno::EBADF),
        }
    }
    /// Reads at the position and advances it. Errors: `EBADF`, and the file's.
    pub fn read(&self, dst: &mut dyn IoSink) -> IoResult<usize> {
        self.check_read()?;
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
        self.positioned()?;
        self.check_read()?;
        let n = self.ops.read(self, Some(at), dst)?;
        self.notify_if(n > 0, IN_ACCESS);
        Ok(n)
    }
    /// Writes at the position (at the end with `O_APPEND`) and advances it. Errors: `EBADF`, and the file's.
    pub fn write(&self, src: &mut dyn IoSource) -> IoResult<usize> {
        self.write_with(None, &WriteOptions::default(), src)
    }
    /// Writes at `at`; with `O_APPEND` at the end, as Linux does. Errors: `EBADF`, `ESPIPE`, and the file's.
    pub fn pwrite(&self, at: u64, src: &mut dyn IoSource) -> IoResult<usize> {
        self.write_with(Some(at), &WriteOptions::default(), src)
    }
    /// Writes at `at`, or at the position, which advances. Errors: `EBADF`, `ESPIPE` with `at`, `EFBIG` at the limit, and the file's.
    pub fn write_with(
        &self,
        at: Option<u64>,
        options: &WriteOptions,
        src: &mut dyn IoSource,
    ) -> IoResult<usize> {
        if at.is_some() {
            self.positioned()?;
        }
        self.check_write()?;
        let append = options.append.unwrap_or(self.flags() & O_APPEND != 0);
        let n = match at {
            Some(at) => self.put(at, append, options, src)?.0,
            None if self.ops.seekable() => {
                let mut pos = self.offset.lock();
                let (n, end) = self.put(*pos, append, options, src)?;
                *pos = end;
                n
            }
            None => self.ops.write(self, None, src)?,
        };
        self.notify_if(n > 0, IN_MODIFY);
        Ok(n)
    }
    /// Writes at `at` or at the end; says how much, and where it ended.
    fn put(
        &self,
        at: u64,
        append: bool,
        options: &WriteOptions,
        src: &mut dyn IoSource,
    ) -> IoResult<(usize, u64)> {
        let limit = options.limit;
        let mut limited;
        let src = if limit < u64::MAX && src.remaining() > 0 && self.is_regular() {
            let start = if append { self.stat()?.size } else { at };
            let left = limit.checked_sub(start).filter(|n| *n > 0).ok_or(Errno::EFBIG)?;
            limited = Limited { src, left: usize::try_from(left).unwrap_or(usize::MAX) };
            &mut limited
        } else {
            src
        };
        if src.remaining() > 0 {
            self.drop_setid(options.by.as_deref())?;
        }
        if append {
            return self.ops.append(self, src);
        }
        let n = self.ops.write(self, Some(at), src)?;
        Ok((n, at.saturating_add(n as u64)))
    }
    fn drop_setid(&self, by: Option<&Credentials>) -> Result<(), Errno> {
        let Some(by) = by else { return Ok(()) };
        match self.inode_ref() {
            Some(inode) if inode.kind() == FileKind::Regular => inode.drop_setid(by),
            _ => Ok(()),
        }
    }
    /// Whether it is an open regular file.
    pub fn is_regular(&self) -> bool {
        self.inode_ref().is_some_and(|i| i.kind() == FileKind::Regular)
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
        self.offset.now()
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
        let listed = {
            let mut pos = self.offset.lock();
            self.ops.readdir(self, *pos, sink).map(|next| *pos = next)
        };
        self.notify_if(!matches!(listed, Err(Errno::ENOENT | Errno::ENOTDIR)), IN_ACCESS);
        listed
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
        match self.inode_ref() {
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
    /// `fallocate(2)`. Errors: `EINVAL`; `EOPNOTSUPP` for modes that there are not; `EBADF` unless writable; `ESPIPE`, `EISDIR` or `ENODEV`
    /// for what is no regular file; `EFBIG`; and the file's.
    pub fn allocate(&self, mode: u32, off: i64, len: i64, by: &Credentials) -> Result<(), Errno> {
        if off < 0 || len <= 0 {
            return Err(Errno::EINVAL);
        }
        let keep = mode & FALLOC_FL_KEEP_SIZE != 0;
        match mode & !FALLOC_FL_KEEP_SIZE {
            0 | FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_ZERO_RANGE => {}
            FALLOC_FL_PUNCH_HOLE if keep => {}
            FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_WRITE_ZEROES if !keep => {}
            _ => return Err(Errno::EOPNOTSUPP),
        }
        if !self.writable() {
            return Err(Errno::EBADF);
        }
        match self.stat()?.kind() {
            FileKind::Fifo => return Err(Errno::ESPIPE),
            FileKind::Directory => return Err(Errno::EISDIR),
            FileKind::Regular | FileKind::Block => {}
            _ => return Err(Errno::ENODEV),
        }
        off.checked_add(len).ok_or(Errno::EFBIG)?;
        self.drop_setid(Some(by))?;
        self.ops.allocate(self, mode, off as u64, len as u64)?;
        self.notify_if(true, IN_MODIFY);
        Ok(())
    }
    /// `ftruncate(2)`. Errors: `EINVAL` unless writable, and the file's.
    pub fn truncate(&self, len: i64, by: &Credentials) -> Result<(), Errno> {
        if self.is_path_only() {
            return Err(Errno::EBADF);
        }
        if !self.writable() || len < 0 {
            return Err(Errno::EINVAL);
        }
        self.drop_setid(Some(by))?;
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
        if let Some(i) = self.inode_ref() {
            i.common().locks().drop_file(self.id());
            // Most files have none.
            i.common().leases().remove(self.id()).ok();
            match self.counts {
                Counts::Writer => {
                    i.common().put_write();
                    if let Some(p) = &self.path {
                        p.mount.remove_writer();
                    }
                }
                Counts::Reader => i.common().put_read(),
                Counts::Nobody => {}
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
