//! Files of the host, reached one name at a time beneath a directory that was opened at start.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use abi::Errno;
use kcore::id::{Gid, Uid};
use rustix::fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use vfs::fs::host::HostNode;
use vfs::inode::DirEntry;
use vfs::{AttrChange, FileKind, InodeAttr, NewInode, TimeChange, Timestamp};

use super::errno;

/// A file or directory of the host, held by an `O_PATH` descriptor. Symbolic links are never followed.
pub(crate) struct HostDir {
    place: OwnedFd,
    /// Open for reading (and writing if the host allows it), on first use.
    data: OnceLock<OwnedFd>,
    writable: bool,
}

impl HostDir {
    /// The directory at `path`. Errors: the host's.
    pub(crate) fn open(path: &Path, writable: bool) -> Result<Arc<HostDir>, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let place = fs::openat(CWD, path, flags, Mode::empty()).map_err(errno)?;
        Ok(HostDir::new(place, writable))
    }
    /// The file or directory at `path`. Errors: the host's; `ENXIO` for anything else.
    pub(crate) fn open_any(path: &Path, writable: bool) -> Result<Arc<HostDir>, Errno> {
        let place = fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
        let file_type = FileType::from_raw_mode(fs::fstat(&place).map_err(errno)?.st_mode);
        match file_type {
            FileType::Directory | FileType::RegularFile => Ok(HostDir::new(place, writable)),
            _ => Err(Errno::ENXIO),
        }
    }
    fn new(place: OwnedFd, writable: bool) -> Arc<HostDir> {
        Arc::new(HostDir { place, data: OnceLock::new(), writable })
    }
    fn data(&self) -> Result<&OwnedFd, Errno> {
        if let Some(fd) = self.data.get() {
            return Ok(fd);
        }
        let reopen = |mode| {
            let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.place));
            fs::openat(CWD, link, mode | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())
        };
        let fd = match self.writable.then(|| reopen(OFlags::RDWR)) {
            Some(Ok(fd)) => fd,
            _ => reopen(OFlags::RDONLY).map_err(errno)?,
        };
        Ok(self.data.get_or_init(|| fd))
    }
    fn child(&self, name: &[u8]) -> Result<Arc<HostDir>, Errno> {
        check(name)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.place, OsStr::from_bytes(name), flags, Mode::empty()).map_err(errno)?;
        Ok(HostDir::new(fd, self.writable))
    }
    fn check_writable(&self) -> Result<(), Errno> {
        if self.writable { Ok(()) } else { Err(Errno::EROFS) }
    }
    fn own(node: &dyn HostNode) -> Result<&HostDir, Errno> {
        node.as_any().downcast_ref().ok_or(Errno::EXDEV)
    }
    fn settle(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn HostNode>, Errno> {
        let node = self.child(name)?;
        // Without privilege on the host, files belong to whoever runs the sandbox.
        node.chown(Some(new.uid), Some(new.gid)).ok();
        Ok(node)
    }
    fn chown(&self, uid: Option<Uid>, gid: Option<Gid>) -> Result<(), Errno> {
        let (u, g) = (uid.map(|u| fs::Uid::from_raw(u.0)), gid.map(|g| fs::Gid::from_raw(g.0)));
        fs::chownat(&self.place, c"", u, g, AtFlags::EMPTY_PATH).map_err(errno)
    }
    /// A path by which calls without `AT_EMPTY_PATH` reach this very file.
    fn magic(&self) -> String {
        format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.place))
    }
}

/// Errors: `EINVAL` for a name that is no single component.
fn check(name: &[u8]) -> Result<(), Errno> {
    let single =
        !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0);
    if single { Ok(()) } else { Err(Errno::EINVAL) }
}

fn kind(t: FileType) -> FileKind {
    FileKind::from_mode(t.as_raw_mode())
}

fn time(t: TimeChange) -> Timespec {
    match t {
        TimeChange::Now => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW },
        TimeChange::At(at) => Timespec { tv_sec: at.sec, tv_nsec: at.nsec.into() },
    }
}

