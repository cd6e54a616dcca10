//! What is known about a file: `inode(7)`.

use kcore::host::Nanos;
use kcore::id::{Gid, Uid};

use crate::consts::*;

/// A point in time on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Seconds since the epoch.
    pub sec: i64,
    /// Nanoseconds, below 10⁹.
    pub nsec: u32,
}

impl Timestamp {
    /// From nanoseconds since the epoch.
    pub fn from_nanos(ns: Nanos) -> Timestamp {
        Timestamp { sec: (ns / 1_000_000_000) as i64, nsec: (ns % 1_000_000_000) as u32 }
    }
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Regular file.
    Regular,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Character device.
    Char,
    /// Block device.
    Block,
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
    /// None: what epoll, eventfd and their like are.
    Untyped,
}

impl FileKind {
    /// The type in a mode's `S_IFMT` bits; regular if unknown.
    pub fn from_mode(mode: u32) -> FileKind {
        match mode & S_IFMT {
            S_IFDIR => FileKind::Directory,
            S_IFLNK => FileKind::Symlink,
            S_IFCHR => FileKind::Char,
            S_IFBLK => FileKind::Block,
            S_IFIFO => FileKind::Fifo,
            S_IFSOCK => FileKind::Socket,
            0 => FileKind::Untyped,
            _ => FileKind::Regular,
        }
    }
    /// The `S_IFMT` bits.
    pub fn mode(self) -> u32 {
        match self {
            FileKind::Regular => S_IFREG,
            FileKind::Directory => S_IFDIR,
            FileKind::Symlink => S_IFLNK,
            FileKind::Char => S_IFCHR,
            FileKind::Block => S_IFBLK,
            FileKind::Fifo => S_IFIFO,
            FileKind::Socket => S_IFSOCK,
            FileKind::Untyped => 0,
        }
    }
    /// `d_type` of `getdents64(2)`.
    pub fn d_type(self) -> u8 {
        (self.mode() >> 12) as u8
    }
}

/// What `stat(2)` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InodeAttr {
    /// Device number of the file system.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Number of names.
    pub nlink: u32,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Device number of a device node, see [`make_dev`].
    pub rdev: u64,
    /// Length in bytes.
    pub size: u64,
    /// Units of 512 bytes in use.
    pub blocks: u64,
    /// Preferred I/O size.
    pub blksize: u32,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of attributes.
    pub ctime: Timestamp,
    /// Creation, if known.
    pub btime: Timestamp,
}

impl Default for InodeAttr {
    fn default() -> InodeAttr {
        let t = Timestamp::default();
        InodeAttr {
            dev: 0,
            ino: 0,
            mode: 0,
            nlink: 1,
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
            size: 0,
            blocks: 0,
            blksize: 4096,
            atime: t,
            mtime: t,
            ctime: t,
            btime: t,
        }
    }
}

impl InodeAttr {
    /// A file without a name in any directory, such as an epoll instance.
    pub fn anonymous(mode: u32) -> InodeAttr {
        InodeAttr { mode, ino: 1, dev: make_dev(0, 1), ..InodeAttr::default() }
    }
    /// The type.
    pub fn kind(&self) -> FileKind {
        FileKind::from_mode(self.mode)
    }
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode & S_IFMT == S_IFDIR
    }
}

/// A new time for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeChange {
    /// The time of the change.
    Now,
    /// This time.
    At(Timestamp),
}

/// Attributes to change; permission was checked by the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttrChange {
    /// New permission bits (without type).
    pub mode: Option<u32>,
    /// New owner.
    pub uid: Option<Uid>,
    /// New group.
    pub gid: Option<Gid>,
    /// New length, for regular files.
    pub size: Option<u64>,
    /// New access time.
    pub atime: Option<TimeChange>,
    /// New modification time.
    pub mtime: Option<TimeChange>,
}

impl AttrChange {
    /// Makes the change at the time `now`, but for the size, which takes more than a number.
    pub(crate) fn apply(&self, attr: &mut InodeAttr, now: Timestamp) {
        let time = |t: TimeChange| match t {
            TimeChange::Now => now,
            TimeChange::At(t) => t,
        };
        attr.mode = self.mode.map_or(attr.mode, |mode| attr.mode & S_IFMT | mode & 0o7777);
        attr.uid = self.uid.unwrap_or(attr.uid);
        attr.gid = self.gid.unwrap_or(attr.gid);
        attr.atime = self.atime.map_or(attr.atime, time);
        attr.mtime = self.mtime.map_or(attr.mtime, time);
        attr.ctime = now;
    }
}

/// What `statfs(2)` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatFs {
    /// Magic number of the file system type.
    pub magic: u64,
    /// Block size.
    pub bsize: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub bfree: u64,
    /// Blocks free for unprivileged users.
    pub bavail: u64,
    /// Inodes in all.
    pub files: u64,
    /// Free inodes.
    pub ffree: u64,
    /// Identity of the file system.
    pub fsid: u64,
    /// Longest name.
    pub namelen: u64,
}

/// Linux's encoding of a device number (`makedev(3)`).
pub const fn make_dev(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

/// The major number of `dev`.
pub const fn dev_major(dev: u64) -> u32 {
    ((dev >> 8 & 0xfff) | (dev >> 32 & !0xfff)) as u32
}

/// The minor number of `dev`.
pub const fn dev_minor(dev: u64) -> u32 {
    ((dev & 0xff) | (dev >> 12 & 0xffff_ff00)) as u32
}
