//! Files of the host that are only read. One takes no descriptor before its content is read or its children are asked for, and one call to
//! the host to be found.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, OnceLock};

use abi::Errno;
use kcore::raw::RawBytes;
use platform::host::confine::{Condition, HostCall, HostCalls};
use platform::host::pread;
use rustix::fs::{self, Mode, OFlags};
use vfs::fs::host::HostNode;
use vfs::inode::DirEntry;
use vfs::{FileKind, InodeAttr, StatFs};

use super::errno;
use super::node::{Tree, check, is_hidden, list, stat_at, statfs, xattr_names, xattr_value};

/// What opening a file for reading never asks for.
const CHANGES: u64 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u64;

pub(super) const CALLS: HostCalls = HostCalls {
    of: "files that are read",
    list: &[
        HostCall::new(libc::SYS_openat, "open for reading, by a single name beneath a directory")
            .only(2, Condition::Without(CHANGES)),
        HostCall::new(libc::SYS_newfstatat, "find a name, and its attributes"),
        HostCall::new(libc::SYS_fstat, "attributes of an open file"),
        HostCall::new(libc::SYS_pread64, "content"),
        HostCall::new(libc::SYS_getdents64, "names in a directory"),
        HostCall::new(libc::SYS_readlinkat, "what a symbolic link says"),
        HostCall::new(libc::SYS_fstatfs, "file systems that are not shown, and free space"),
        HostCall::new(libc::SYS_fgetxattr, "extended attributes"),
        HostCall::new(libc::SYS_flistxattr, "their names"),
    ],
};

/// A file or directory of the host.
pub(super) struct LowerNode {
    tree: Arc<Tree>,
    place: Place,
    kind: FileKind,
    /// The host's device and inode number: the name must still lead there when it is opened.
    key: (u64, u64),
    /// Open for reading, on first use.
    open: OnceLock<OwnedFd>,
    hidden: bool,
}

enum Place {
    /// The top of the tree, as a descriptor with `O_PATH`.
    Top(OwnedFd),
    In(Arc<LowerNode>, Box<[u8]>),
}

impl LowerNode {
    pub(super) fn top(tree: Arc<Tree>, place: OwnedFd) -> Arc<dyn HostNode> {
        let (kind, key) = fs::fstat(&place).map_or((FileKind::Directory, (0, 0)), |s| {
            (FileKind::from_mode(s.st_mode), (s.st_dev, s.st_ino))
        });
        let hidden = is_hidden(&place).unwrap_or(true);
        Arc::new(Lower(Arc::new(LowerNode {
            tree,
            place: Place::Top(place),
            kind,
            key,
            open: OnceLock::new(),
            hidden,
        })))
    }
    /// The file opened for reading. Errors: as [`LowerNode::open_anew`].
    fn fd(&self) -> Result<&OwnedFd, Errno> {
        if let Some(fd) = self.open.get() {
            return Ok(fd);
        }
        let (fd, _) = self.open_anew()?;
        Ok(self.open.get_or_init(|| fd))
    }
    /// Opens the file for reading; `O_NOFOLLOW` and the comparison see to it that it is the one that was found. Errors: the host's; `ESTALE`
    /// if it was replaced, `ENXIO` for what is neither a file nor a directory.
    fn open_anew(&self) -> Result<(OwnedFd, fs::Stat), Errno> {
        if !matches!(self.kind, FileKind::Regular | FileKind::Directory) {
            return Err(Errno::ENXIO);
        }
        let fd = match &self.place {
            Place::Top(place) => self.tree.reopen(place, OFlags::RDONLY)?,
            Place::In(parent, name) => {
                let flags =
                    OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
                fs::openat(parent.fd()?, OsStr::from_bytes(name), flags, Mode::empty()).map_err(errno)?
            }
        };
        let s = fs::fstat(&fd).map_err(errno)?;
        if (s.st_dev, s.st_ino) == self.key { Ok((fd, s)) } else { Err(Errno::ESTALE) }
    }
}

/// The node as the kernel holds it: children share their parent.
struct Lower(Arc<LowerNode>);

impl HostNode for Lower {
    fn stat(&self) -> Result<InodeAttr, Errno> {
        let node = &self.0;
        let stat = match (&node.place, node.open.get()) {
            (_, Some(fd)) => fs::fstat(fd).map_err(errno)?,
            (Place::Top(fd), None) => fs::fstat(fd).map_err(errno)?,
            (Place::In(parent, name), None) => {
                let s = stat_at(parent.fd()?, name)?;
                if (s.st_dev, s.st_ino) != node.key {
                    return Err(Errno::ESTALE);
                }
                s
            }
        };
        node.tree.attr(&stat)
    }
    fn lookup(&self, name: &[u8]) -> Result<(Arc<dyn HostNode>, InodeAttr), Errno> {
        let node = &self.0;
        check(name)?;
        if node.hidden {
            return Err(Errno::ENOENT);
        }
        if node.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let dir = node.fd()?;
        let stat = stat_at(dir, name)?;
        let mut hidden = false;
        if stat.st_dev != node.key.0 {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = fs::openat(dir, OsStr::from_bytes(name), flags, Mode::empty()).map_err(errno)?;
            hidden = is_hidden(&fd)?;
        }
        let child = LowerNode {
            tree: node.tree.clone(),
            place: Place::In(node.clone(), name.into()),
            kind: FileKind::from_mode(stat.st_mode),
            key: (stat.st_dev, stat.st_ino),
            open: OnceLock::new(),
            hidden,
        };
        Ok((Arc::new(Lower(Arc::new(child))), node.tree.attr(&stat)?))
    }
    fn stat_child(&self, name: &[u8]) -> Result<InodeAttr, Errno> {
        self.0.tree.attr(&stat_at(self.0.fd()?, name)?)
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        if self.0.hidden {
            return Ok(Vec::new());
        }
        if self.0.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        list(fs::openat(self.0.fd()?, c".", flags, Mode::empty()).map_err(errno)?)
    }
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        let Place::In(parent, name) = &self.0.place else { return Err(Errno::EINVAL) };
        let target = fs::readlinkat(parent.fd()?, OsStr::from_bytes(name), Vec::new()).map_err(errno)?;
        Ok(target.into_bytes())
    }
    fn read_at(&self, at: u64, dst: RawBytes<'_>) -> Result<usize, Errno> {
        if self.0.hidden {
            return Err(Errno::EACCES);
        }
        pread(self.0.fd()?.as_fd(), dst, at)
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        statfs(self.0.fd()?)
    }
    fn open(&self, _: u32) -> Result<InodeAttr, Errno> {
        let node = &self.0;
        let stat = match node.open.get() {
            Some(fd) => fs::fstat(fd).map_err(errno)?,
            None => {
                let (fd, stat) = node.open_anew()?;
                node.open.get_or_init(|| fd);
                stat
            }
        };
        node.tree.attr(&stat)
    }
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let fd = self.0.fd().map_err(|_| Errno::ENODATA)?;
        xattr_value(|buf| fs::fgetxattr(fd, OsStr::from_bytes(name), buf))
    }
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let Ok(fd) = self.0.fd() else { return Ok(Vec::new()) };
        Ok(xattr_names(&xattr_value(|buf| fs::flistxattr(fd, buf))?))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
