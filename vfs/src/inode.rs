//! Inodes and file systems: what a file system implements.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicUsize, Ordering};

use kcore::cred::Credentials;
use kcore::id::{Gid, Uid};
use kcore::io::IoResult;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr, StatFs};
use crate::context::Caller;
use crate::file::FileOps;
use crate::leases::{LeaseHolder, LeaseKind, Leases};
use crate::open_file::OpenFile;
use crate::path::Path;

static WATCHERS: LockClass = LockClass::new("inode watchers", 346);

// Inodes of this process that are watched. It only spares work while there are none, so that kernels in one process may share it.
static WATCHED: AtomicUsize = AtomicUsize::new(0);

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: Vec<u8>,
    /// Inode number.
    pub ino: u64,
    /// Type.
    pub kind: FileKind,
}

/// What a new inode starts with. The VFS has applied the umask and set-group-id rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewInode {
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Device number of a device node.
    pub rdev: u64,
}

/// Where a magic link leads, without a path walk.
#[derive(Clone)]
pub enum MagicLink {
    /// To this place (`/proc/PID/cwd`).
    Path(Path),
    /// To this open file (`/proc/PID/fd/N`): opening it opens its inode again.
    File(Arc<OpenFile>),
}

/// Something that happened to an inode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Happened<'a> {
    /// `IN_*` bits.
    pub mask: u32,
    /// What joins the two events of a rename; otherwise 0.
    pub cookie: u32,
    /// The child's name, if it happened to a child of the directory.
    pub name: Option<&'a [u8]>,
    /// It happened through a name that had been removed before.
    pub unlinked: bool,
}

