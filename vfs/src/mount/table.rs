//! Which mounts there are and where they lie.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use hashbrown::HashMap;

use super::Mount;
use crate::dentry::Dentry;
use crate::path::Path;

/// The mounts of a namespace.
pub(super) struct Table {
    /// The mount at the bottom of `/`.
    pub(super) root: Arc<Mount>,
    /// Mounts by where they lie: parent mount, dentry.
    pub(super) at: HashMap<(u64, usize), Arc<Mount>>,
    /// All, in order of mounting.
    pub(super) all: Vec<Arc<Mount>>,
}

/// Where something may be mounted, as a key.
pub(super) fn key(p: &Path) -> (u64, usize) {
    key_of(&p.mount, &p.dentry)
}

pub(super) fn key_of(mount: &Arc<Mount>, dentry: &Arc<Dentry>) -> (u64, usize) {
    (mount.id, Arc::as_ptr(dentry).addr())
}

impl Table {
    /// One mount that nothing lies on yet.
    pub(super) fn new(root: &Arc<Mount>) -> Table {
        Table { root: root.clone(), at: HashMap::new(), all: alloc::vec![root.clone()] }
    }
    pub(super) fn contains(&self, m: &Arc<Mount>) -> bool {
        self.all.iter().any(|x| Arc::ptr_eq(x, m))
    }
    /// Puts a mount at a place where none is.
    pub(super) fn attach(&mut self, m: &Arc<Mount>, at: Path) {
        at.dentry.mounted.fetch_add(1, Ordering::AcqRel);
        self.at.insert(key(&at), m.clone());
        *m.link.lock() = Some(at);
        self.all.push(m.clone());
    }
    /// Takes a mount away; what lies on it stays on it.
    pub(super) fn detach(&mut self, m: &Arc<Mount>) {
        let link = m.link.lock().take();
        if let Some(at) = link {
            at.dentry.mounted.fetch_sub(1, Ordering::AcqRel);
            self.at.remove(&key(&at));
        }
        self.all.retain(|x| !Arc::ptr_eq(x, m));
    }
    /// `m` and all mounts below it, parents first.
    pub(super) fn subtree(&self, m: &Arc<Mount>) -> Vec<Arc<Mount>> {
        let mut out = alloc::vec![m.clone()];
        let mut i = 0;
        while i < out.len() {
            let parent = out[i].clone();
            out.extend(
                self.all
                    .iter()
                    .filter(|c| c.parent().is_some_and(|p| Arc::ptr_eq(&p.mount, &parent)))
                    .cloned(),
            );
            i += 1;
        }
        out
    }
}
