//! What all files of the host have in common.

use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use abi::Errno;
use kcore::id::{Gid, Uid};
use platform::host::confine::detached_tree;
use platform::host::open_own_proc;
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use vfs::fs::host::HostNode;
use vfs::inode::DirEntry;
use vfs::{FileKind, InodeAttr, StatFs, Timestamp};

use super::errno;
use super::lower::LowerNode;
use super::owners::Owners;
use super::shared::SharedNode;

/// File systems that show the host's kernel and its processes: the sandbox sees them as empty.
const HIDDEN: [u64; 9] = [
    0x9fa0,      // procfs
    0x6265_6572, // sysfs
    0x1cd1,      // devpts
    0x27_e0eb,   // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x6e73_6673, // nsfs
    0xcafe_4a11, // bpf
];

/// What the nodes of one tree share.
pub(super) struct Tree {
    pub(super) owners: Owners,
    /// `/proc/self/fd`: the way to open again what a descriptor with `O_PATH` holds.
    pub(super) descriptors: OwnedFd,
}

/// A file or directory of the host with all below it, for the sandbox.
pub(crate) struct HostTree {
    node: Arc<dyn HostNode>,
    place: OwnedFd,
    writable: bool,
    detached: bool,
}

impl HostTree {
    /// Opens what is at `path`, read-only or with changes going to the host. Symbolic links in `path` itself are followed; nothing below
    /// is.
    ///
    /// Errors: the host's; `ENXIO` for what is neither a file nor a directory.
    pub(crate) fn open(path: &Path, writable: bool, owners: Owners) -> Result<HostTree, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let (place, detached) = match detached_tree(path, writable) {
            Ok(fd) => (fd, true),
            Err(_) => (fs::openat(CWD, path, flags, Mode::empty()).map_err(errno)?, false),
        };
        let kind = FileType::from_raw_mode(fs::fstat(&place).map_err(errno)?.st_mode);
        if !matches!(kind, FileType::Directory | FileType::RegularFile) {
            return Err(Errno::ENXIO);
        }
        let flags = flags | OFlags::DIRECTORY;
        let descriptors = fs::openat(open_own_proc()?, c"fd", flags, Mode::empty()).map_err(errno)?;
        let tree = Arc::new(Tree { owners, descriptors });
        let top = rustix::io::fcntl_dupfd_cloexec(&place, 3).map_err(errno)?;
        let node = if writable { SharedNode::top(tree, top) } else { LowerNode::top(tree, top) };
        Ok(HostTree { node, place, writable, detached })
    }
    /// Its top.
    pub(crate) fn node(&self) -> &Arc<dyn HostNode> {
        &self.node
    }
    /// A descriptor of its top, with `O_PATH`.
    pub(crate) fn place(&self) -> &OwnedFd {
        &self.place
    }
    /// Whether changes go to the host.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }
    /// Whether it stays whole when this process leaves the host's mounts.
    pub(crate) fn is_detached(&self) -> bool {
        self.detached
    }
}

impl Tree {
    /// Opens again, with `flags`, what `fd` holds. Errors: the host's.
    pub(super) fn reopen(&self, fd: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        fs::openat(&self.descriptors, link_name(fd), flags, Mode::empty()).map_err(errno)
    }
    /// The guest's view of the host's attributes. Errors: `EIO` for a negative size.
    pub(super) fn attr(&self, s: &fs::Stat) -> Result<InodeAttr, Errno> {
        let at = |sec: i64, nsec: u64| Timestamp { sec, nsec: u32::try_from(nsec).unwrap_or(0) };
        let (uid, gid) = self.owners.to_guest(Uid(s.st_uid), Gid(s.st_gid));
        Ok(InodeAttr {
            dev: s.st_dev,
            ino: s.st_ino,
            mode: s.st_mode,
            nlink: u32::try_from(s.st_nlink).unwrap_or(u32::MAX),
            uid,
            gid,
            rdev: s.st_rdev,
            size: u64::try_from(s.st_size).map_err(|_| Errno::EIO)?,
            blocks: u64::try_from(s.st_blocks).unwrap_or(0),
            blksize: 4096,
            atime: at(s.st_atime, s.st_atime_nsec),
            mtime: at(s.st_mtime, s.st_mtime_nsec),
            ctime: at(s.st_ctime, s.st_ctime_nsec),
            btime: Timestamp::default(),
        })
    }
}

/// The name of a descriptor in `/proc/self/fd`.
pub(super) fn link_name(fd: &OwnedFd) -> String {
    std::os::fd::AsRawFd::as_raw_fd(fd).to_string()
}

/// The attributes of `name` in `dir`, of a link itself. Errors: the host's.
pub(super) fn stat_at(dir: &OwnedFd, name: &[u8]) -> Result<fs::Stat, Errno> {
    check(name)?;
    fs::statat(dir, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW).map_err(errno)
}

/// Errors: `EINVAL` for a name that is no single component.
pub(super) fn check(name: &[u8]) -> Result<(), Errno> {
    let single =
        !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0);
    if single { Ok(()) } else { Err(Errno::EINVAL) }
}

