//! A place in the tree of mounts.

use alloc::sync::Arc;

use crate::attr::FileKind;
use crate::consts::{IN_ATTRIB, IN_ISDIR};
use crate::dentry::Dentry;
use crate::inode::{Happened, Inode, InodeCommon};
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
    /// Tells the watchers of the directory and of the file, in this order, as those who watch both expect. A file that was removed
    /// keeps the name that it had for that.
    pub fn notify(&self, mask: u32) {
        if InodeCommon::any_is_watched() {
            self.tell(mask);
        }
    }
    #[cold]
    fn tell(&self, mask: u32) {
        let inode = self.inode();
        let mask = if inode.kind() == FileKind::Directory { mask | IN_ISDIR } else { mask };
        // Attributes are those of the inode, whichever way they are changed.
        let unlinked = mask & IN_ATTRIB == 0 && self.dentry.is_unlinked();
        let what = Happened { mask, unlinked, ..Happened::default() };
        if let Some(p) = self.dentry.parent()
            && p.inode().common().is_watched()
        {
            p.inode().common().tell(&Happened { name: Some(&self.dentry.name()), ..what });
        }
        inode.common().tell(&what);
    }
}