/// Told of what happens to an inode: `inotify(7)`.
pub trait InodeWatcher: Send + Sync {
    /// It happened. Called without locks above 345.
    fn event(&self, what: &Happened<'_>);
}

/// What the VFS keeps for every inode.
pub struct InodeCommon {
    watchers: Mutex<Vec<Weak<dyn InodeWatcher>>>,
    watched: AtomicBool,
    locks: crate::locks::FileLocks,
    leases: Leases,
    /// Open for reading only so often.
    readers: AtomicU32,
    /// Positive: open for writing so often. Negative: so many executions forbid it.
    writers: AtomicI32,
    write_hint: AtomicU8,
    /// Although it has no name it may get one (`O_TMPFILE` without `O_EXCL`).
    linkable: AtomicBool,
}

impl Default for InodeCommon {
    fn default() -> Self {
        InodeCommon {
            watchers: Mutex::new(&WATCHERS, Vec::new()),
            watched: AtomicBool::new(false),
            locks: crate::locks::FileLocks::default(),
            leases: Leases::default(),
            readers: AtomicU32::new(0),
            writers: AtomicI32::new(0),
            write_hint: AtomicU8::new(0),
            linkable: AtomicBool::new(false),
        }
    }
}

impl Drop for InodeCommon {
    fn drop(&mut self) {
        if *self.watched.get_mut() {
            WATCHED.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl InodeCommon {
    /// Adds a watcher; it is kept weakly.
    pub fn watch(&self, watcher: &Arc<dyn InodeWatcher>) {
        let mut w = self.watchers.lock();
        let new = Arc::downgrade(watcher);
        w.retain(|o| o.strong_count() > 0 && !o.ptr_eq(&new));
        w.push(new);
        self.set_watched(true);
    }
    /// Removes a watcher.
    pub fn unwatch(&self, watcher: &Arc<dyn InodeWatcher>) {
        let gone = Arc::downgrade(watcher);
        let mut w = self.watchers.lock();
        w.retain(|o| o.strong_count() > 0 && !o.ptr_eq(&gone));
        self.set_watched(!w.is_empty());
    }
    /// The list of watchers is locked.
    fn set_watched(&self, is: bool) {
        let was = self.watched.swap(is, Ordering::SeqCst);
        if is && !was {
            WATCHED.fetch_add(1, Ordering::SeqCst);
        } else if was && !is {
            WATCHED.fetch_sub(1, Ordering::SeqCst);
        }
    }
    /// Whether anybody watches any inode at all.
    pub(crate) fn any_is_watched() -> bool {
        WATCHED.load(Ordering::SeqCst) > 0
    }
    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }
    /// Tells all watchers that `mask` happened, to the child `name` or to the inode itself.
    pub fn notify(&self, mask: u32, cookie: u32, name: Option<&[u8]>) {
        self.tell(&Happened { mask, cookie, name, unlinked: false });
    }
    /// Tells all watchers.
    pub fn tell(&self, what: &Happened<'_>) {
        if !self.watched.load(Ordering::Acquire) {
            return;
        }
        let all: Vec<_> = self.watchers.lock().iter().filter_map(Weak::upgrade).collect();
        for w in all {
            w.event(what);
        }
    }
    /// Advisory locks on the file.
    pub fn locks(&self) -> &crate::locks::FileLocks {
        &self.locks
    }
    /// Leases on the file.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }
    /// Takes or changes the lease of an open file, which has the file open for writing or for reading only. Errors: `EAGAIN` if
    /// others have it open in a way that the lease is against, or have leases that do not go with it.
    pub fn set_lease(
        &self,
        file: &OpenFile,
        kind: LeaseKind,
        holder: Arc<dyn LeaseHolder>,
    ) -> Result<(), Errno> {
        let (writers, readers) = (self.writers.load(Ordering::SeqCst), self.readers.load(Ordering::SeqCst));
        let own_writer = file.writable();
        let taken = match kind {
            LeaseKind::Read => writers > 0,
            LeaseKind::Write => writers != i32::from(own_writer) || readers != u32::from(!own_writer),
        };
        if taken { Err(Errno::EAGAIN) } else { self.leases.set(file.id(), kind, holder) }
    }
    /// Counts an open for reading only.
    pub(crate) fn get_read(&self) {
        self.readers.fetch_add(1, Ordering::SeqCst);
    }
    /// Ends what `get_read` began.
    pub(crate) fn put_read(&self) {
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }
    /// How long data written here will live: an `RWH_*` value.
    pub fn write_hint(&self) -> u8 {
        self.write_hint.load(Ordering::Relaxed)
    }
    /// Remembers that; `F_SET_RW_HINT`.
    pub fn set_write_hint(&self, hint: u8) {
        self.write_hint.store(hint, Ordering::Relaxed);
    }
    /// Whether it may get a first name.
    pub fn is_linkable(&self) -> bool {
        self.linkable.load(Ordering::Relaxed)
    }
    /// Says whether it may.
    pub fn set_linkable(&self, linkable: bool) {
        self.linkable.store(linkable, Ordering::Relaxed);
    }
    /// Counts an open for writing. Errors: `ETXTBSY` while it is executed.
    pub fn get_write(&self) -> Result<(), Errno> {
        let add = |n: i32| (n >= 0).then(|| n + 1);
        self.writers
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add)
            .map_or(Err(Errno::ETXTBSY), |_| Ok(()))
    }
    /// Ends what `get_write` began.
    pub fn put_write(&self) {
        self.writers.fetch_sub(1, Ordering::AcqRel);
    }
    /// Forbids opening for writing, for execution. Errors: `ETXTBSY` while it is open for writing.
    pub fn deny_write(&self) -> Result<(), Errno> {
        let sub = |n: i32| (n <= 0).then(|| n - 1);
        self.writers
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, sub)
            .map_or(Err(Errno::ETXTBSY), |_| Ok(()))
    }
    /// Ends what `deny_write` began.
    pub fn allow_write(&self) {
        self.writers.fetch_add(1, Ordering::AcqRel);
    }
}

/// What [`Inode::revalidate`] says of a name that was found before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It must be looked up again.
    Gone,
    /// It leads to the same file.
    Right,
    /// It leads to the same file, whose attributes were looked at for that: [`Inode::seen_attr`] tells them as they are now.
    Seen,
}

