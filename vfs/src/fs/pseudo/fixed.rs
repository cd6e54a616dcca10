//! Nodes that are the same at all times.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::node::{PseudoDir, PseudoFile, PseudoLink, PseudoNode};
use crate::Errno;
use crate::attr::FileKind;
use crate::context::Caller;

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
    fn target(&self, _: &Caller<'_>) -> Result<Vec<u8>, Errno> {
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
