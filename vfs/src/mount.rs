//! Mounts.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use hashbrown::HashMap;
use kcore::sync::{LockClass, Mutex, RwLock};

use crate::Errno;
use crate::consts::*;
use crate::dentry::{Dentry, Superblock};
use crate::inode::FileSystem;
use crate::path::Path;

// Above "directory names" (96): whether a name is a mount point is asked while it is being removed.
static TABLE: LockClass = LockClass::new("mount table", 319);
static LINK: LockClass = LockClass::new("mount link", 321);

/// Mount flags that belong to a mount and not to its file system.
pub const MOUNT_FLAGS: u32 =
    MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_NOSYMFOLLOW;

/// A file system, or a part of one, at a place of the tree.
pub struct Mount {
    id: u64,
    sb: Arc<Superblock>,
    root: Arc<Dentry>,
    flags: AtomicU32,
    /// One of `MS_PRIVATE`, `MS_SHARED`, `MS_SLAVE`, `MS_UNBINDABLE`; recorded and shown, without propagation.
    propagation: AtomicU32,
    source: String,
    link: Mutex<Option<Path>>,
}

impl Mount {
    fn new(id: u64, sb: Arc<Superblock>, root: Arc<Dentry>, flags: u32, source: &str) -> Arc<Mount> {
        Arc::new(Mount {
            id,
            sb,
            root,
            flags: AtomicU32::new(flags & MOUNT_FLAGS),
            propagation: AtomicU32::new(MS_PRIVATE),
            source: source.into(),
            link: Mutex::new(&LINK, None),
        })
    }
    /// A mount in no namespace, such as the one that memfds live in.
    pub fn detached(id: u64, fs: Arc<dyn FileSystem>, flags: u32, source: &str) -> Arc<Mount> {
        let sb = Superblock::new(fs);
        let root = sb.root().clone();
        Mount::new(id, sb, root, flags, source)
    }
    /// Its number in `/proc/PID/mountinfo`.
    pub fn id(&self) -> u64 {
        self.id
    }
    /// The file system in use.
    pub fn superblock(&self) -> &Arc<Superblock> {
        &self.sb
    }
    /// The file system.
    pub fn fs(&self) -> &Arc<dyn FileSystem> {
        self.sb.fs()
    }
    /// The part of the file system that shows.
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }
    /// Its root as a place.
    pub fn root_path(self: &Arc<Mount>) -> Path {
        Path { mount: self.clone(), dentry: self.root.clone() }
    }
    /// `MS_*` flags of this mount.
    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }
    /// Sets the flags (`MS_REMOUNT | MS_BIND`, `mount_setattr`).
    pub fn set_flags(&self, flags: u32) {
        self.flags.store(flags & MOUNT_FLAGS, Ordering::Relaxed);
    }
    /// `MS_PRIVATE`, `MS_SHARED`, `MS_SLAVE` or `MS_UNBINDABLE`.
    pub fn propagation(&self) -> u32 {
        self.propagation.load(Ordering::Relaxed)
    }
    /// Records the propagation type.
    pub fn set_propagation(&self, p: u32) {
        self.propagation.store(p, Ordering::Relaxed);
    }
    /// What `mount` was told to mount.
    pub fn source(&self) -> &str {
        &self.source
    }
    /// Where it is mounted; `None` for the root of a namespace or a detached mount.
    pub fn parent(&self) -> Option<Path> {
        self.link.lock().clone()
    }
    /// Whether nothing can be written through it.
    pub fn is_read_only(&self) -> bool {
        self.flags() & MS_RDONLY != 0 || self.fs().is_read_only()
    }
    /// Errors: `EROFS` if nothing can be written through it.
    pub fn check_writable(&self) -> Result<(), Errno> {
        if self.is_read_only() { Err(Errno::EROFS) } else { Ok(()) }
    }
}

impl core::fmt::Debug for Mount {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Mount({} {})", self.id, self.fs().name())
    }
}

/// Gives out mount and device numbers for one kernel.
#[derive(Debug)]
pub struct MountIds {
    mount: AtomicU64,
    dev: AtomicU32,
}

impl Default for MountIds {
    fn default() -> Self {
        MountIds { mount: AtomicU64::new(20), dev: AtomicU32::new(20) }
    }
}

impl MountIds {
    /// A number for a new mount.
    pub fn next_mount(&self) -> u64 {
        self.mount.fetch_add(1, Ordering::Relaxed)
    }
    /// A device number for a new file system without a device.
    pub fn next_dev(&self) -> u64 {
        crate::attr::make_dev(0, self.dev.fetch_add(1, Ordering::Relaxed))
    }
}

