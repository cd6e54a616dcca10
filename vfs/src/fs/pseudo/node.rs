//! What a pseudo file system is made of.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use kcore::id::{Gid, Uid};
use kcore::io::IoResult;

use super::file::snapshot;
use crate::Errno;
use crate::attr::FileKind;
use crate::context::Caller;
use crate::file::FileOps;
use crate::inode::MagicLink;

/// Owner and permission bits of a pseudo node.
#[derive(Clone, Copy, Debug)]
pub struct PseudoAttr {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Directories below a directory, which its link count tells.
    pub subdirs: u32,
}

impl PseudoAttr {
    /// Root's, with these permission bits.
    pub const fn root(mode: u32) -> PseudoAttr {
        PseudoAttr { mode, uid: Uid::ROOT, gid: Gid::ROOT, subdirs: 0 }
    }
}

/// A directory made up on the fly.
pub trait PseudoDir: Any + Send + Sync {
    /// The child `name`. Errors: `ENOENT`.
    fn lookup(&self, name: &[u8]) -> Result<PseudoNode, Errno>;
    /// Names and types of all children, in the order that the directory lists them.
    fn list(&self) -> Result<Vec<(Vec<u8>, FileKind)>, Errno>;
    /// Owner and permissions.
    fn attr(&self) -> PseudoAttr {
        PseudoAttr::root(0o555)
    }
    /// Whether the caller may access it with `mask`, where the permission bits do not say. Errors: `EACCES`, `EPERM`, `ENOENT`.
    fn permission(&self, caller: &Caller<'_>, mask: u32) -> Option<Result<(), Errno>> {
        let _ = (caller, mask);
        None
    }
    /// Whether what it stands for still exists.
    fn alive(&self) -> bool {
        true
    }
}

/// A file made up on the fly.
pub trait PseudoFile: Send + Sync {
    /// Its content now. Errors: `ESRCH`, `EACCES`; `EINVAL` if it cannot be read.
    fn content(&self) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }
    /// Takes what was written at once at `at`. Errors: `EINVAL`; `EIO` if it cannot be written.
    fn write(&self, at: u64, data: &[u8]) -> Result<usize, Errno> {
        let _ = (at, data);
        Err(Errno::EIO)
    }
    /// Opens it. Default: [`PseudoFile::content`] and [`PseudoFile::write`], whoever opens. Errors: `EACCES`, `EPERM`, `ESRCH`.
    fn open(self: Arc<Self>, flags: u32, caller: &Caller<'_>) -> IoResult<Arc<dyn FileOps>>
    where
        Self: 'static,
    {
        let _ = (flags, caller);
        let (reader, writer) = (self.clone(), self);
        Ok(snapshot(move || reader.content(), move |at, data| writer.write(at, data)))
    }
    /// Owner and permissions.
    fn attr(&self) -> PseudoAttr {
        PseudoAttr::root(0o444)
    }
    /// Whether the caller may access it with `mask`, where the permission bits do not say. Errors: `EACCES`, `EPERM`.
    fn permission(&self, caller: &Caller<'_>, mask: u32) -> Option<Result<(), Errno>> {
        let _ = (caller, mask);
        None
    }
    /// Whether what it stands for still exists.
    fn alive(&self) -> bool {
        true
    }
}

/// A symbolic link made up on the fly.
pub trait PseudoLink: Send + Sync {
    /// What `readlink` says. Errors: `ENOENT`, `EACCES`.
    fn target(&self, caller: &Caller<'_>) -> Result<Vec<u8>, Errno>;
    /// Where it leads without a walk, for magic links. Errors: as `target`.
    fn magic(&self, caller: &Caller<'_>) -> Option<Result<MagicLink, Errno>> {
        let _ = caller;
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

impl PseudoNode {
    /// A directory.
    pub fn dir(d: impl PseudoDir + 'static) -> PseudoNode {
        PseudoNode::Dir(Arc::new(d))
    }
    /// A file.
    pub fn file(f: impl PseudoFile + 'static) -> PseudoNode {
        PseudoNode::File(Arc::new(f))
    }
    /// A symbolic link.
    pub fn link(l: impl PseudoLink + 'static) -> PseudoNode {
        PseudoNode::Link(Arc::new(l))
    }
    /// The type.
    pub fn kind(&self) -> FileKind {
        match self {
            PseudoNode::Dir(_) => FileKind::Directory,
            PseudoNode::File(_) => FileKind::Regular,
            PseudoNode::Link(_) => FileKind::Symlink,
        }
    }
    pub(super) fn attr(&self) -> PseudoAttr {
        match self {
            PseudoNode::Dir(d) => d.attr(),
            PseudoNode::File(f) => f.attr(),
            PseudoNode::Link(l) => l.attr(),
        }
    }
    pub(super) fn alive(&self) -> bool {
        match self {
            PseudoNode::Dir(d) => d.alive(),
            PseudoNode::File(f) => f.alive(),
            PseudoNode::Link(l) => l.alive(),
        }
    }
}
