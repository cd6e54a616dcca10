//! Adding, moving and removing mounts.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use hashbrown::HashMap;

use super::table::key;
use super::{Mount, MountNamespace};
use crate::Errno;
use crate::attr::FileKind;
use crate::consts::*;
use crate::dentry::Dentry;
use crate::inode::FileSystem;
use crate::path::Path;

impl MountNamespace {
    /// Mounts `fs` at `at` (the place that shows there). Errors: `ENOENT` if the place was removed, `ENOTDIR`, `EINVAL`.
    pub fn mount(
        &self,
        fs: Arc<dyn FileSystem>,
        at: &Path,
        flags: u32,
        source: &str,
    ) -> Result<Arc<Mount>, Errno> {
        let m = Mount::detached(self.ids.next_mount(), fs, flags, source);
        self.attach(&m, at)?;
        Ok(m)
    }
    /// Puts a detached mount at `at`. Errors: as `mount`.
    pub fn attach(&self, m: &Arc<Mount>, at: &Path) -> Result<(), Errno> {
        if at.dentry.is_unlinked() {
            return Err(Errno::ENOENT);
        }
        let is_dir = |d: &Arc<Dentry>| d.inode().kind() == FileKind::Directory;
        if is_dir(&at.dentry) != is_dir(&m.root) {
            return Err(Errno::ENOTDIR);
        }
        let at = self.top(at.clone());
        let mut t = self.table.write();
        if !t.contains(&at.mount) {
            return Err(Errno::EINVAL);
        }
        if t.at.contains_key(&key(&at)) {
            return Err(Errno::EBUSY);
        }
        t.attach(m, at);
        drop(t);
        self.note_change();
        Ok(())
    }
    /// A detached copy of the mount at `from`, rooted there; with `recursive`, also of the mounts below it (parents first, each
    /// with where it lies in the copy). Errors: `EINVAL` for an unbindable mount.
    pub fn clone_mount(
        &self,
        from: &Path,
        recursive: bool,
    ) -> Result<Vec<(Arc<Mount>, Option<Path>)>, Errno> {
        if from.mount.propagation() == MS_UNBINDABLE {
            return Err(Errno::EINVAL);
        }
        let mut out = alloc::vec![(from.mount.copy_at(self.ids.next_mount(), &from.dentry), None)];
        if recursive {
            let mut copies: HashMap<u64, Arc<Mount>> = HashMap::new();
            copies.insert(from.mount.id, out[0].0.clone());
            for m in {
                let t = self.table.read();
                t.subtree(&from.mount)
            }
            .into_iter()
            .skip(1)
            {
                let Some(at) = m.parent() else { continue };
                let below = !Arc::ptr_eq(&at.mount, &from.mount) || from.dentry.is_ancestor_of(&at.dentry);
                let Some(parent) = copies.get(&at.mount.id).filter(|_| below) else { continue };
                if m.propagation() == MS_UNBINDABLE {
                    continue;
                }
                let c = m.copy(self.ids.next_mount());
                let place = Path { mount: parent.clone(), dentry: at.dentry.clone() };
                copies.insert(m.id, c.clone());
                out.push((c, Some(place)));
            }
        }
        Ok(out)
    }
    /// `MS_BIND`, with `recursive` also `MS_REC`. Errors: as `mount` and `clone_mount`.
    pub fn bind(&self, from: &Path, at: &Path, recursive: bool) -> Result<Arc<Mount>, Errno> {
        let copies = self.clone_mount(from, recursive)?;
        let first = copies[0].0.clone();
        self.attach(&first, at)?;
        let mut t = self.table.write();
        for (m, place) in copies.into_iter().skip(1) {
            if let Some(p) = place {
                t.attach(&m, p);
            }
        }
        drop(t);
        self.note_change();
        Ok(first)
    }
    /// `MS_MOVE`: moves the mount whose root is `from`. Errors: `EINVAL` if it is no mount's root or is the root, `ELOOP` into itself.
    pub fn move_mount(&self, from: &Path, at: &Path) -> Result<(), Errno> {
        let m = &from.mount;
        if !Arc::ptr_eq(&from.dentry, &m.root) || m.parent().is_none() {
            return Err(Errno::EINVAL);
        }
        let mut up = Some(at.mount.clone());
        while let Some(x) = up {
            if Arc::ptr_eq(&x, m) {
                return Err(Errno::ELOOP);
            }
            up = x.parent().map(|p| p.mount);
        }
        let at = self.top(at.clone());
        let is_dir = |d: &Arc<Dentry>| d.inode().kind() == FileKind::Directory;
        if is_dir(&at.dentry) != is_dir(&m.root) {
            return Err(Errno::ENOTDIR);
        }
        let mut t = self.table.write();
        t.detach(m);
        t.attach(m, at);
        drop(t);
        self.note_change();
        Ok(())
    }
    /// Sets the propagation type of `m`, and with `recursive` of all mounts on it.
    pub fn set_propagation(&self, m: &Arc<Mount>, kind: u32, recursive: bool) {
        let all = if recursive { self.table.read().subtree(m) } else { alloc::vec![m.clone()] };
        all.iter().for_each(|m| m.set_propagation(kind));
    }
    /// Unmounts the mount whose root is `p`.
    ///
    /// Errors: `EINVAL` if it is no mount's root, `EBUSY` if it is in use or the namespace's root, `EAGAIN` with [`Unmount::Expire`] if it was
    /// used since that was last asked for.
    pub fn umount(&self, p: &Path, how: Unmount) -> Result<(), Errno> {
        let m = &p.mount;
        if !Arc::ptr_eq(&p.dentry, &m.root) {
            return Err(Errno::EINVAL);
        }
        let gone = {
            let mut t = self.table.write();
            if !t.contains(m) {
                return Err(Errno::EINVAL);
            }
            if Arc::ptr_eq(m, &t.root) {
                return Err(Errno::EBUSY);
            }
            let below = t.subtree(m);
            // Held here: the table twice, `below`, and the caller's path.
            if how != Unmount::Detach && (below.len() > 1 || Arc::strong_count(m) > 4) {
                return Err(Errno::EBUSY);
            }
            if how == Unmount::Expire && !m.expiring.swap(true, Ordering::Relaxed) {
                return Err(Errno::EAGAIN);
            }
            for x in below.iter().rev() {
                t.detach(x);
            }
            below
        };
        drop(gone);
        self.note_change();
        Ok(())
    }
    /// `pivot_root(2)`: makes the mount whose root is `new_root` the bottom in place of the one whose root is `old_root`, and puts that
    /// at `put_old`. Roots and working directories of tasks are the caller's business.
    ///
    /// Errors: `EINVAL` if one of both is no mount's root, is not mounted here or is shared, or if `put_old` is not below `new_root`;
    /// `EBUSY` if both are the same.
    pub fn pivot_root(&self, old_root: &Path, new_root: &Path, put_old: &Path) -> Result<(), Errno> {
        let (n, o) = (&new_root.mount, &old_root.mount);
        let mut t = self.table.write();
        if Arc::ptr_eq(n, o) || Arc::ptr_eq(&put_old.mount, o) {
            return Err(Errno::EBUSY);
        }
        let is_root = |p: &Path| Arc::ptr_eq(&p.dentry, &p.mount.root);
        let shared = |m: &Mount| m.propagation() == MS_SHARED;
        let parent = n.parent();
        let bad = !is_root(new_root)
            || !is_root(old_root)
            || !t.contains(n)
            || !t.contains(o)
            || shared(n)
            || parent.as_ref().is_none_or(|p| shared(&p.mount))
            || o.parent().is_some_and(|p| shared(&p.mount))
            || !is_below(put_old, new_root)
            || !is_below(new_root, old_root);
        if bad {
            return Err(Errno::EINVAL);
        }
        let old_link = o.parent();
        t.detach(n);
        t.detach(o);
        match old_link {
            Some(l) => t.attach(n, l),
            None => {
                t.root = n.clone();
                t.all.push(n.clone());
            }
        }
        // `put_old` may be the new root itself (`pivot_root(".", ".")`): the old root then covers it.
        t.attach(o, put_old.clone());
        drop(t);
        self.note_change();
        Ok(())
    }
}

/// Whether `p` is `top` or below it, across mounts.
fn is_below(p: &Path, top: &Path) -> bool {
    let mut at = p.clone();
    loop {
        if Arc::ptr_eq(&at.mount, &top.mount) {
            return top.dentry.is_ancestor_of(&at.dentry);
        }
        match at.mount.parent() {
            Some(up) => at = up,
            None => return false,
        }
    }
}

/// How to unmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmount {
    /// Only what is not in use.
    Unused,
    /// Also what is in use, with what lies below (`MNT_DETACH`).
    Detach,
    /// What is not in use and was not used since this was last asked for (`MNT_EXPIRE`).
    Expire,
}
