//! What a name of an overlay's directory stands for.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::inode::OverlayInode;
use crate::Errno;
use crate::attr::FileKind;
use crate::inode::Inode;

/// Whether a layer's file hides a name of the layers below it.
pub(super) fn is_whiteout(inode: &Arc<dyn Inode>) -> bool {
    inode.kind() == FileKind::Char && inode.attr().is_ok_and(|a| a.rdev == 0)
}

/// A name in one layer.
pub(super) enum Found {
    Nothing,
    Whiteout,
    File(Arc<dyn Inode>),
}

/// What `name` is in a layer's directory. Errors: the layer's, but not that it is missing.
pub(super) fn find(dir: &Arc<dyn Inode>, name: &[u8]) -> Result<Found, Errno> {
    match dir.lookup(name) {
        Ok(i) if is_whiteout(&i) => Ok(Found::Whiteout),
        Ok(i) => Ok(Found::File(i)),
        Err(Errno::ENOENT) => Ok(Found::Nothing),
        Err(e) => Err(e),
    }
}

impl OverlayInode {
    /// The child `name`. Errors: `ENOENT`, and the layers'.
    pub(super) fn child(&self, name: &[u8]) -> Result<Arc<OverlayInode>, Errno> {
        if !self.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let mut upper = None;
        if let Some(dir) = self.upper() {
            match find(&dir, name)? {
                Found::Whiteout => return Err(Errno::ENOENT),
                Found::Nothing => {}
                Found::File(u) => {
                    if u.kind() != FileKind::Directory || self.shared.is_opaque(&u) {
                        return OverlayInode::pure(&self.shared, u);
                    }
                    upper = Some(u);
                }
            }
        }
        let lowers = self.lower_children(name, upper.is_some())?;
        let kind = match upper.as_ref().or(lowers.first().map(|(_, i)| i)) {
            Some(i) => i.kind(),
            None => return Err(Errno::ENOENT),
        };
        let me = self.arc()?;
        OverlayInode::make(&self.shared, kind, upper, lowers, Some((&me, name)))
    }
    /// What `name` is made of in the lower trees; only directories if an upper one is to be merged with them.
    fn lower_children(&self, name: &[u8], merge: bool) -> Result<Vec<(usize, Arc<dyn Inode>)>, Errno> {
        let mut found: Vec<(usize, Arc<dyn Inode>)> = Vec::new();
        for (n, (layer, dir)) in self.lowers.iter().enumerate() {
            match find(dir, name)? {
                Found::Nothing => {}
                Found::Whiteout => break,
                Found::File(i) if i.kind() == FileKind::Directory => {
                    let last = n + 1 == self.lowers.len() || self.shared.is_opaque(&i);
                    found.push((*layer, i));
                    if last {
                        break;
                    }
                }
                Found::File(i) => {
                    if !merge && found.is_empty() {
                        found.push((*layer, i));
                    }
                    break;
                }
            }
        }
        Ok(found)
    }
    /// Whether a lower tree has `name`, so that removing it needs a whiteout. Errors: the layers'.
    pub(super) fn lower_has(&self, name: &[u8]) -> Result<bool, Errno> {
        for (_, dir) in &self.lowers {
            match find(dir, name)? {
                Found::Nothing => {}
                Found::Whiteout => return Ok(false),
                Found::File(_) => return Ok(true),
            }
        }
        Ok(false)
    }
}