impl HostNode for HostDir {
    fn stat(&self) -> Result<InodeAttr, Errno> {
        let s = fs::fstat(&self.place).map_err(errno)?;
        let at = |sec: i64, nsec: u64| Timestamp { sec, nsec: u32::try_from(nsec).unwrap_or(0) };
        Ok(InodeAttr {
            dev: s.st_dev,
            ino: s.st_ino,
            mode: s.st_mode,
            nlink: u32::try_from(s.st_nlink).unwrap_or(u32::MAX),
            uid: Uid(s.st_uid),
            gid: Gid(s.st_gid),
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
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn HostNode>, Errno> {
        Ok(self.child(name)?)
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::openat(&self.place, c".", flags, Mode::empty()).map_err(errno)?;
        let mut entries = Vec::new();
        for entry in Dir::new(fd).map_err(errno)? {
            let entry = entry.map_err(errno)?;
            let name = CStr::to_bytes(entry.file_name());
            if name != b"." && name != b".." {
                entries.push(DirEntry {
                    name: name.to_vec(),
                    ino: entry.ino(),
                    kind: kind(entry.file_type()),
                });
            }
        }
        Ok(entries)
    }
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        Ok(fs::readlinkat(&self.place, c"", Vec::new()).map_err(errno)?.into_bytes())
    }
    fn read_at(&self, at: u64, dst: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::pread(self.data()?, dst, at).map_err(errno)
    }
    fn write_at(&self, at: u64, src: &[u8]) -> Result<usize, Errno> {
        self.check_writable()?;
        rustix::io::pwrite(self.data()?, src, at).map_err(errno)
    }
    fn sync(&self, datasync: bool) -> Result<(), Errno> {
        let fd = self.data()?;
        if datasync { fs::fdatasync(fd) } else { fs::fsync(fd) }.map_err(errno)
    }
    fn set_attr(&self, change: &AttrChange) -> Result<(), Errno> {
        self.check_writable()?;
        if let Some(size) = change.size {
            fs::ftruncate(self.data()?, size).map_err(errno)?;
        }
        if change.uid.is_some() || change.gid.is_some() {
            self.chown(change.uid, change.gid)?;
        }
        if let Some(mode) = change.mode {
            fs::chmod(self.magic(), Mode::from_raw_mode(mode)).map_err(errno)?;
        }
        if change.atime.is_some() || change.mtime.is_some() {
            let omit = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT };
            let times = Timestamps {
                last_access: change.atime.map_or(omit, time),
                last_modification: change.mtime.map_or(omit, time),
            };
            fs::utimensat(CWD, self.magic(), &times, AtFlags::empty()).map_err(errno)?;
        }
        Ok(())
    }
    fn create(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn HostNode>, Errno> {
        self.check_writable()?;
        check(name)?;
        let (path, mode) = (OsStr::from_bytes(name), Mode::from_raw_mode(new.mode & 0o7777));
        match FileKind::from_mode(new.mode) {
            FileKind::Directory => fs::mkdirat(&self.place, path, mode),
            FileKind::Regular => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                fs::openat(&self.place, path, flags, mode).map(drop)
            }
            _ => fs::mknodat(&self.place, path, FileType::from_raw_mode(new.mode), mode, new.rdev),
        }
        .map_err(errno)?;
        self.settle(name, new)
    }
    fn symlink(&self, name: &[u8], target: &[u8]) -> Result<Arc<dyn HostNode>, Errno> {
        self.check_writable()?;
        check(name)?;
        fs::symlinkat(OsStr::from_bytes(target), &self.place, OsStr::from_bytes(name)).map_err(errno)?;
        Ok(self.child(name)?)
    }
    fn link(&self, name: &[u8], target: &dyn HostNode) -> Result<(), Errno> {
        self.check_writable()?;
        check(name)?;
        let from = HostDir::own(target)?.magic();
        fs::linkat(CWD, from, &self.place, OsStr::from_bytes(name), AtFlags::SYMLINK_FOLLOW).map_err(errno)
    }
    fn remove(&self, name: &[u8], dir: bool) -> Result<(), Errno> {
        self.check_writable()?;
        check(name)?;
        let flags = if dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        fs::unlinkat(&self.place, OsStr::from_bytes(name), flags).map_err(errno)
    }
    fn rename(&self, name: &[u8], new_dir: &dyn HostNode, new_name: &[u8], flags: u32) -> Result<(), Errno> {
        self.check_writable()?;
        check(name)?;
        check(new_name)?;
        let to = HostDir::own(new_dir)?;
        let flags = RenameFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
        let (old, new) = (OsStr::from_bytes(name), OsStr::from_bytes(new_name));
        fs::renameat_with(self.place.as_fd(), old, to.place.as_fd(), new, flags).map_err(errno)
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_beneath() {
        let root = HostDir::open(Path::new("/"), false).unwrap();
        for bad in [&b".."[..], b".", b"", b"etc/passwd", b"a\0b"] {
            assert_eq!(root.lookup(bad).err(), Some(Errno::EINVAL));
        }
        assert!(root.lookup(b"no such name").is_err());
    }

    #[test]
    fn read_only_refuses_changes() {
        let root = HostDir::open(Path::new("/"), false).unwrap();
        assert_eq!(root.remove(b"etc", true), Err(Errno::EROFS));
        assert_eq!(root.set_attr(&AttrChange::default()), Err(Errno::EROFS));
    }

    #[test]
    fn reads_what_the_host_has() {
        let root = HostDir::open(Path::new(env!("CARGO_MANIFEST_DIR")), false).unwrap();
        let names: Vec<_> = root.list().unwrap().into_iter().map(|e| e.name).collect();
        assert!(names.contains(&b"Cargo.toml".to_vec()) && !names.contains(&b"..".to_vec()));
        let mut head = [0; 9];
        assert_eq!(root.lookup(b"Cargo.toml").unwrap().read_at(0, &mut head), Ok(9));
        assert_eq!(&head, b"[package]");
    }
}
