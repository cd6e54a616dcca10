//! Mount namespaces.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use kcore::cred::{Cap, Credentials, UserNamespace};
use kcore::sync::{LockClass, RwLock};
use kcore::wait::{Events, WaitQueue};

use super::table::{Table, key, key_of};
use super::{Mount, MountIds};
use crate::Errno;
use crate::dentry::Dentry;
use crate::inode::FileSystem;
use crate::path::Path;

// Above "directory names" (96): whether a name is a mount point is asked while it is being removed.
static TABLE: LockClass = LockClass::new("mount table", 319);

/// The mounts that a set of tasks sees, `mount_namespaces(7)`.
pub struct MountNamespace {
    pub(super) ids: Arc<MountIds>,
    /// Whose capabilities count for changes; `None` for the initial user namespace.
    owner: Option<Arc<UserNamespace>>,
    pub(super) table: RwLock<Table>,
    /// How often mounts have been added, removed or changed.
    changes: AtomicU64,
    changed: WaitQueue,
}

impl MountNamespace {
    /// A namespace with `fs` at its root.
    pub fn new(ids: Arc<MountIds>, fs: Arc<dyn FileSystem>, flags: u32, source: &str) -> Arc<MountNamespace> {
        let root = Mount::detached(ids.next_mount(), fs, flags, source);
        let table = RwLock::new(&TABLE, Table::new(&root));
        Arc::new(MountNamespace::with(ids, None, table))
    }
    fn with(ids: Arc<MountIds>, owner: Option<Arc<UserNamespace>>, table: RwLock<Table>) -> MountNamespace {
        MountNamespace { ids, owner, table, changes: AtomicU64::new(0), changed: WaitQueue::new() }
    }
    /// How often its mounts have been added, removed or changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }
    /// Where to wait for changes, as exceptional conditions.
    pub fn change_queue(&self) -> &WaitQueue {
        &self.changed
    }
    /// Tells who waits that mounts have changed.
    pub(crate) fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.changed.wake(Events::PRI | Events::ERR);
    }
    /// The mount at the bottom of the root.
    pub fn root(&self) -> Arc<Mount> {
        self.table.read().root.clone()
    }
    /// The place that `/` is: the topmost mount at the root.
    pub fn root_path(&self) -> Path {
        self.top(self.root().root_path())
    }
    /// The user namespace that it belongs to; `None` for the initial one.
    pub fn owner(&self) -> Option<&Arc<UserNamespace>> {
        self.owner.as_ref()
    }
    /// Whether `cred` may change mounts here: `CAP_SYS_ADMIN` in the user namespace that this one belongs to. Errors: `EPERM`.
    pub fn check_admin(&self, cred: &Credentials) -> Result<(), Errno> {
        let may = match &self.owner {
            Some(owner) => cred.has_cap_in(Cap::SysAdmin, owner),
            None => cred.has_cap_everywhere(Cap::SysAdmin),
        };
        if may { Ok(()) } else { Err(Errno::EPERM) }
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
        while let Some(top) = self.over(&p.mount, &p.dentry) {
            p = top;
        }
        p
    }
    /// The place that shows at a name of a mount: the root of what is mounted there, if anything.
    pub(crate) fn covering(&self, mount: &Arc<Mount>, dentry: &Arc<Dentry>) -> Option<Path> {
        self.over(mount, dentry).map(|p| self.top(p))
    }
    /// The root of what is mounted right there.
    fn over(&self, mount: &Arc<Mount>, dentry: &Arc<Dentry>) -> Option<Path> {
        if dentry.mounted.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mount = self.mounted_on(mount, dentry)?;
        mount.touch();
        let dentry = mount.root().clone();
        Some(Path { mount, dentry })
    }
    /// As [`MountNamespace::top`], but not as a use of what is mounted there: for `umount2` with `MNT_EXPIRE`.
    pub(crate) fn peek(&self, mut p: Path) -> Path {
        while let Some(m) = self.mounted_on(&p.mount, &p.dentry) {
            p = m.root_path();
        }
        p
    }
    fn mounted_on(&self, mount: &Arc<Mount>, dentry: &Arc<Dentry>) -> Option<Arc<Mount>> {
        self.table.read().at.get(&key_of(mount, dentry)).cloned()
    }
    /// Whether something is mounted at `p` here.
    pub fn is_mount_point(&self, p: &Path) -> bool {
        p.dentry.mounted.load(Ordering::Acquire) > 0 && self.table.read().at.contains_key(&key(p))
    }
    /// Whether `m` is mounted here.
    pub fn contains(&self, m: &Arc<Mount>) -> bool {
        self.table.read().contains(m)
    }
    /// A copy for `CLONE_NEWNS`, which belongs to `owner` (`None`: the initial user namespace). The map moves paths (root, working
    /// directory) from here to the copy.
    pub fn copy(&self, owner: Option<Arc<UserNamespace>>) -> (Arc<MountNamespace>, MountMap) {
        let t = self.table.read();
        let root = t.root.copy(self.ids.next_mount());
        let mut map: HashMap<u64, Arc<Mount>> = HashMap::new();
        map.insert(t.root.id(), root.clone());
        let mut new = Table::new(&root);
        for m in t.subtree(&t.root).iter().skip(1) {
            let Some(at) = m.parent() else { continue };
            let Some(parent) = map.get(&at.mount.id()) else { continue };
            let c = m.copy(self.ids.next_mount());
            let place = Path { mount: parent.clone(), dentry: at.dentry };
            map.insert(m.id(), c.clone());
            new.attach(&c, place);
        }
        drop(t);
        let ns = MountNamespace::with(self.ids.clone(), owner, RwLock::new(&TABLE, new));
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
        let mount = self.0.get(&p.mount.id()).unwrap_or(&p.mount).clone();
        Path { mount, dentry: p.dentry.clone() }
    }
}

/// Weak reference to a namespace, for `/proc/PID/ns/mnt`.
pub type WeakNamespace = Weak<MountNamespace>;
