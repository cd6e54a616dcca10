//! File systems whose files are made up when they are read: what procfs and sysfs are built from.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use kcore::cred::Credentials;
use kcore::host::Clock;
use kcore::id::{Gid, Uid};
use kcore::io::{IoResult, IoSink, IoSource};
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr, StatFs, Timestamp};
use crate::consts::*;
use crate::dir::DirFile;
use crate::file::{FileOps, OpenFile};
use crate::inode::{DirEntry, FileSystem, Inode, InodeCommon, MagicLink};
use crate::path::Path;

static SNAPSHOT: LockClass = LockClass::new("pseudo file content", 331);

/// Owner and permission bits of a pseudo node.
#[derive(Clone, Copy, Debug)]
pub struct PseudoAttr {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
}

impl PseudoAttr {
    /// Root's, with these permission bits.
    pub const fn root(mode: u32) -> PseudoAttr {
        PseudoAttr { mode, uid: Uid::ROOT, gid: Gid::ROOT }
    }
}

/// A directory made up on the fly.
pub trait PseudoDir: Send + Sync {
    /// The child `name`. Errors: `ENOENT`.
    fn lookup(&self, name: &[u8]) -> Result<PseudoNode, Errno>;
    /// Names and types of all children.
    fn list(&self) -> Result<Vec<(Vec<u8>, FileKind)>, Errno>;
    /// Owner and permissions.
    fn attr(&self) -> PseudoAttr {
        PseudoAttr::root(0o555)
    }
    /// Whether what it stands for still exists.
    fn alive(&self) -> bool {
        true
    }
}

/// A file made up on the fly.
pub trait PseudoFile: Send + Sync {
    /// Its content now. Errors: `EIO`, `ESRCH`, `EACCES`.
    fn content(&self) -> Result<Vec<u8>, Errno>;
    /// Takes what was written at once at `at`. Errors: `EINVAL`; `EIO` if it cannot be written.
    fn write(&self, at: u64, data: &[u8]) -> Result<usize, Errno> {
        let _ = (at, data);
        Err(Errno::EIO)
    }
    /// Own behaviour instead of content (`/proc/PID/mem`, `/proc/kmsg`).
    fn open(&self, flags: u32) -> Option<IoResult<Arc<dyn FileOps>>> {
        let _ = flags;
        None
    }
    /// Owner and permissions.
    fn attr(&self) -> PseudoAttr {
        PseudoAttr::root(0o444)
    }
    /// Whether what it stands for still exists.
    fn alive(&self) -> bool {
        true
    }
}

/// A symbolic link made up on the fly.
pub trait PseudoLink: Send + Sync {
    /// What `readlink` says.
    fn target(&self) -> Result<Vec<u8>, Errno>;
    /// Where it leads without a walk, for magic links.
    fn magic(&self, cred: &Credentials) -> Option<Result<MagicLink, Errno>> {
        let _ = cred;
        None
    }
    /// Owner and permissions.
    fn attr(&self) -> PseudoAttr {
        PseudoAttr::root(0o777)
    }
    /// Whether what it stands for still exists.
    fn alive(&self) -> bool {
        true
    }
}

/// A node of a pseudo file system.
#[derive(Clone)]
pub enum PseudoNode {
    /// A directory.
    Dir(Arc<dyn PseudoDir>),
    /// A file.
    File(Arc<dyn PseudoFile>),
    /// A symbolic link.
    Link(Arc<dyn PseudoLink>),
}

/// Content given by a function.
pub struct FnFile<F>(pub F);

impl<F: Fn() -> Result<Vec<u8>, Errno> + Send + Sync> PseudoFile for FnFile<F> {
    fn content(&self) -> Result<Vec<u8>, Errno> {
        (self.0)()
    }
}

/// A link with a fixed target.
pub struct FixedLink(pub Vec<u8>);

impl PseudoLink for FixedLink {
    fn target(&self) -> Result<Vec<u8>, Errno> {
        Ok(self.0.clone())
    }
}

/// A directory with fixed children.
#[derive(Default)]
pub struct FixedDir(Vec<(Vec<u8>, PseudoNode)>);

impl FixedDir {
    /// Empty.
    pub fn new() -> FixedDir {
        FixedDir::default()
    }
    /// With one more child.
    pub fn with(mut self, name: &str, node: PseudoNode) -> FixedDir {
        self.0.push((name.into(), node));
        self
    }
    /// With one more file.
    pub fn file(self, name: &str, f: impl PseudoFile + 'static) -> FixedDir {
        self.with(name, PseudoNode::File(Arc::new(f)))
    }
    /// With one more directory.
    pub fn dir(self, name: &str, d: impl PseudoDir + 'static) -> FixedDir {
        self.with(name, PseudoNode::Dir(Arc::new(d)))
    }
    /// With one more link.
    pub fn link(self, name: &str, l: impl PseudoLink + 'static) -> FixedDir {
        self.with(name, PseudoNode::Link(Arc::new(l)))
    }
}

