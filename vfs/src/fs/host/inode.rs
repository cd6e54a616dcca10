//! Files of the host as inodes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use kcore::io::IoResult;

use super::file::{Content, HostFile};
use super::{HostNode, Shared};
use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr};
use crate::dir::DirFile;
use crate::file::FileOps;
use crate::inode::{DirEntry, Inode, InodeCommon, NewInode};
use crate::path::Path;

/// A file of the host.
pub(super) struct HostInode {
    common: InodeCommon,
    pub(super) shared: Arc<Shared>,
    pub(super) node: Arc<dyn HostNode>,
    kind: FileKind,
    pub(super) content: Content,
}

impl HostInode {
    pub(super) fn new(shared: Arc<Shared>, node: Arc<dyn HostNode>, attr: &InodeAttr) -> Arc<HostInode> {
        let content = Content::new(shared.store.clone(), attr);
        Arc::new(HostInode { common: InodeCommon::default(), shared, node, kind: attr.kind(), content })
    }
    pub(super) fn is_kind(&self, kind: FileKind) -> bool {
        self.kind == kind
    }
    fn check_writable(&self) -> Result<(), Errno> {
        if self.shared.read_only { Err(Errno::EROFS) } else { Ok(()) }
    }
    fn adopt(&self, node: Arc<dyn HostNode>) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.shared.inode(node)?)
    }
    fn make(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.check_writable()?;
        self.adopt(self.node.create(name, new)?)
    }
}

/// `inode` as one of this kind of file system. Errors: `EXDEV`.
fn own(inode: &Arc<dyn Inode>) -> Result<&HostInode, Errno> {
    let any: &dyn Any = &**inode;
    any.downcast_ref().ok_or(Errno::EXDEV)
}

impl Inode for HostInode {
    fn common(&self) -> &InodeCommon {
        &self.common
    }
    fn attr(&self) -> Result<InodeAttr, Errno> {
        let mut attr = self.node.stat()?;
        if self.kind == FileKind::Regular {
            self.content.refresh(self.identity(), &attr);
        }
        attr.dev = self.shared.dev;
        Ok(attr)
    }
    fn kind(&self) -> FileKind {
        self.kind
    }
    fn set_attr(&self, change: &AttrChange) -> Result<(), Errno> {
        self.check_writable()?;
        self.node.set_attr(change)?;
        if let Some(size) = change.size {
            self.content.set_size(self.identity(), size);
        }
        Ok(())
    }
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        if self.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.adopt(self.node.lookup(name)?)
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        self.node.list()
    }
    fn revalidate(&self, parent: &dyn Inode, name: &[u8]) -> bool {
        if self.shared.read_only {
            return true;
        }
        // Others may change the host's tree: the name must still lead to the same file.
        let any: &dyn Any = parent;
        let Some(parent) = any.downcast_ref::<HostInode>() else { return false };
        let Ok(now) = parent.node.lookup(name).and_then(|n| n.stat()) else { return false };
        self.node.stat().is_ok_and(|was| (was.dev, was.ino) == (now.dev, now.ino))
    }
    fn create(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.make(name, new)
    }
    fn mkdir(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.make(name, new)
    }
    fn mknod(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.make(name, new)
    }
    fn symlink(&self, name: &[u8], target: &[u8], _: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.check_writable()?;
        self.adopt(self.node.symlink(name, target)?)
    }
    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        self.check_writable()?;
        self.node.link(name, &*own(target)?.node)
    }
    fn unlink(&self, name: &[u8]) -> Result<(), Errno> {
        self.check_writable()?;
        self.node.remove(name, false)
    }
    fn rmdir(&self, name: &[u8]) -> Result<(), Errno> {
        self.check_writable()?;
        self.node.remove(name, true)
    }
    fn rename(
        &self,
        name: &[u8],
        new_dir: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: u32,
    ) -> Result<(), Errno> {
        self.check_writable()?;
        self.node.rename(name, &*own(new_dir)?.node, new_name, flags)
    }
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        if self.kind == FileKind::Symlink { self.node.readlink() } else { Err(Errno::EINVAL) }
    }
    fn open(self: Arc<Self>, _: &Path, _: u32) -> IoResult<Arc<dyn FileOps>> {
        match self.kind {
            FileKind::Directory => Ok(DirFile::new(self)),
            FileKind::Regular => {
                // Fresh attributes, so that a file that changed on the host is read anew.
                self.attr()?;
                Ok(Arc::new(HostFile(self)))
            }
            _ => Err(Errno::ENXIO.into()),
        }
    }
}
