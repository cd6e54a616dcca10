//! Files of the host that are read and written.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, OnceLock};

use abi::Errno;
use kcore::id::{Gid, Uid};
use kcore::raw::RawBytes;
use platform::host::confine::{HostCall, HostCalls};
use platform::host::{pread, pwrite};
use rustix::fs::{
    self, AtFlags, FallocateFlags, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps, XattrFlags,
};
use vfs::fs::host::HostNode;
use vfs::inode::DirEntry;
use vfs::{AttrChange, FileKind, InodeAttr, NewInode, StatFs, TimeChange};

use super::errno;
use super::node::{Tree, check, is_hidden, link_name, list, stat_at, statfs, xattr_names, xattr_value};

pub(super) const CALLS: HostCalls = HostCalls {
    of: "files that are changed",
    list: &[
        HostCall::new(libc::SYS_openat, "open for writing, make, by a single name; open again what is held"),
        HostCall::new(libc::SYS_pwrite64, "content"),
        HostCall::new(libc::SYS_ftruncate, "length"),
        HostCall::new(libc::SYS_fallocate, "space"),
        HostCall::new(libc::SYS_fsync, "a guest's fsync(2)"),
        HostCall::new(libc::SYS_fdatasync, "a guest's fdatasync(2)"),
        HostCall::new(libc::SYS_syncfs, "a guest's sync(2) and syncfs(2)"),
        HostCall::new(libc::SYS_fchownat, "owners"),
        HostCall::new(libc::SYS_fchmodat, "modes"),
        HostCall::new(libc::SYS_utimensat, "times"),
        HostCall::new(libc::SYS_mkdirat, "make a directory"),
        HostCall::new(libc::SYS_mknodat, "make a FIFO, a socket's name or a device"),
        HostCall::new(libc::SYS_symlinkat, "make a symbolic link"),
        HostCall::new(libc::SYS_linkat, "make another name"),
        HostCall::new(libc::SYS_unlinkat, "remove a name"),
        HostCall::new(libc::SYS_renameat2, "rename"),
        HostCall::new(libc::SYS_fsetxattr, "extended attributes"),
        HostCall::new(libc::SYS_fremovexattr, "remove them"),
    ],
};

/// What `open` is asked for.
const MAY_WRITE: u32 = 2;

/// A file or directory of the host, held by an `O_PATH` descriptor: it stays itself whatever the host does to its name.
pub(super) struct SharedNode {
    tree: Arc<Tree>,
    place: OwnedFd,
    /// Open for reading, on first use.
    reader: OnceLock<OwnedFd>,
    /// Open for reading and writing, on the first change: the host starts no program whose file somebody may write.
    writer: OnceLock<OwnedFd>,
    /// What a symbolic link says, which never changes. Known on first use.
    target: OnceLock<Box<[u8]>>,
    kind: FileKind,
    dev: u64,
    hidden: bool,
}

fn time(t: TimeChange) -> Timespec {
    match t {
        TimeChange::Now => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW },
        TimeChange::At(at) => Timespec { tv_sec: at.sec, tv_nsec: at.nsec.into() },
    }
}

fn raw_mode(new: &NewInode) -> Mode {
    Mode::from_raw_mode(new.mode & 0o7777)
}

