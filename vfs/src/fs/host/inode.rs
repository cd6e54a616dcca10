//! Files of the host as inodes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use kcore::cred::Credentials;
use kcore::io::IoResult;
use kcore::sync::{LockClass, Mutex, RwLock};

use super::cache::Cache;
use super::file::HostFile;
use super::{HostNode, Shared};
use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr};
use crate::consts::{O_ACCMODE, O_RDONLY};
use crate::dir::DirFile;
use crate::file::FileOps;
use crate::inode::{DirEntry, Inode, InodeCommon, NewInode, Validity};
use crate::path::Path;
use crate::perm::{Access, MAY_READ, MAY_WRITE};

static CONTENT: LockClass = LockClass::new("host file content", 330);
// Faults ask for the number under the lock of an address space (500).
static ATTR: LockClass = LockClass::new("host attributes", 612);

/// A file of the host.
pub(super) struct HostInode {
    common: InodeCommon,
    pub(super) shared: Arc<Shared>,
    pub(super) node: Arc<dyn HostNode>,
    kind: FileKind,
    /// The host's device and inode number.
    key: (u64, u64),
    /// What tells its inode number from those of the host's other file systems.
    tag: u64,
    /// The host's attributes as last seen: good enough for permission checks, which every step of a path walk does.
    seen: Mutex<InodeAttr>,
    access: Access,
    /// Of regular files.
    cache: Option<Cache>,
    /// Readers share it; writers have it alone.
    pub(super) rw: RwLock<()>,
}

impl HostInode {
    pub(super) fn new(
        shared: Arc<Shared>,
        node: Arc<dyn HostNode>,
        attr: &InodeAttr,
        tag: u64,
    ) -> Arc<HostInode> {
        let regular = attr.kind() == FileKind::Regular;
        Arc::new(HostInode {
            common: InodeCommon::default(),
            cache: regular.then(|| Cache::new(shared.store.clone(), attr)),
            shared,
            node,
            kind: attr.kind(),
            key: (attr.dev, attr.ino),
            tag,
            seen: Mutex::new(&ATTR, *attr),
            access: Access::new(attr),
            rw: RwLock::new(&CONTENT, ()),
        })
    }
    pub(super) fn is_kind(&self, kind: FileKind) -> bool {
        self.kind == kind
    }
    pub(super) fn identity(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
    pub(super) fn ino(&self) -> u64 {
        self.key.1 ^ self.tag
    }
    /// The cached pages. Errors: `EINVAL` for what is no regular file.
    pub(super) fn cache(&self) -> Result<&Cache, Errno> {
        self.cache.as_ref().ok_or(Errno::EINVAL)
    }
    /// Errors: `EROFS`.
    pub(super) fn check_writable(&self) -> Result<(), Errno> {
        if self.shared.read_only { Err(Errno::EROFS) } else { Ok(()) }
    }
    /// Takes `attr` as the host's attributes now.
    fn saw(&self, attr: &InodeAttr) {
        {
            let mut seen = self.seen.lock();
            *seen = *attr;
            self.access.set(attr);
        }
        if let Some(cache) = &self.cache {
            cache.refresh(self.identity(), attr);
        }
    }
    fn adopt(&self, node: Arc<dyn HostNode>) -> Result<Arc<dyn Inode>, Errno> {
        let attr = node.stat()?;
        Ok(self.shared.inode(node, &attr))
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

/// Errors: `ENOTSUP` for attributes that stay the host's business.
fn check_xattr(name: &[u8]) -> Result<(), Errno> {
    let ours = [&b"user."[..], b"trusted.", b"security.capability"].iter().any(|p| name.starts_with(p));
    if ours { Ok(()) } else { Err(Errno::ENOTSUP) }
}

impl Inode for HostInode {
    fn common(&self) -> &InodeCommon {
        &self.common
    }
    fn attr(&self) -> Result<InodeAttr, Errno> {
        let attr = self.node.stat()?;
        self.saw(&attr);
        Ok(InodeAttr { dev: self.shared.dev, ino: self.ino(), ..attr })
    }
    fn seen_attr(&self) -> Result<InodeAttr, Errno> {
        let seen = *self.seen.lock();
        Ok(InodeAttr { dev: self.shared.dev, ino: self.ino(), ..seen })
    }
    fn kind(&self) -> FileKind {
        self.kind
    }
    fn permission(&self, cred: &Credentials, mask: u32) -> Result<(), Errno> {
        self.access.check(cred, mask, || *self.seen.lock())
    }
    fn set_attr(&self, change: &AttrChange) -> Result<(), Errno> {
        self.check_writable()?;
        match (change.size, &self.cache) {
            (Some(size), Some(cache)) => {
                let _w = self.rw.write();
                cache.resize(self.identity(), size, || self.node.set_attr(change))?;
            }
            _ => self.node.set_attr(change)?,
        }
        let attr = self.node.stat()?;
        self.saw(&attr);
        Ok(())
    }
    fn sync_dir(&self) -> Result<(), Errno> {
        if self.shared.read_only { Ok(()) } else { self.node.sync(false) }
    }
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        if self.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let (node, attr) = self.node.lookup(name)?;
        let inode = self.shared.inode(node, &attr);
        inode.saw(&attr);
        Ok(inode)
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        let mut entries = self.node.list()?;
        entries.iter_mut().for_each(|e| e.ino ^= self.tag);
        Ok(entries)
    }
    fn revalidate(&self, parent: &dyn Inode, name: &[u8]) -> Validity {
        if self.shared.read_only {
            return Validity::Right;
        }
        // Others may change the host's tree: the name must still lead to the same file.
        let any: &dyn Any = parent;
        let Some(parent) = any.downcast_ref::<HostInode>() else { return Validity::Gone };
        match parent.node.stat_child(name) {
            Ok(now) if (now.dev, now.ino) == self.key => {
                self.saw(&now);
                Validity::Seen
            }
            _ => Validity::Gone,
        }
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
    fn tmpfile(&self, new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.check_writable()?;
        self.adopt(self.node.tmpfile(new)?)
    }
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        if self.kind == FileKind::Symlink { self.node.readlink() } else { Err(Errno::EINVAL) }
    }
    fn open(self: Arc<Self>, _: &Path, flags: u32) -> IoResult<Arc<dyn FileOps>> {
        match self.kind {
            FileKind::Directory => Ok(DirFile::new(self)),
            FileKind::Regular => {
                // What is written is read too: writes change parts of pages.
                let writes = if flags & O_ACCMODE == O_RDONLY { 0 } else { MAY_WRITE };
                // Fresh attributes, so that a file that changed on the host is read anew.
                self.saw(&self.node.open(MAY_READ | writes)?);
                Ok(Arc::new(HostFile(self)))
            }
            _ => Err(Errno::ENXIO.into()),
        }
    }
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        check_xattr(name)?;
        self.node.get_xattr(name)
    }
    fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        self.check_writable()?;
        check_xattr(name)?;
        self.node.set_xattr(name, value, flags)
    }
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let mut names = self.node.list_xattr()?;
        names.retain(|n| check_xattr(n).is_ok());
        Ok(names)
    }
    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        self.check_writable()?;
        check_xattr(name)?;
        self.node.remove_xattr(name)
    }
}