impl Validity {
    /// [`Validity::Right`] or [`Validity::Gone`].
    pub fn of(right: bool) -> Validity {
        if right { Validity::Right } else { Validity::Gone }
    }
}

/// A file, as its file system sees it. Callers have checked permissions; names are not empty, not `.` or `..`, without `/`.
///
/// The VFS serialises changes of one directory's names against each other and against lookups.
#[allow(unused_variables, reason = "defaults name their parameters for the documentation")]
pub trait Inode: Send + Sync + Any {
    /// State of the VFS about this inode.
    fn common(&self) -> &InodeCommon;
    /// Attributes now. Errors: `EIO`, `ESTALE`, or what a remote host says.
    fn attr(&self) -> Result<InodeAttr, Errno>;
    /// Type, which never changes. Override it where `attr` is dear.
    fn kind(&self) -> FileKind {
        self.attr().map_or(FileKind::Regular, |a| a.kind())
    }
    /// Takes away the set-id bits that do not survive a write by `cred`. Errors: as [`Inode::set_attr`].
    fn drop_setid(&self, cred: &Credentials) -> Result<(), Errno> {
        let attr = self.attr()?;
        let mode = crate::perm::after_write(&attr, cred);
        if mode == attr.mode {
            return Ok(());
        }
        self.set_attr(&AttrChange { mode: Some(mode & 0o7777), ..AttrChange::default() })
    }
    /// Changes attributes. Errors: `EPERM` if the file system has none to change, `EROFS`, `EFBIG`, `ENOSPC`.
    fn set_attr(&self, change: &AttrChange) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Whether its attributes can change at all, which is asked before who may do that. Errors: `EOPNOTSUPP`.
    fn may_set_attr(&self) -> Result<(), Errno> {
        Ok(())
    }
    /// The attributes as last seen, for what hardly changes or was looked up just now: asking again may cost a call to the host. Default: as
    /// they are now.
    /// Errors: as [`Inode::attr`].
    fn seen_attr(&self) -> Result<InodeAttr, Errno> {
        self.attr()
    }
    /// Whether `cred` may access it with `mask` (4 read, 2 write, 1 execute or search). Errors: `EACCES`.
    fn permission(&self, cred: &Credentials, mask: u32) -> Result<(), Errno> {
        crate::perm::check(&self.attr()?, cred, mask)
    }
    /// As [`Inode::permission`], where it matters which task asks. Default: it does not.
    fn permission_for(&self, caller: &Caller<'_>, mask: u32) -> Result<(), Errno> {
        self.permission(caller.cred, mask)
    }