impl SharedNode {
    pub(super) fn top(tree: Arc<Tree>, place: OwnedFd) -> Arc<dyn HostNode> {
        let (kind, dev) = fs::fstat(&place)
            .map_or((FileKind::Directory, 0), |s| (FileKind::from_mode(s.st_mode), s.st_dev));
        let hidden = is_hidden(&place).unwrap_or(true);
        Arc::new(SharedNode {
            tree,
            place,
            reader: OnceLock::new(),
            writer: OnceLock::new(),
            target: OnceLock::new(),
            kind,
            dev,
            hidden,
        })
    }
    /// For reading what is in it. Errors: the host's; `EACCES` for what is hidden, `ENXIO` for what is neither a file nor a directory.
    fn reader(&self) -> Result<&OwnedFd, Errno> {
        match self.writer.get().or(self.reader.get()) {
            Some(fd) => Ok(fd),
            None => {
                let fd = self.open_as(OFlags::RDONLY)?;
                Ok(self.reader.get_or_init(|| fd))
            }
        }
    }
    /// For changing what is in it. Errors: as [`SharedNode::reader`].
    fn writer(&self) -> Result<&OwnedFd, Errno> {
        match self.writer.get() {
            Some(fd) => Ok(fd),
            None => {
                let fd = self.open_as(OFlags::RDWR)?;
                Ok(self.writer.get_or_init(|| fd))
            }
        }
    }
    fn open_as(&self, flags: OFlags) -> Result<OwnedFd, Errno> {
        match self.kind {
            _ if self.hidden => Err(Errno::EACCES),
            FileKind::Directory | FileKind::Regular => self.tree.reopen(&self.place, flags),
            // Opening a FIFO or a device of the host would do something to it.
            _ => Err(Errno::ENXIO),
        }
    }
    fn child(&self, name: &[u8]) -> Result<(Arc<SharedNode>, InodeAttr), Errno> {
        check(name)?;
        if self.hidden {
            return Err(Errno::ENOENT);
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = fs::openat(&self.place, OsStr::from_bytes(name), flags, Mode::empty()).map_err(errno)?;
        let stat = fs::fstat(&place).map_err(errno)?;
        let hidden = stat.st_dev != self.dev && is_hidden(&place)?;
        let node = SharedNode {
            tree: self.tree.clone(),
            place,
            reader: OnceLock::new(),
            writer: OnceLock::new(),
            target: OnceLock::new(),
            kind: FileKind::from_mode(stat.st_mode),
            dev: stat.st_dev,
            hidden,
        };
        Ok((Arc::new(node), self.tree.attr(&stat)?))
    }
    fn own(node: &dyn HostNode) -> Result<&SharedNode, Errno> {
        node.as_any().downcast_ref().ok_or(Errno::EXDEV)
    }
    /// Gives a new file its owner and, as the host applied this process's umask, its mode.
    fn settle(&self, new: &NewInode) -> Result<(), Errno> {
        // Without privilege on the host, files belong to whoever runs the sandbox.
        self.chown(Some(new.uid), Some(new.gid)).ok();
        if self.kind == FileKind::Symlink { Ok(()) } else { self.chmod(new.mode) }
    }
    fn chown(&self, uid: Option<Uid>, gid: Option<Gid>) -> Result<(), Errno> {
        let (u, g) = self.tree.owners.to_host(uid, gid)?;
        let (u, g) = (u.map(fs::Uid::from_raw), g.map(fs::Gid::from_raw));
        fs::chownat(&self.place, c"", u, g, AtFlags::EMPTY_PATH).map_err(errno)
    }
    fn chmod(&self, mode: u32) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        fs::chmodat(&self.tree.descriptors, link_name(&self.place), mode, AtFlags::empty()).map_err(errno)
    }
    fn set_times(&self, change: &AttrChange) -> Result<(), Errno> {
        let omit = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT };
        let times = Timestamps {
            last_access: change.atime.map_or(omit, time),
            last_modification: change.mtime.map_or(omit, time),
        };
        let done = match self.kind {
            FileKind::Symlink => fs::utimensat(&self.place, c"", &times, AtFlags::EMPTY_PATH),
            _ => fs::utimensat(&self.tree.descriptors, link_name(&self.place), &times, AtFlags::empty()),
        };
        done.map_err(errno)
    }
}

