//! Pseudo nodes as inodes, and the file system of them.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use kcore::cred::Credentials;
use kcore::host::Clock;
use kcore::io::IoResult;

use super::node::{PseudoDir, PseudoNode};
use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr, StatFs, Timestamp};
use crate::consts::*;
use crate::context::Caller;
use crate::dir::DirFile;
use crate::file::FileOps;
use crate::inode::{DirEntry, FileSystem, Inode, InodeCommon, MagicLink, Validity};
use crate::path::Path;

struct PseudoInode {
    node: PseudoNode,
    clock: Arc<dyn Clock>,
    dev: u64,
    ino: u64,
    born: Timestamp,
    common: InodeCommon,
}

/// A number that is the same each time a name is looked up.
fn child_ino(parent: u64, name: &[u8]) -> u64 {
    let seed = 0xcbf2_9ce4_8422_2325 ^ parent;
    let h = name.iter().fold(seed, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    (h ^ h >> 32) & 0xffff_ffff_ffff | 2
}

impl PseudoInode {
    fn new(node: PseudoNode, clock: Arc<dyn Clock>, dev: u64, ino: u64) -> Arc<PseudoInode> {
        let born = Timestamp::from_nanos(clock.realtime());
        Arc::new(PseudoInode { node, clock, dev, ino, born, common: InodeCommon::default() })
    }
}

/// What makes up the directory behind an inode, if it is of this kind.
pub fn dir_as<T: PseudoDir>(inode: &dyn Inode) -> Option<&T> {
    let inode: &dyn Any = inode;
    let PseudoNode::Dir(dir) = &inode.downcast_ref::<PseudoInode>()?.node else { return None };
    let dir: &dyn Any = &**dir;
    dir.downcast_ref()
}

impl Inode for PseudoInode {
    fn common(&self) -> &InodeCommon {
        &self.common
    }
    fn kind(&self) -> FileKind {
        self.node.kind()
    }
    fn attr(&self) -> Result<InodeAttr, Errno> {
        let (a, kind) = (self.node.attr(), self.kind());
        Ok(InodeAttr {
            dev: self.dev,
            ino: self.ino,
            mode: kind.mode() | a.mode & 0o7777,
            uid: a.uid,
            gid: a.gid,
            nlink: if kind == FileKind::Directory { a.subdirs.saturating_add(2) } else { 1 },
            atime: self.born,
            mtime: self.born,
            ctime: self.born,
            ..InodeAttr::default()
        })
    }
    fn set_attr(&self, c: &AttrChange) -> Result<(), Errno> {
        // `> /proc/sys/...` truncates first.
        let only_size = AttrChange { size: c.size, ..AttrChange::default() };
        if c.size.is_some() && *c == only_size { Ok(()) } else { Err(Errno::EPERM) }
    }
    fn permission(&self, cred: &Credentials, mask: u32) -> Result<(), Errno> {
        self.permission_for(&Caller { cred, task: None }, mask)
    }
    fn permission_for(&self, caller: &Caller<'_>, mask: u32) -> Result<(), Errno> {
        let own = match &self.node {
            PseudoNode::Dir(d) => d.permission(caller, mask),
            PseudoNode::File(f) => f.permission(caller, mask),
            _ => None,
        };
        own.unwrap_or_else(|| crate::perm::check(&self.attr()?, caller.cred, mask))
    }
    fn revalidate(&self, _: &dyn Inode, _: &[u8]) -> Validity {
        Validity::of(self.node.alive())
    }
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let PseudoNode::Dir(d) = &self.node else { return Err(Errno::ENOTDIR) };
        let node = d.lookup(name)?;
        Ok(PseudoInode::new(node, self.clock.clone(), self.dev, child_ino(self.ino, name)))
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        let PseudoNode::Dir(d) = &self.node else { return Err(Errno::ENOTDIR) };
        let entry = |(name, kind): (Vec<u8>, _)| DirEntry { ino: child_ino(self.ino, &name), name, kind };
        Ok(d.list()?.into_iter().map(entry).collect())
    }
    fn readlink_for(&self, caller: &Caller<'_>) -> Result<Vec<u8>, Errno> {
        match &self.node {
            PseudoNode::Link(l) => l.target(caller),
            _ => Err(Errno::EINVAL),
        }
    }
    fn follow_magic(&self, caller: &Caller<'_>) -> Option<Result<MagicLink, Errno>> {
        match &self.node {
            PseudoNode::Link(l) => l.magic(caller),
            _ => None,
        }
    }
    fn open(self: Arc<Self>, path: &Path, flags: u32) -> IoResult<Arc<dyn FileOps>> {
        // Only the VFS opens files, and it says who asks; nobody in particular has no privileges.
        let nobody =
            Credentials::user(kcore::id::Uid::OVERFLOW, kcore::id::Gid::OVERFLOW, Vec::new(), Arc::default());
        self.open_for(path, flags, &Caller { cred: &nobody, task: None })
    }
    fn open_for(self: Arc<Self>, _: &Path, flags: u32, caller: &Caller<'_>) -> IoResult<Arc<dyn FileOps>> {
        match &self.node {
            PseudoNode::Dir(_) => Ok(DirFile::new(self)),
            PseudoNode::File(f) => f.clone().open(flags, caller),
            PseudoNode::Link(_) => Err(Errno::ELOOP.into()),
        }
    }
}

/// A file system of pseudo nodes.
pub struct PseudoFs {
    name: &'static str,
    dev: u64,
    magic: u64,
    options: String,
    root: Arc<PseudoInode>,
}

impl PseudoFs {
    /// With this root, shown as type `name`, with `statfs` number `magic`.
    pub fn new(
        name: &'static str,
        magic: u64,
        dev: u64,
        clock: Arc<dyn Clock>,
        root: Arc<dyn PseudoDir>,
    ) -> Arc<PseudoFs> {
        PseudoFs::with_options(name, magic, dev, clock, root, String::new())
    }
    /// The same, with the options that mount tables show.
    pub fn with_options(
        name: &'static str,
        magic: u64,
        dev: u64,
        clock: Arc<dyn Clock>,
        root: Arc<dyn PseudoDir>,
        options: String,
    ) -> Arc<PseudoFs> {
        let root = PseudoInode::new(PseudoNode::Dir(root), clock, dev, 1);
        Arc::new(PseudoFs { name, dev, magic, options, root })
    }
}

impl FileSystem for PseudoFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }
    fn name(&self) -> &str {
        self.name
    }
    fn dev(&self) -> u64 {
        self.dev
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(StatFs {
            magic: self.magic,
            bsize: 4096,
            namelen: NAME_MAX as u64,
            fsid: self.dev,
            ..StatFs::default()
        })
    }
    fn options(&self) -> String {
        self.options.clone()
    }
}
