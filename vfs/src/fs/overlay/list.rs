//! Listing a directory: the names of all layers, without those that whiteouts hide.

use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashSet;

use super::inode::{OverlayInode, layer_ino};
use super::lookup::is_whiteout;
use crate::Errno;
use crate::attr::FileKind;
use crate::inode::{DirEntry, Inode};

impl OverlayInode {
    /// All children, with the inode numbers that `stat` tells. Errors: `ENOTDIR`, and the layers'.
    pub(super) fn entries(&self) -> Result<Vec<DirEntry>, Errno> {
        if !self.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let upper = self.upper();
        let mut seen: HashSet<Vec<u8>> = HashSet::new();
        let mut out = Vec::new();
        let layers = upper.iter().map(|u| (None, u)).chain(self.lowers.iter().map(|(n, l)| (Some(*n), l)));
        let last = self.lowers.len() + usize::from(upper.is_some());
        for (n, (layer, dir)) in layers.enumerate() {
            for mut entry in dir.list()? {
                if seen.contains(&entry.name) {
                    continue;
                }
                // Only what may be hidden by this layer's names needs to be remembered.
                if n + 1 < last {
                    seen.insert(entry.name.clone());
                }
                if entry.kind == FileKind::Char && dir.lookup(&entry.name).is_ok_and(|i| is_whiteout(&i)) {
                    continue;
                }
                entry.ino = match layer {
                    None => self.upper_ino(dir, &entry),
                    Some(_) => layer_ino(layer, entry.ino),
                };
                out.push(entry);
            }
        }
        Ok(out)
    }
    /// The number of an upper file: that of what it was copied from.
    fn upper_ino(&self, dir: &Arc<dyn Inode>, entry: &DirEntry) -> u64 {
        let origin = dir.lookup(&entry.name).ok().and_then(|i| self.shared.origin(&i));
        origin.unwrap_or_else(|| layer_ino(None, entry.ino))
    }
}