impl HostNode for SharedNode {
    fn stat(&self) -> Result<InodeAttr, Errno> {
        self.tree.attr(&fs::fstat(&self.place).map_err(errno)?)
    }
    fn lookup(&self, name: &[u8]) -> Result<(Arc<dyn HostNode>, InodeAttr), Errno> {
        let (node, attr) = self.child(name)?;
        Ok((node, attr))
    }
    fn stat_child(&self, name: &[u8]) -> Result<InodeAttr, Errno> {
        self.tree.attr(&stat_at(&self.place, name)?)
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        if self.hidden {
            return Ok(Vec::new());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        list(fs::openat(&self.place, c".", flags, Mode::empty()).map_err(errno)?)
    }
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        if let Some(target) = self.target.get() {
            return Ok(target.to_vec());
        }
        let target = fs::readlinkat(&self.place, c"", Vec::new()).map_err(errno)?;
        Ok(self.target.get_or_init(|| target.into_bytes().into()).to_vec())
    }
    fn read_at(&self, at: u64, dst: RawBytes<'_>) -> Result<usize, Errno> {
        pread(self.reader()?.as_fd(), dst, at)
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        statfs(&self.place)
    }
    fn open(&self, mask: u32) -> Result<InodeAttr, Errno> {
        let changes = mask & MAY_WRITE != 0 && self.kind == FileKind::Regular;
        if changes { self.writer() } else { self.reader() }?;
        self.stat()
    }
    fn write_at(&self, at: u64, src: RawBytes<'_>) -> Result<usize, Errno> {
        pwrite(self.writer()?.as_fd(), src, at)
    }
    fn sync(&self, datasync: bool) -> Result<(), Errno> {
        let fd = self.reader()?;
        if datasync { fs::fdatasync(fd) } else { fs::fsync(fd) }.map_err(errno)
    }
    fn sync_all(&self) -> Result<(), Errno> {
        fs::syncfs(self.reader()?).map_err(errno)
    }
    fn allocate(&self, mode: u32, off: u64, len: u64) -> Result<(), Errno> {
        let mode = FallocateFlags::from_bits(mode).ok_or(Errno::ENOTSUP)?;
        fs::fallocate(self.writer()?, mode, off, len).map_err(errno)
    }
    fn set_attr(&self, change: &AttrChange) -> Result<(), Errno> {
        if let Some(size) = change.size {
            fs::ftruncate(self.writer()?, size).map_err(errno)?;
        }
        if change.uid.is_some() || change.gid.is_some() {
            self.chown(change.uid, change.gid)?;
        }
        if let Some(mode) = change.mode {
            self.chmod(mode)?;
        }
        if change.atime.is_some() || change.mtime.is_some() {
            self.set_times(change)?;
        }
        Ok(())
    }
    fn create(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn HostNode>, Errno> {
        check(name)?;
        let path = OsStr::from_bytes(name);
        let mut data = None;
        match FileKind::from_mode(new.mode) {
            FileKind::Directory => fs::mkdirat(&self.place, path, raw_mode(new)),
            FileKind::Regular => {
                // Kept: whoever makes a file may write to it although its mode allows no second opening.
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
                fs::openat(&self.place, path, flags, raw_mode(new)).map(|fd| data = Some(fd))
            }
            _ => fs::mknodat(&self.place, path, FileType::from_raw_mode(new.mode), raw_mode(new), new.rdev),
        }
        .map_err(errno)?;
        let (node, _) = self.child(name)?;
        if let Some(fd) = data {
            node.writer.get_or_init(|| fd);
        }
        node.settle(new)?;
        Ok(node)
    }
    fn tmpfile(&self, new: &NewInode) -> Result<Arc<dyn HostNode>, Errno> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let fd = fs::openat(&self.place, c".", flags, raw_mode(new)).map_err(errno)?;
        let place = self.tree.reopen(&fd, OFlags::PATH)?;
        let node = SharedNode {
            tree: self.tree.clone(),
            place,
            reader: OnceLock::new(),
            writer: OnceLock::from(fd),
            target: OnceLock::new(),
            kind: FileKind::Regular,
            dev: self.dev,
            hidden: false,
        };
        node.settle(new)?;
        Ok(Arc::new(node))
    }
    fn symlink(&self, name: &[u8], target: &[u8]) -> Result<Arc<dyn HostNode>, Errno> {
        check(name)?;
        fs::symlinkat(OsStr::from_bytes(target), &self.place, OsStr::from_bytes(name)).map_err(errno)?;
        Ok(self.child(name)?.0)
    }
    fn link(&self, name: &[u8], target: &dyn HostNode) -> Result<(), Errno> {
        check(name)?;
        let from = SharedNode::own(target)?;
        let name = OsStr::from_bytes(name);
        let (links, link) = (&from.tree.descriptors, link_name(&from.place));
        fs::linkat(links, link, &self.place, name, AtFlags::SYMLINK_FOLLOW).map_err(errno)
    }
    fn remove(&self, name: &[u8], dir: bool) -> Result<(), Errno> {
        check(name)?;
        let flags = if dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        fs::unlinkat(&self.place, OsStr::from_bytes(name), flags).map_err(errno)
    }
    fn rename(&self, name: &[u8], new_dir: &dyn HostNode, new_name: &[u8], flags: u32) -> Result<(), Errno> {
        check(name)?;
        check(new_name)?;
        let to = SharedNode::own(new_dir)?;
        let flags = RenameFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
        let (old, new) = (OsStr::from_bytes(name), OsStr::from_bytes(new_name));
        fs::renameat_with(self.place.as_fd(), old, to.place.as_fd(), new, flags).map_err(errno)
    }
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let fd = self.reader().map_err(|_| Errno::ENODATA)?;
        xattr_value(|buf| fs::fgetxattr(fd, OsStr::from_bytes(name), buf))
    }
    fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        let flags = XattrFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
        fs::fsetxattr(self.reader()?, OsStr::from_bytes(name), value, flags).map_err(errno)
    }
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let Ok(fd) = self.reader() else { return Ok(Vec::new()) };
        Ok(xattr_names(&xattr_value(|buf| fs::flistxattr(fd, buf))?))
    }
    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        fs::fremovexattr(self.reader()?, OsStr::from_bytes(name)).map_err(errno)
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
