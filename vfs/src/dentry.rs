//! Dentries: names that were looked up, each leading to an inode. The VFS owns them; file systems never see them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use hashbrown::HashMap;
use kcore::sync::{LockClass, Mutex, RwLock};

use crate::Errno;
use crate::consts::{IN_DELETE_SELF, NAME_MAX};
use crate::inode::{FileSystem, Inode, Validity};

static DENTRY: LockClass = LockClass::new("dentry", 320);
// Held while a file system looks names up, and procfs looks at tasks then.
static DIRECTORY: LockClass = LockClass::nesting("directory names", 96);
static RENAME: LockClass = LockClass::new("rename", 94);
static RECENT: LockClass = LockClass::new("recent dentries", 322);

/// One name of a file, and the names below it that are in use.
pub struct Dentry {
    inode: Arc<dyn Inode>,
    state: Mutex<State>,
    /// Held for reading while a missing name is looked up, for writing while names change.
    pub(crate) names: RwLock<()>,
    /// How many mounts lie on it, in all namespaces.
    pub(crate) mounted: AtomicU32,
    unlinked: AtomicBool,
}

struct State {
    parent: Option<Arc<Dentry>>,
    name: Box<[u8]>,
    children: HashMap<Box<[u8]>, Weak<Dentry>>,
}

impl Dentry {
    /// A root.
    pub(crate) fn root(inode: Arc<dyn Inode>) -> Arc<Dentry> {
        Dentry::make(inode, None, b"")
    }
    fn make(inode: Arc<dyn Inode>, parent: Option<Arc<Dentry>>, name: &[u8]) -> Arc<Dentry> {
        Arc::new(Dentry {
            inode,
            state: Mutex::new(&DENTRY, State { parent, name: name.into(), children: HashMap::new() }),
            names: RwLock::new(&DIRECTORY, ()),
            mounted: AtomicU32::new(0),
            unlinked: AtomicBool::new(false),
        })
    }
    /// A name for `inode` below `parent` that no directory lists (`O_TMPFILE`, memfd).
    pub(crate) fn unlisted(inode: Arc<dyn Inode>, parent: &Arc<Dentry>, name: &[u8]) -> Arc<Dentry> {
        let d = Dentry::make(inode, Some(parent.clone()), name);
        d.unlinked.store(true, Ordering::Release);
        d
    }
    /// The inode.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        &self.inode
    }
    /// The directory that it is in; `None` for a file system's root.
    pub fn parent(&self) -> Option<Arc<Dentry>> {
        self.state.lock().parent.clone()
    }
    /// Its name; empty for a root.
    pub fn name(&self) -> Vec<u8> {
        self.state.lock().name.to_vec()
    }
    /// Whether the name was removed.
    pub fn is_unlinked(&self) -> bool {
        self.unlinked.load(Ordering::Acquire)
    }
    /// Whether `self` is `other` or above it.
    pub fn is_ancestor_of(self: &Arc<Dentry>, other: &Arc<Dentry>) -> bool {
        let mut at = Some(other.clone());
        while let Some(d) = at {
            if Arc::ptr_eq(&d, self) {
                return true;
            }
            at = d.parent();
        }
        false
    }
    /// The child in the cache.
    pub(crate) fn cached(&self, name: &[u8]) -> Option<Arc<Dentry>> {
        self.state.lock().children.get(name).and_then(Weak::upgrade)
    }
    /// The child `name`, from the cache or the file system, and whether its attributes were seen for that, so that
    /// [`Inode::seen_attr`] tells them as they are now. Errors: the file system's.
    pub(crate) fn child(
        self: &Arc<Dentry>,
        sb: &Superblock,
        name: &[u8],
    ) -> Result<(Arc<Dentry>, bool), Errno> {
        if let Some(d) = self.cached(name) {
            match d.inode.revalidate(&*self.inode, name) {
                Validity::Gone => {
                    let _w = self.names.write();
                    self.forget(&d);
                }
                validity => return Ok((d, validity == Validity::Seen)),
            }
        }
        let _r = self.names.read();
        self.find_locked(sb, name)
    }
    /// As [`Dentry::child`], with `names` held by the caller.
    pub(crate) fn child_locked(
        self: &Arc<Dentry>,
        sb: &Superblock,
        name: &[u8],
    ) -> Result<Arc<Dentry>, Errno> {
        Ok(self.find_locked(sb, name)?.0)
    }
    fn find_locked(self: &Arc<Dentry>, sb: &Superblock, name: &[u8]) -> Result<(Arc<Dentry>, bool), Errno> {
        if let Some(d) = self.cached(name) {
            match d.inode.revalidate(&*self.inode, name) {
                Validity::Gone => {}
                validity => return Ok((d, validity == Validity::Seen)),
            }
        }
        if self.is_unlinked() {
            return Err(Errno::ENOENT);
        }
        // Here and not in the walk: what comes first decides which error a call with two bad names gives.
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok((self.adopt(sb, name, self.inode.lookup(name)?), true))
    }
    /// Puts a child that the file system has into the cache; one that is there already for the same inode stays.
    pub(crate) fn adopt(
        self: &Arc<Dentry>,
        sb: &Superblock,
        name: &[u8],
        inode: Arc<dyn Inode>,
    ) -> Arc<Dentry> {
        // Dropping a dentry locks its parent, so the old one must outlive the guard.
        let old;
        let new = {
            let mut s = self.state.lock();
            old = s.children.get(name).and_then(Weak::upgrade);
            if let Some(d) = &old
                && Arc::ptr_eq(&d.inode, &inode)
            {
                return d.clone();
            }
            let d = Dentry::make(inode, Some(self.clone()), name);
            s.children.insert(name.into(), Arc::downgrade(&d));
            d
        };
        drop(old);
        sb.keep(&new);
        new
    }
    /// Takes a child out of the cache because its name is gone or stands for something else.
    pub(crate) fn forget(&self, child: &Arc<Dentry>) {
        child.unlinked.store(true, Ordering::Release);
        let name = child.name();
        let mut s = self.state.lock();
        if s.children.get(&name[..]).is_some_and(|w| core::ptr::eq(w.as_ptr(), Arc::as_ptr(child))) {
            s.children.remove(&name[..]);
        }
    }
    /// Moves a child to another directory and name. Both directories' `names` are held for writing.
    pub(crate) fn move_child(child: &Arc<Dentry>, from: &Arc<Dentry>, to: &Arc<Dentry>, name: &[u8]) {
        let old = child.name();
        {
            let mut s = from.state.lock();
            if s.children.get(&old[..]).is_some_and(|w| core::ptr::eq(w.as_ptr(), Arc::as_ptr(child))) {
                s.children.remove(&old[..]);
            }
        }
        let old_parent = {
            let mut s = child.state.lock();
            s.name = name.into();
            s.parent.replace(to.clone())
        };
        drop(old_parent);
        to.state.lock().children.insert(name.into(), Arc::downgrade(child));
    }
}