/// The names in a directory that was opened for reading. Errors: the host's.
pub(super) fn list(dir: OwnedFd) -> Result<Vec<DirEntry>, Errno> {
    let mut entries = Vec::new();
    // Most directories fit, so that two calls are enough.
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut names = RawDir::new(dir, buffer.spare_capacity_mut());
    while let Some(entry) = names.next() {
        let entry = entry.map_err(errno)?;
        let name = CStr::to_bytes(entry.file_name());
        if name != b"." && name != b".." {
            entries.push(DirEntry {
                name: name.to_vec(),
                ino: entry.ino(),
                kind: FileKind::from_mode(entry.file_type().as_raw_mode()),
            });
        }
    }
    Ok(entries)
}

/// Whether what `fd` holds is in a file system that the sandbox must not see into. Errors: the host's.
pub(super) fn is_hidden(fd: &OwnedFd) -> Result<bool, Errno> {
    let magic = fs::fstatfs(fd).map_err(errno)?.f_type;
    Ok(u64::try_from(magic).is_ok_and(|m| HIDDEN.contains(&(m & 0xffff_ffff))))
}

/// What the host tells of the file system that `fd` is in. Errors: the host's.
pub(super) fn statfs(fd: &OwnedFd) -> Result<StatFs, Errno> {
    let s = fs::fstatfs(fd).map_err(errno)?;
    let n = |v: i64| u64::try_from(v).unwrap_or(0);
    Ok(StatFs {
        magic: n(s.f_type),
        bsize: n(s.f_bsize),
        blocks: s.f_blocks,
        bfree: s.f_bfree,
        bavail: s.f_bavail,
        files: s.f_files,
        ffree: s.f_ffree,
        fsid: 0,
        namelen: n(s.f_namelen),
    })
}

/// Calls `get` with ever larger buffers until the value fits. Errors: the host's.
pub(super) fn xattr_value(get: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> Result<Vec<u8>, Errno> {
    let mut buf = vec![0; 256];
    loop {
        match get(&mut buf) {
            Ok(n) => {
                buf.truncate(n);
                return Ok(buf);
            }
            Err(rustix::io::Errno::RANGE) if buf.len() < 1 << 17 => buf.resize(buf.len() * 4, 0),
            Err(e) => return Err(errno(e)),
        }
    }
}

/// The names in what `listxattr(2)` gives.
pub(super) fn xattr_names(list: &[u8]) -> Vec<Vec<u8>> {
    list.split(|b| *b == 0).filter(|n| !n.is_empty()).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use kcore::raw::RawBytes;

    use super::*;

    fn top(path: &str, writable: bool) -> Arc<dyn HostNode> {
        HostTree::open(Path::new(path), writable, Owners::default()).unwrap().node().clone()
    }

    #[test]
    fn names_stay_beneath() {
        for root in [top("/", false), top("/", true)] {
            for bad in [&b".."[..], b".", b"", b"etc/passwd", b"a\0b"] {
                assert_eq!(root.lookup(bad).err(), Some(Errno::EINVAL));
            }
            assert_eq!(root.lookup(b"no such name").err(), Some(Errno::ENOENT));
        }
    }

    #[test]
    fn links_are_not_followed() {
        let dir = std::env::temp_dir().join(format!("picket-links-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::os::unix::fs::symlink("/etc", dir.join("link")).unwrap();
        for writable in [false, true] {
            let root = top(dir.to_str().unwrap(), writable);
            let (link, attr) = root.lookup(b"link").unwrap();
            assert_eq!((attr.kind(), link.readlink().unwrap()), (FileKind::Symlink, b"/etc".to_vec()));
            assert!(
                link.lookup(b"passwd").is_err()
                    && link.list().is_err()
                    && link.read_at(0, RawBytes::of(&mut [0])).is_err()
            );
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_hosts_kernel_is_hidden() {
        for root in [top("/", false), top("/", true)] {
            let (proc, _) = root.lookup(b"proc").unwrap();
            assert!(proc.list().unwrap().is_empty());
            assert_eq!(proc.lookup(b"self").err(), Some(Errno::ENOENT));
        }
    }

    #[test]
    fn reads_what_the_host_has() {
        for writable in [false, true] {
            let root = top(env!("CARGO_MANIFEST_DIR"), writable);
            let names: Vec<_> = root.list().unwrap().into_iter().map(|e| e.name).collect();
            assert!(names.contains(&b"Cargo.toml".to_vec()) && !names.contains(&b"..".to_vec()));
            let mut head = [0; 9];
            let (file, attr) = root.lookup(b"Cargo.toml").unwrap();
            assert_eq!(file.read_at(0, RawBytes::of(&mut head)), Ok(9));
            assert_eq!((&head, attr.kind()), (b"[package]", FileKind::Regular));
            assert_eq!(root.stat_child(b"Cargo.toml").unwrap().ino, file.stat().unwrap().ino);
        }
    }
}
