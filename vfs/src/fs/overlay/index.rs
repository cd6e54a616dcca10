//! What is known of lower files with several names, so that these stay the names of one file: `index=on`.
//!
//! Linux keeps the index in the work directory. Here it lasts as long as the overlay is mounted.

use alloc::sync::Arc;

use hashbrown::HashMap;

use super::{Shared, key_of};
use crate::inode::Inode;

/// Lower files with several names of which one was removed, or that were copied up.
#[derive(Default)]
pub(super) struct Index {
    /// By the address of the lower file.
    files: HashMap<usize, Indexed>,
    /// The address of the lower file, by that of the upper one.
    lowers: HashMap<usize, usize>,
}

struct Indexed {
    /// Held so that its address stays its own.
    _lower: Arc<dyn Inode>,
    upper: Option<Arc<dyn Inode>>,
    /// Names in the overlay.
    names: u32,
}

impl Index {
    /// The file that `real`, a lower or an upper one, stands for.
    fn key(&self, real: &Arc<dyn Inode>) -> usize {
        let key = key_of(real);
        self.lowers.get(&key).copied().unwrap_or(key)
    }
}

impl Shared {
    /// What stands in the upper tree for a lower file, if the index knows.
    pub(super) fn copy_of(&self, lower: &Arc<dyn Inode>) -> Option<Arc<dyn Inode>> {
        self.index.as_ref()?.lock().files.get(&key_of(lower))?.upper.clone()
    }
    /// Notes that `upper` stands for `lower`, which has so many names there. Returns whether there is an index.
    pub(super) fn note_copy(&self, lower: &Arc<dyn Inode>, upper: &Arc<dyn Inode>, names: u32) -> bool {
        let Some(index) = &self.index else { return false };
        let mut index = index.lock();
        index.lowers.insert(key_of(upper), key_of(lower));
        let known = Indexed { _lower: lower.clone(), upper: None, names };
        index.files.entry(key_of(lower)).or_insert(known).upper = Some(upper.clone());
        true
    }
    /// Notes that one of `names` names of a lower file is gone. Returns whether there is an index.
    pub(super) fn note_removed(&self, lower: &Arc<dyn Inode>, names: u32) -> bool {
        let Some(index) = &self.index else { return false };
        let known = Indexed { _lower: lower.clone(), upper: None, names };
        index.lock().files.entry(key_of(lower)).or_insert(known);
        self.count_name(lower, false);
        true
    }
    /// How many names the file has that `real` stands for, if the index knows.
    pub(super) fn names_of(&self, real: &Arc<dyn Inode>) -> Option<u32> {
        let index = self.index.as_ref()?.lock();
        Some(index.files.get(&index.key(real))?.names)
    }
    /// Counts another name of an indexed file, or one less.
    pub(super) fn count_name(&self, real: &Arc<dyn Inode>, more: bool) {
        let Some(index) = &self.index else { return };
        let mut index = index.lock();
        let key = index.key(real);
        if let Some(file) = index.files.get_mut(&key) {
            file.names = if more { file.names.saturating_add(1) } else { file.names.saturating_sub(1) };
        }
    }
    /// Forgets a file that has no name any more, when nobody uses it.
    pub(super) fn forget_nameless(&self, real: &Arc<dyn Inode>) {
        let Some(index) = &self.index else { return };
        let forgotten = {
            let mut index = index.lock();
            let key = index.key(real);
            if index.files.get(&key).is_none_or(|f| f.names > 0) {
                return;
            }
            index.lowers.retain(|_, lower| *lower != key);
            index.files.remove(&key)
        };
        drop(forgotten);
    }
}