impl Drop for Dentry {
    fn drop(&mut self) {
        // With the last use of a removed file's last name its watchers hear that it is gone.
        if *self.unlinked.get_mut()
            && self.inode.common().is_watched()
            && self.inode.attr().map_or(true, |a| a.is_dir() || a.nlink == 0)
        {
            self.inode.common().notify(IN_DELETE_SELF, 0, None);
        }
        // Unhook from the parent, and go up without recursion: a guest chooses the depth.
        let s = self.state.get_mut();
        let mut parent = s.parent.take();
        if let Some(p) = &parent {
            let mut ps = p.state.lock();
            if ps.children.get(&s.name[..]).is_some_and(|w| w.strong_count() == 0) {
                ps.children.remove(&s.name[..]);
            }
        }
        while let Some(p) = parent {
            let Some(mut d) = Arc::into_inner(p) else { break };
            let s = d.state.get_mut();
            parent = s.parent.take();
            if let Some(p) = &parent {
                let mut ps = p.state.lock();
                if ps.children.get(&s.name[..]).is_some_and(|w| w.strong_count() == 0) {
                    ps.children.remove(&s.name[..]);
                }
            }
        }
    }
}

impl core::fmt::Debug for Dentry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Dentry({:?})", alloc::string::String::from_utf8_lossy(&self.name()))
    }
}

/// Most dentries that a file system keeps although nobody uses them.
const KEPT: usize = 2048;

/// A file system in use: shared by all its mounts.
pub struct Superblock {
    fs: Arc<dyn FileSystem>,
    root: Arc<Dentry>,
    /// Held for writing by renames between directories.
    pub(crate) rename: Mutex<()>,
    recent: Mutex<VecDeque<Arc<Dentry>>>,
    read_only: AtomicBool,
    /// Files open for writing.
    writers: AtomicU32,
    /// Renames so far that somebody may have watched.
    renames: AtomicU32,
}

impl Superblock {
    /// For `fs`.
    pub fn new(fs: Arc<dyn FileSystem>) -> Arc<Superblock> {
        let root = Dentry::root(fs.root());
        let recent = Mutex::new(&RECENT, VecDeque::new());
        Arc::new(Superblock {
            fs,
            root,
            rename: Mutex::new(&RENAME, ()),
            recent,
            read_only: AtomicBool::new(false),
            writers: AtomicU32::new(0),
            renames: AtomicU32::new(0),
        })
    }
    /// What joins the two events of a rename, `inotify(7)`: not zero.
    pub(crate) fn rename_cookie(&self) -> u32 {
        self.renames.fetch_add(1, Ordering::Relaxed) | 1 << 31
    }
    /// The file system.
    pub fn fs(&self) -> &Arc<dyn FileSystem> {
        &self.fs
    }
    /// Its root.
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }
    /// Whether nothing in the file system can change, through whichever mount.
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed) || self.fs.is_read_only()
    }
    /// Forbids or allows changes. Errors: `EBUSY` if files are open for writing; `EROFS` if the file system cannot be written to.
    pub fn set_read_only(&self, read_only: bool) -> Result<(), Errno> {
        if read_only && self.writers.load(Ordering::Relaxed) > 0 {
            return Err(Errno::EBUSY);
        }
        if !read_only && self.fs.is_read_only() {
            return Err(Errno::EROFS);
        }
        self.read_only.store(read_only, Ordering::Relaxed);
        Ok(())
    }
    pub(crate) fn add_writer(&self) {
        self.writers.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn remove_writer(&self) {
        self.writers.fetch_sub(1, Ordering::Relaxed);
    }
    fn keep(&self, d: &Arc<Dentry>) {
        let old = {
            let mut r = self.recent.lock();
            r.push_back(d.clone());
            if r.len() > KEPT { r.pop_front() } else { None }
        };
        drop(old);
    }
    /// Lets go of the dentries kept for later, so that removed files are freed.
    pub fn shrink(&self) {
        let all = core::mem::take(&mut *self.recent.lock());
        drop(all);
    }
    pub(crate) fn unkeep(&self, d: &Arc<Dentry>) {
        let removed = {
            let mut r = self.recent.lock();
            r.iter().rposition(|x| Arc::ptr_eq(x, d)).and_then(|i| r.swap_remove_back(i))
        };
        drop(removed);
    }
}