impl PseudoDir for FixedDir {
    fn lookup(&self, name: &[u8]) -> Result<PseudoNode, Errno> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, n)| n.clone()).ok_or(Errno::ENOENT)
    }
    fn list(&self) -> Result<Vec<(Vec<u8>, FileKind)>, Errno> {
        Ok(self.0.iter().map(|(n, node)| (n.clone(), node.kind())).collect())
    }
}

impl PseudoNode {
    /// The type.
    pub fn kind(&self) -> FileKind {
        match self {
            PseudoNode::Dir(_) => FileKind::Directory,
            PseudoNode::File(_) => FileKind::Regular,
            PseudoNode::Link(_) => FileKind::Symlink,
        }
    }
    fn attr(&self) -> PseudoAttr {
        match self {
            PseudoNode::Dir(d) => d.attr(),
            PseudoNode::File(f) => f.attr(),
            PseudoNode::Link(l) => l.attr(),
        }
    }
    fn alive(&self) -> bool {
        match self {
            PseudoNode::Dir(d) => d.alive(),
            PseudoNode::File(f) => f.alive(),
            PseudoNode::Link(l) => l.alive(),
        }
    }
}

struct PseudoInode {
    node: PseudoNode,
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
            nlink: if kind == FileKind::Directory { 2 } else { 1 },
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
    fn revalidate(&self, _: &dyn Inode, _: &[u8]) -> bool {
        self.node.alive()
    }
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let PseudoNode::Dir(d) = &self.node else { return Err(Errno::ENOTDIR) };
        let node = d.lookup(name)?;
        let ino = child_ino(self.ino, name);
        Ok(Arc::new(PseudoInode {
            node,
            dev: self.dev,
            ino,
            born: self.born,
            common: InodeCommon::default(),
        }))
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        let PseudoNode::Dir(d) = &self.node else { return Err(Errno::ENOTDIR) };
        let entry = |(name, kind): (Vec<u8>, _)| DirEntry { ino: child_ino(self.ino, &name), name, kind };
        Ok(d.list()?.into_iter().map(entry).collect())
    }
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        match &self.node {
            PseudoNode::Link(l) => l.target(),
            _ => Err(Errno::EINVAL),
        }
    }
    fn follow_magic(&self, cred: &Credentials) -> Option<Result<MagicLink, Errno>> {
        match &self.node {
            PseudoNode::Link(l) => l.magic(cred),
            _ => None,
        }
    }
    fn open(self: Arc<Self>, _: &Path, flags: u32) -> IoResult<Arc<dyn FileOps>> {
        match &self.node {
            PseudoNode::Dir(_) => Ok(DirFile::new(self)),
            PseudoNode::File(f) => match f.open(flags) {
                Some(own) => own,
                None => Ok(Arc::new(OpenPseudo { file: f.clone(), content: Mutex::new(&SNAPSHOT, None) })),
            },
            PseudoNode::Link(_) => Err(Errno::ELOOP.into()),
        }
    }
}

/// An open pseudo file: its content is made at each read from position 0 and kept for the reads after it.
struct OpenPseudo {
    file: Arc<dyn PseudoFile>,
    content: Mutex<Option<Arc<Vec<u8>>>>,
}

impl FileOps for OpenPseudo {
    fn seekable(&self) -> bool {
        true
    }
    fn read(&self, _: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let at = at.unwrap_or(0);
        let kept = if at == 0 { None } else { self.content.lock().clone() };
        let content = match kept {
            Some(c) => c,
            None => {
                let new = Arc::new(self.file.content()?);
                *self.content.lock() = Some(new.clone());
                new
            }
        };
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
        if from == content.len() {
            return Ok(0);
        }
        Ok(dst.write(&content[from..])?)
    }
    fn write(&self, _: &OpenFile, at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        let mut buf = alloc::vec![0; src.remaining().min(65536)];
        let n = src.read(&mut buf)?;
        Ok(self.file.write(at.unwrap_or(0), &buf[..n])?)
    }
}

/// A file system of pseudo nodes.
pub struct PseudoFs {
    name: &'static str,
    dev: u64,
    magic: u64,
    root: Arc<PseudoInode>,
}

impl PseudoFs {
    /// With this root, shown as type `name`, with `statfs` number `magic`.
    pub fn new(
        name: &'static str,
        magic: u64,
        dev: u64,
        clock: &dyn Clock,
        root: Arc<dyn PseudoDir>,
    ) -> Arc<PseudoFs> {
        let born = Timestamp::from_nanos(clock.realtime());
        let node = PseudoNode::Dir(root);
        let root = Arc::new(PseudoInode { node, dev, ino: 1, born, common: InodeCommon::default() });
        Arc::new(PseudoFs { name, dev, magic, root })
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
        String::new()
    }
}