/// The mounts that a set of tasks sees, `mount_namespaces(7)`.
pub struct MountNamespace {
    ids: Arc<MountIds>,
    root: Arc<Mount>,
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    /// Mounts by where they lie: parent mount, dentry.
    at: HashMap<(u64, usize), Arc<Mount>>,
    /// All, in order of mounting.
    all: Vec<Arc<Mount>>,
}

fn key(p: &Path) -> (u64, usize) {
    (p.mount.id, Arc::as_ptr(&p.dentry).addr())
}

impl Table {
    fn attach(&mut self, m: &Arc<Mount>, at: Path) {
        at.dentry.mounted.fetch_add(1, Ordering::AcqRel);
        self.at.insert(key(&at), m.clone());
        *m.link.lock() = Some(at);
        self.all.push(m.clone());
    }
    fn detach(&mut self, m: &Arc<Mount>) {
        let link = m.link.lock().take();
        if let Some(at) = link {
            at.dentry.mounted.fetch_sub(1, Ordering::AcqRel);
            self.at.remove(&key(&at));
        }
        self.all.retain(|x| !Arc::ptr_eq(x, m));
    }
    /// `m` and all mounts below it, parents first.
    fn subtree(&self, m: &Arc<Mount>) -> Vec<Arc<Mount>> {
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

impl MountNamespace {
    /// A namespace with `fs` at its root.
    pub fn new(ids: Arc<MountIds>, fs: Arc<dyn FileSystem>, flags: u32, source: &str) -> Arc<MountNamespace> {
        let root = Mount::detached(ids.next_mount(), fs, flags, source);
        let table = Table { at: HashMap::new(), all: alloc::vec![root.clone()] };
        Arc::new(MountNamespace { ids, root, table: RwLock::new(&TABLE, table) })
    }
    /// The mount at the bottom of the root.
    pub fn root(&self) -> &Arc<Mount> {
        &self.root
    }
    /// The place that `/` is: the topmost mount at the root.
    pub fn root_path(&self) -> Path {
        self.top(self.root.root_path())
    }
    /// Where numbers come from.
    pub fn ids(&self) -> &Arc<MountIds> {
        &self.ids
    }
    /// All mounts, in order of mounting.
    pub fn mounts(&self) -> Vec<Arc<Mount>> {
        self.table.read().all.clone()
    }
    /// The place that shows at `p`: the root of what is mounted there, if anything.
    pub fn top(&self, mut p: Path) -> Path {
        while p.dentry.mounted.load(Ordering::Acquire) > 0 {
            let Some(m) = self.table.read().at.get(&key(&p)).cloned() else { break };
            p = m.root_path();
        }
        p
    }
    /// Whether something is mounted at `p` here.
    pub fn is_mount_point(&self, p: &Path) -> bool {
        p.dentry.mounted.load(Ordering::Acquire) > 0 && self.table.read().at.contains_key(&key(p))
    }
    /// Whether `m` is mounted here.
    pub fn contains(&self, m: &Arc<Mount>) -> bool {
        self.table.read().all.iter().any(|x| Arc::ptr_eq(x, m))
    }
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
        let is_dir = |d: &Arc<Dentry>| d.inode().kind() == crate::FileKind::Directory;
        if is_dir(&at.dentry) != is_dir(&m.root) {
            return Err(Errno::ENOTDIR);
        }
        let at = self.top(at.clone());
        let mut t = self.table.write();
        if !t.all.iter().any(|x| Arc::ptr_eq(x, &at.mount)) {
            return Err(Errno::EINVAL);
        }
        if t.at.contains_key(&key(&at)) {
            return Err(Errno::EBUSY);
        }
        t.attach(m, at);
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
        let copy = |m: &Arc<Mount>, root: &Arc<Dentry>| {
            let c = Mount::new(self.ids.next_mount(), m.sb.clone(), root.clone(), m.flags(), &m.source);
            c.set_propagation(m.propagation());
            c
        };
        let mut out = alloc::vec![(copy(&from.mount, &from.dentry), None)];
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
                let c = copy(&m, &m.root);
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
        let is_dir = |d: &Arc<Dentry>| d.inode().kind() == crate::FileKind::Directory;
        if is_dir(&at.dentry) != is_dir(&m.root) {
            return Err(Errno::ENOTDIR);
        }
        let mut t = self.table.write();
        t.detach(m);
        t.attach(m, at);
        Ok(())
    }
    /// Unmounts the mount whose root is `p`. With `detach` (`MNT_DETACH`) also what is below, although in use.
    ///
    /// Errors: `EINVAL` if it is no mount's root, `EBUSY` if in use or the namespace's root.
    pub fn umount(&self, p: &Path, detach: bool) -> Result<(), Errno> {
        let m = &p.mount;
        if !Arc::ptr_eq(&p.dentry, &m.root) {
            return Err(Errno::EINVAL);
        }
        if Arc::ptr_eq(m, &self.root) {
            return Err(Errno::EBUSY);
        }
        let gone = {
            let mut t = self.table.write();
            if !t.all.iter().any(|x| Arc::ptr_eq(x, m)) {
                return Err(Errno::EINVAL);
            }
            let below = t.subtree(m);
            // Held here: the table twice, `below`, and the caller's path.
            if !detach && (below.len() > 1 || Arc::strong_count(m) > 4) {
                return Err(Errno::EBUSY);
            }
            for x in below.iter().rev() {
                t.detach(x);
            }
            below
        };
        drop(gone);
        Ok(())
    }
    /// `pivot_root(2)`: makes `new_root` (a mount's root) the bottom and puts the old root mount at `put_old`. The namespace's
    /// root mount object stays at the bottom of the list; tasks' roots are moved by the caller.
    ///
    /// Errors: `EINVAL`, `EBUSY`.
    pub fn pivot_root(&self, old_root: &Path, new_root: &Path, put_old: &Path) -> Result<(), Errno> {
        let (n, o) = (&new_root.mount, &old_root.mount);
        if !Arc::ptr_eq(&new_root.dentry, &n.root) || !Arc::ptr_eq(&old_root.dentry, &o.root) {
            return Err(Errno::EINVAL);
        }
        if Arc::ptr_eq(n, o) {
            return Err(Errno::EBUSY);
        }
        if n.parent().is_none() || !Arc::ptr_eq(&put_old.mount, n) || !n.root.is_ancestor_of(&put_old.dentry)
        {
            return Err(Errno::EINVAL);
        }
        let mut t = self.table.write();
        let old_link = o.parent();
        t.detach(n);
        t.detach(o);
        match old_link {
            Some(l) => t.attach(n, l),
            None => t.all.push(n.clone()),
        }
        // `put_old` may be the new root itself (`pivot_root(".", ".")`): the old root then covers it.
        t.attach(o, put_old.clone());
        Ok(())
    }
    /// A copy for `CLONE_NEWNS`; `remap` moves paths (root, cwd) from here to the copy.
    pub fn copy(&self) -> (Arc<MountNamespace>, MountMap) {
        let t = self.table.read();
        let mut map: HashMap<u64, Arc<Mount>> = HashMap::new();
        let mut new = Table::default();
        let bottom =
            t.all.iter().find(|m| m.parent().is_none()).cloned().unwrap_or_else(|| self.root.clone());
        let order = t.subtree(&bottom);
        for m in &order {
            let c = Mount::new(self.ids.next_mount(), m.sb.clone(), m.root.clone(), m.flags(), &m.source);
            c.set_propagation(m.propagation());
            map.insert(m.id, c.clone());
            match m
                .parent()
                .and_then(|p| map.get(&p.mount.id).cloned().map(|pm| Path { mount: pm, dentry: p.dentry }))
            {
                Some(at) => new.attach(&c, at),
                None => new.all.push(c),
            }
        }
        let root = map.get(&bottom.id).cloned().unwrap_or_else(|| self.root.clone());
        let ns = MountNamespace { ids: self.ids.clone(), root, table: RwLock::new(&TABLE, new) };
        (Arc::new(ns), MountMap(map))
    }
}

impl Drop for MountNamespace {
    fn drop(&mut self) {
        let all = core::mem::take(&mut self.table.write().all);
        for m in &all {
            let link = m.link.lock().take();
            if let Some(at) = link {
                at.dentry.mounted.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

/// Mounts of a namespace's copy by the number of the mount that each was copied from.
pub struct MountMap(HashMap<u64, Arc<Mount>>);

impl MountMap {
    /// The same place in the copy.
    pub fn remap(&self, p: &Path) -> Path {
        let mount = self.0.get(&p.mount.id).unwrap_or(&p.mount).clone();
        Path { mount, dentry: p.dentry.clone() }
    }
}

/// Weak reference to a namespace, for `/proc/PID/ns/mnt`.
pub type WeakNamespace = Weak<MountNamespace>;
