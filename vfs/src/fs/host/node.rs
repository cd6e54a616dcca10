//! What a host gives.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kcore::raw::RawBytes;

use crate::Errno;
use crate::attr::{AttrChange, InodeAttr, StatFs};
use crate::inode::{DirEntry, NewInode};

/// A file or directory of the host. Implementations resolve one name at a time, beneath it, and never follow links.
#[allow(unused_variables, reason = "defaults name their parameters for the documentation")]
pub trait HostNode: Send + Sync {
    /// Attributes; `dev` and `ino` tell files apart.
    fn stat(&self) -> Result<InodeAttr, Errno>;
    /// The child `name` and its attributes.
    fn lookup(&self, name: &[u8]) -> Result<(Arc<dyn HostNode>, InodeAttr), Errno>;
    /// Attributes of the child `name`.
    fn stat_child(&self, name: &[u8]) -> Result<InodeAttr, Errno> {
        Ok(self.lookup(name)?.1)
    }
    /// All children, without `.` and `..`.
    fn list(&self) -> Result<Vec<DirEntry>, Errno>;
    /// The target of a symbolic link.
    fn readlink(&self) -> Result<Vec<u8>, Errno>;
    /// Reads at `at`; 0 at the end. It may be called with a guest's address space locked.
    fn read_at(&self, at: u64, dst: RawBytes<'_>) -> Result<usize, Errno>;
    /// What `statfs(2)` tells of the file system that it is in.
    fn statfs(&self) -> Result<StatFs, Errno>;
    /// Makes sure that it can be read (4), written (2), executed (1), so that opening it fails early. Returns its attributes as they are then.
    fn open(&self, mask: u32) -> Result<InodeAttr, Errno> {
        self.stat()
    }
    /// Writes at `at`. It may be called with the address space of a guest's only thread locked.
    fn write_at(&self, at: u64, src: RawBytes<'_>) -> Result<usize, Errno> {
        Err(Errno::EROFS)
    }
    /// Writes back.
    fn sync(&self, datasync: bool) -> Result<(), Errno> {
        Ok(())
    }
    /// Writes back the whole file system that it is in.
    fn sync_all(&self) -> Result<(), Errno> {
        Ok(())
    }
    /// `fallocate(2)`.
    fn allocate(&self, mode: u32, off: u64, len: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }
    /// Changes attributes.
    fn set_attr(&self, change: &AttrChange) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }
    /// Makes a file, directory or node, as `new.mode` says.
    fn create(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn HostNode>, Errno> {
        Err(Errno::EROFS)
    }
    /// Makes a regular file without a name in this directory's file system.
    fn tmpfile(&self, new: &NewInode) -> Result<Arc<dyn HostNode>, Errno> {
        Err(Errno::ENOTSUP)
    }
    /// Makes a symbolic link.
    fn symlink(&self, name: &[u8], target: &[u8]) -> Result<Arc<dyn HostNode>, Errno> {
        Err(Errno::EROFS)
    }
    /// Gives `target` another name.
    fn link(&self, name: &[u8], target: &dyn HostNode) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }
    /// Removes a name; `dir` says of a directory.
    fn remove(&self, name: &[u8], dir: bool) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }
    /// Moves a name.
    fn rename(&self, name: &[u8], new_dir: &dyn HostNode, new_name: &[u8], flags: u32) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }
    /// An extended attribute.
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        Err(Errno::ENOTSUP)
    }
    /// Sets an extended attribute, with `XATTR_*` flags.
    fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }
    /// Names of extended attributes.
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        Ok(Vec::new())
    }
    /// Removes an extended attribute.
    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }
    /// The implementation, for `link` and `rename` to recognise their own.
    fn as_any(&self) -> &dyn core::any::Any;
}