    /// The child `name`. Errors: `ENOENT`, `ENOTDIR`.
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::ENOTDIR)
    }
    /// All children, without `.` and `..`. Errors: `ENOTDIR`.
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        Err(Errno::ENOTDIR)
    }
    /// Whether a dentry found before for `name` (leading to this inode) in `parent` is still right. Default: always.
    fn revalidate(&self, parent: &dyn Inode, name: &[u8]) -> Validity {
        Validity::Right
    }
    /// Makes a regular file. Errors: `EEXIST`, `ENOSPC`, `EROFS`; `EPERM` if not supported.
    fn create(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EPERM)
    }
    /// Makes a directory. Errors: as `create`.
    fn mkdir(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EPERM)
    }
    /// Makes a device node, FIFO or socket. Errors: as `create`.
    fn mknod(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EPERM)
    }
    /// Makes a symbolic link. Errors: as `create`.
    fn symlink(&self, name: &[u8], target: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EPERM)
    }
    /// Gives `target`, of the same file system, another name. Errors: as `create`, `EMLINK`.
    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Removes the name of something that is not a directory. Errors: `ENOENT`, `EISDIR`, `EROFS`.
    fn unlink(&self, name: &[u8]) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Removes an empty directory. Errors: `ENOENT`, `ENOTDIR`, `ENOTEMPTY`, `EROFS`.
    fn rmdir(&self, name: &[u8]) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Moves `name` to `new_name` in `new_dir` (same file system), with `RENAME_*` flags. Errors: `ENOENT`, `ENOTEMPTY`, `EISDIR`,
    /// `ENOTDIR`, `EEXIST`, `EXDEV`, `EINVAL` for flags not supported.
    fn rename(
        &self,
        name: &[u8],
        new_dir: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: u32,
    ) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Makes a regular file without a name (`O_TMPFILE`). Errors: `ENOTSUP`.
    fn tmpfile(&self, new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::ENOTSUP)
    }

    /// The target of a symbolic link. Errors: `EINVAL` if it is none.
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }
    /// As [`Inode::readlink`], where it matters which task asks. Default: it does not.
    fn readlink_for(&self, caller: &Caller<'_>) -> Result<Vec<u8>, Errno> {
        self.readlink()
    }
    /// Where a magic link leads. `None` for all other files. Errors: `ENOENT`, `EACCES` (it leads nowhere now, or not for the caller).
    fn follow_magic(&self, caller: &Caller<'_>) -> Option<Result<MagicLink, Errno>> {
        None
    }
    /// Opens it; `path` is how it was reached, `flags` the `O_*` bits. Directories get a generic listing over [`Inode::list`].
    /// FIFOs, sockets and devices never come here: they go to the [`SpecialOpener`](crate::SpecialOpener).
    ///
    /// Errors: `ENXIO`, `EIO`, `EROFS`.
    fn open(self: Arc<Self>, path: &Path, flags: u32) -> IoResult<Arc<dyn FileOps>>;
    /// As [`Inode::open`], where it matters which task asks. Default: it does not.
    fn open_for(self: Arc<Self>, path: &Path, flags: u32, caller: &Caller<'_>) -> IoResult<Arc<dyn FileOps>> {
        self.open(path, flags)
    }

    /// Writes a directory back. Errors: `EIO`.
    fn sync_dir(&self) -> Result<(), Errno> {
        Ok(())
    }

    /// An extended attribute's value. Errors: `ENODATA`, `ENOTSUP`.
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        Err(Errno::ENOTSUP)
    }
    /// Sets an extended attribute, with `XATTR_*` flags. Errors: `EEXIST`, `ENODATA`, `ENOSPC`, `ENOTSUP`.
    fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }
    /// Names of extended attributes.
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        Ok(Vec::new())
    }
    /// Removes an extended attribute. Errors: `ENODATA`, `ENOTSUP`.
    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }
}

/// A mounted file system.
pub trait FileSystem: Send + Sync + Any {
    /// The root directory: always the same inode.
    fn root(&self) -> Arc<dyn Inode>;
    /// Type name, such as `tmpfs`.
    fn name(&self) -> &str;
    /// Device number that its files report.
    fn dev(&self) -> u64;
    /// What `statfs(2)` tells.
    fn statfs(&self) -> Result<StatFs, Errno>;
    /// Options shown in `/proc/PID/mountinfo`, such as `size=64k`.
    fn options(&self) -> String {
        String::new()
    }
    /// Whether its files have no names anywhere, as pipes and sockets: they are opened again by what they are, not by where.
    fn is_nameless(&self) -> bool {
        false
    }
    /// Whether nothing in it can change (`MS_RDONLY` of the file system).
    fn is_read_only(&self) -> bool {
        false
    }
    /// Changes options at remount. Errors: `EINVAL`.
    fn remount(&self, options: &str) -> Result<(), Errno> {
        let _ = options;
        Ok(())
    }
    /// Writes everything back. Errors: `EIO`.
    fn sync(&self) -> Result<(), Errno> {
        Ok(())
    }
}
