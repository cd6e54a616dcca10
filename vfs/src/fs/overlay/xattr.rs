//! Extended attributes: those that mark what the overlay did in its upper tree, and all others.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Shared;
use super::inode::OverlayInode;
use crate::Errno;
use crate::inode::Inode;

pub(super) const TRUSTED: &[u8] = b"trusted.overlay.";
pub(super) const USER: &[u8] = b"user.overlay.";

impl Shared {
    fn private(&self, name: &[u8]) -> Vec<u8> {
        [self.xattr_prefix, name].concat()
    }
    /// Whether a layer's directory hides what lies below it.
    pub(super) fn is_opaque(&self, dir: &Arc<dyn Inode>) -> bool {
        dir.get_xattr(&self.private(b"opaque")).is_ok_and(|v| v == b"y")
    }
    /// Makes an upper directory hide what lies below it. Errors: what the upper tree says.
    pub(super) fn set_opaque(&self, dir: &Arc<dyn Inode>) -> Result<(), Errno> {
        dir.set_xattr(&self.private(b"opaque"), b"y", 0)
    }
    /// The inode number that an upper file had before it was copied up.
    pub(super) fn origin(&self, upper: &Arc<dyn Inode>) -> Option<u64> {
        let value = upper.get_xattr(&self.private(b"origin")).ok()?;
        Some(u64::from_le_bytes(value.try_into().ok()?))
    }
    /// Notes the inode number that a file had. An upper tree without such attributes gives it another number later.
    pub(super) fn set_origin(&self, upper: &Arc<dyn Inode>, ino: u64) {
        upper.set_xattr(&self.private(b"origin"), &ino.to_le_bytes(), 0).ok();
    }
    fn check_public(&self, name: &[u8]) -> Result<(), Errno> {
        if name.starts_with(self.xattr_prefix) { Err(Errno::ENOTSUP) } else { Ok(()) }
    }
}

impl OverlayInode {
    pub(super) fn xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.shared.check_public(name)?;
        self.real().get_xattr(name)
    }
    pub(super) fn xattr_names(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let mut names = self.real().list_xattr()?;
        names.retain(|n| !n.starts_with(self.shared.xattr_prefix));
        Ok(names)
    }
    pub(super) fn change_xattr(&self, name: &[u8], value: Option<(&[u8], u32)>) -> Result<(), Errno> {
        self.shared.check_public(name)?;
        match value {
            Some((value, flags)) => self.copy_up()?.set_xattr(name, value, flags),
            None => {
                // What is not there need not be copied up to be removed.
                self.real().get_xattr(name)?;
                self.copy_up()?.remove_xattr(name)
            }
        }
    }
    /// Copies attributes of a lower file to its copy. Errors: what the upper tree says, but not that it has none of a kind.
    pub(super) fn copy_xattrs(&self, from: &Arc<dyn Inode>, to: &Arc<dyn Inode>) -> Result<(), Errno> {
        for name in from.list_xattr()? {
            if name.starts_with(self.shared.xattr_prefix) {
                continue;
            }
            match from.get_xattr(&name).and_then(|value| to.set_xattr(&name, &value, 0)) {
                Ok(()) | Err(Errno::ENOTSUP | Errno::EPERM | Errno::ENODATA) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
