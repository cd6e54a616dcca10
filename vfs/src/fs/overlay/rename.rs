//! Moving names.

use alloc::sync::Arc;

use super::inode::OverlayInode;
use super::lookup::{Found, find};
use super::names::whiteout;
use crate::Errno;
use crate::consts::*;
use crate::inode::Inode;

impl OverlayInode {
    /// Moves `name` to `new_name` in `to`.
    ///
    /// Errors: `EXDEV` for a directory that a lower tree has part in, as Linux says without `redirect_dir`; `EINVAL` for
    /// `RENAME_WHITEOUT`; `ENOENT`, `EEXIST`, `ENOTDIR`, `EISDIR`, `ENOTEMPTY`; what copying up and the upper tree say.
    pub(super) fn move_name(
        &self,
        name: &[u8],
        to: &OverlayInode,
        new_name: &[u8],
        flags: u32,
    ) -> Result<(), Errno> {
        if flags & !(RENAME_NOREPLACE | RENAME_EXCHANGE) != 0 {
            return Err(Errno::EINVAL);
        }
        let exchange = flags & RENAME_EXCHANGE != 0;
        let old = self.child(name)?;
        let new = match to.child(new_name) {
            Ok(_) if flags & RENAME_NOREPLACE != 0 => return Err(Errno::EEXIST),
            Ok(i) => Some(i),
            Err(Errno::ENOENT) if !exchange => None,
            Err(e) => return Err(e),
        };
        old.check_movable()?;
        if let Some(new) = &new {
            if exchange {
                new.check_movable()?;
            } else if old.is_dir() {
                new.check_empty()?;
            } else if new.is_dir() {
                return Err(Errno::EISDIR);
            }
        }
        let (from_dir, to_dir) = (self.copy_up()?, to.copy_up()?);
        let moved = old.copy_up()?;
        let exchanged = match &new {
            Some(new) if exchange => Some(new.copy_up()?),
            _ => None,
        };

        let _tree = self.shared.tree.lock();
        give_name(&from_dir, name, &moved)?;
        if let Some(other) = &exchanged {
            give_name(&to_dir, new_name, other)?;
        }
        let old_has_lower = self.lower_has(name)?;
        let new_has_lower = to.lower_has(new_name)?;
        if old.is_dir() && new_has_lower {
            self.shared.set_opaque(&moved)?;
        }
        if exchange {
            if let Some(other) = new.filter(|n| n.is_dir() && old_has_lower).and_then(|n| n.upper()) {
                self.shared.set_opaque(&other)?;
            }
            return from_dir.rename(name, &to_dir, new_name, RENAME_EXCHANGE);
        }
        let covered = to.uncover(&to_dir, new_name)?;
        let done = self.replace(&from_dir, name, &to_dir, new_name, new.as_deref());
        if done.is_err() && covered {
            whiteout(&to_dir, new_name)?;
        }
        done?;
        if let Some(replaced) = &new {
            replaced.set_removed()?;
        }
        if old_has_lower { whiteout(&from_dir, name) } else { Ok(()) }
    }
    /// Moves within the upper tree; what is in the place, `new`, is an empty directory or none.
    fn replace(
        &self,
        from_dir: &Arc<dyn Inode>,
        name: &[u8],
        to_dir: &Arc<dyn Inode>,
        new_name: &[u8],
        new: Option<&OverlayInode>,
    ) -> Result<(), Errno> {
        if let Some(new) = new.filter(|n| n.is_dir()) {
            new.remove_whiteouts()?;
        }
        from_dir.rename(name, to_dir, new_name, 0)
    }
    /// Errors: `EXDEV` for a directory that would lose what lower trees have in it.
    fn check_movable(&self) -> Result<(), Errno> {
        if self.is_dir() && !self.lowers.is_empty() { Err(Errno::EXDEV) } else { Ok(()) }
    }
}

/// Makes `name` of the upper file that stands for it, where only a lower tree has it: another name of that file was copied up.
/// Errors: what the upper tree says.
fn give_name(dir: &Arc<dyn Inode>, name: &[u8], upper: &Arc<dyn Inode>) -> Result<(), Errno> {
    match find(dir, name)? {
        Found::Nothing => dir.link(name, upper),
        Found::Whiteout | Found::File(_) => Ok(()),
    }
}
