//! Making and removing names.

use alloc::sync::Arc;

use kcore::id::{Gid, Uid};

use super::inode::OverlayInode;
use super::lookup::{Found, find};
use crate::Errno;
use crate::consts::*;
use crate::inode::{Inode, NewInode};

/// Hides `name` of the layers below. Errors: what the upper tree says.
pub(super) fn whiteout(dir: &Arc<dyn Inode>, name: &[u8]) -> Result<(), Errno> {
    let new = NewInode { mode: S_IFCHR, uid: Uid::ROOT, gid: Gid::ROOT, rdev: 0 };
    dir.mknod(name, &new).map(drop)
}

impl OverlayInode {
    /// Makes `name`, which does not exist in the overlay, by `make`: it gets the upper directory, and whether the name covers one of a lower
    /// tree. Errors: what copying up and the upper tree say.
    pub(super) fn make_name(
        &self,
        name: &[u8],
        make: impl FnOnce(&Arc<dyn Inode>, bool) -> Result<Arc<dyn Inode>, Errno>,
    ) -> Result<Arc<dyn Inode>, Errno> {
        let dir = self.copy_up()?;
        let _tree = self.shared.tree.lock();
        let covered = self.uncover(&dir, name)?;
        match make(&dir, covered).and_then(|upper| OverlayInode::pure(&self.shared, upper)) {
            Ok(made) => Ok(made),
            Err(e) => {
                if covered {
                    whiteout(&dir, name)?;
                }
                Err(e)
            }
        }
    }
    /// Makes a directory. Errors: as `make_name`.
    pub(super) fn make_directory(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.make_name(name, |dir, covers| {
            let made = dir.mkdir(name, new)?;
            if covers && let Err(e) = self.shared.set_opaque(&made) {
                dir.rmdir(name)?;
                return Err(e);
            }
            Ok(made)
        })
    }
    /// Takes a whiteout away, to make something in its place. Says whether there was one. Errors: what the upper tree says.
    pub(super) fn uncover(&self, dir: &Arc<dyn Inode>, name: &[u8]) -> Result<bool, Errno> {
        let covered = matches!(find(dir, name)?, Found::Whiteout);
        if covered {
            dir.unlink(name)?;
        }
        Ok(covered)
    }
    /// Removes a name of what is no directory. Errors: `ENOENT`, `EISDIR`; what copying up and the layers say.
    pub(super) fn remove_name(&self, name: &[u8]) -> Result<(), Errno> {
        let victim = self.child(name)?;
        if victim.is_dir() {
            return Err(Errno::EISDIR);
        }
        let dir = self.copy_up()?;
        let _tree = self.shared.tree.lock();
        let hide = self.lower_has(name)?;
        match find(&dir, name)? {
            Found::File(_) => dir.unlink(name)?,
            Found::Nothing => {}
            Found::Whiteout => return Err(Errno::ENOENT),
        }
        victim.set_removed()?;
        if hide { whiteout(&dir, name) } else { Ok(()) }
    }
    /// Removes an empty directory. Errors: `ENOENT`, `ENOTDIR`, `ENOTEMPTY`; what copying up and the layers say.
    pub(super) fn remove_directory(&self, name: &[u8]) -> Result<(), Errno> {
        let victim = self.child(name)?;
        victim.check_empty()?;
        let dir = self.copy_up()?;
        let _tree = self.shared.tree.lock();
        let hide = self.lower_has(name)?;
        if victim.upper().is_some() {
            victim.remove_whiteouts()?;
            dir.rmdir(name)?;
        }
        victim.set_removed()?;
        if hide { whiteout(&dir, name) } else { Ok(()) }
    }
    /// Errors: `ENOTDIR`, `ENOTEMPTY`.
    pub(super) fn check_empty(&self) -> Result<(), Errno> {
        if self.entries()?.is_empty() { Ok(()) } else { Err(Errno::ENOTEMPTY) }
    }
    /// Takes the whiteouts out of an upper directory in which there is nothing else, so that it can be removed.
    /// Errors: what the upper tree says.
    pub(super) fn remove_whiteouts(&self) -> Result<(), Errno> {
        let Some(dir) = self.upper() else { return Ok(()) };
        for entry in dir.list()? {
            dir.unlink(&entry.name)?;
        }
        Ok(())
    }
}
