//! A place in the tree of mounts.

use alloc::sync::Arc;

use crate::attr::FileKind;
use crate::consts::IN_ISDIR;
use crate::dentry::Dentry;
use crate::inode::Inode;
use crate::mount::Mount;

/// A place: a mount, and a name in its file system.
#[derive(Clone, Debug)]
pub struct Path {
    /// The mount.
    pub mount: Arc<Mount>,
    /// The name.
    pub dentry: Arc<Dentry>,
}

impl Path {
    /// The inode there.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        self.dentry.inode()
    }
    /// Whether both are the same place.
    pub fn same(&self, other: &Path) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount) && Arc::ptr_eq(&self.dentry, &other.dentry)
    }
    /// Tells the watchers of the file and of its directory.
    pub fn notify(&self, mask: u32) {
        let inode = self.inode();
        let mask = if inode.kind() == FileKind::Directory { mask | IN_ISDIR } else { mask };
        inode.common().notify(mask, 0, None);
        if let Some(p) = self.dentry.parent()
            && p.inode().common().is_watched()
            && !self.dentry.is_unlinked()
        {
            p.inode().common().notify(mask, 0, Some(&self.dentry.name()));
        }
    }
}
