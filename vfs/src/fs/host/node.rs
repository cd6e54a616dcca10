//! What a host gives.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Errno;
use crate::attr::{AttrChange, InodeAttr};
use crate::inode::{DirEntry, NewInode};

/// A file or directory of the host. Implementations resolve one name at a time, beneath it, and never follow links.
#[allow(unused_variables, reason = "defaults name their parameters for the documentation")]
pub trait HostNode: Send + Sync {
    /// Attributes; `dev` and `ino` tell files apart.
    fn stat(&self) -> Result<InodeAttr, Errno>;
    /// The child `name`.
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn HostNode>, Errno>;
    /// All children, without `.` and `..`.
    fn list(&self) -> Result<Vec<DirEntry>, Errno>;
    /// The target of a symbolic link.
    fn readlink(&self) -> Result<Vec<u8>, Errno>;
    /// Reads at `at`; 0 at the end.
    fn read_at(&self, at: u64, dst: &mut [u8]) -> Result<usize, Errno>;
    /// Writes at `at`.
    fn write_at(&self, at: u64, src: &[u8]) -> Result<usize, Errno> {
        Err(Errno::EROFS)
    }
    /// Writes back.
    fn sync(&self, datasync: bool) -> Result<(), Errno> {
        Ok(())
    }
    /// Changes attributes.
    fn set_attr(&self, change: &AttrChange) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }
    /// Makes a file, directory or node, as `new.mode` says.
    fn create(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn HostNode>, Errno> {
        Err(Errno::EROFS)
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
    /// The implementation, for `link` and `rename` to recognise their own.
    fn as_any(&self) -> &dyn core::any::Any;
}
