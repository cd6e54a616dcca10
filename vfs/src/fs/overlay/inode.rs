//! Inodes of an overlay.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kcore::cred::Credentials;
use kcore::io::{IoError, IoResult};
use kcore::sync::{LockClass, Mutex};

use super::file::OverlayFile;
use super::mapping::OverlayMapping;
use super::{Shared, key_of};
use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr};
use crate::consts::*;
use crate::context::Caller;
use crate::dir::DirFile;
use crate::file::{FileOps, OpenFile};
use crate::inode::{DirEntry, Inode, InodeCommon, MagicLink, NewInode};
use crate::path::Path;

static COPYING: LockClass = LockClass::new("overlay copy-up", 325);
static STATE: LockClass = LockClass::nesting("overlay inode", 327);

/// Bits of an inode number that tell the tree that it comes from; the topmost lower tree has none.
const LAYER_SHIFT: u32 = 48;

/// The number that a layer's inode number becomes. Layer `None` is the upper tree.
pub(super) fn layer_ino(layer: Option<usize>, ino: u64) -> u64 {
    let tag = match layer {
        Some(0) => 0,
        Some(n) => (n as u64 + 1) << LAYER_SHIFT,
        None => 1 << LAYER_SHIFT,
    };
    ino ^ tag
}

/// A file of an overlay.
pub(super) struct OverlayInode {
    pub(super) shared: Arc<Shared>,
    this: Weak<OverlayInode>,
    common: InodeCommon,
    kind: FileKind,
    /// What it is made of in the lower trees, the topmost first, each with its layer; only directories have several.
    pub(super) lowers: Vec<(usize, Arc<dyn Inode>)>,
    /// Held while it is copied up.
    pub(super) copying: Mutex<()>,
    /// Its number; known without a lock of low rank, because faults ask for it.
    ino: AtomicU64,
    /// It is its lower file as it is, neither copied up nor removed: so are most, and each step of a path walk asks.
    is_lower: AtomicBool,
    state: Mutex<State>,
}

struct State {
    upper: Option<Arc<dyn Inode>>,
    /// Where a file that is not copied up yet was found.
    place: Option<(Arc<OverlayInode>, Vec<u8>)>,
    mapping: Weak<OverlayMapping>,
    /// Its name is gone, which a lower file does not know.
    removed: bool,
}

impl OverlayInode {
    /// The inode made of these; one that is known already stays. `place` is where it was found, if it may have to be copied up.
    ///
    /// Errors: what the layers say.
    pub(super) fn make(
        shared: &Arc<Shared>,
        kind: FileKind,
        upper: Option<Arc<dyn Inode>>,
        lowers: Vec<(usize, Arc<dyn Inode>)>,
        place: Option<(&Arc<OverlayInode>, &[u8])>,
    ) -> Result<Arc<OverlayInode>, Errno> {
        let copy = match (&upper, &lowers[..]) {
            (None, [(_, lower), ..]) if kind != FileKind::Directory => shared.copy_of(lower),
            _ => None,
        };
        let upper = upper.or(copy);
        let (key, ino, shareable) = match (&upper, lowers.first()) {
            (Some(u), _) => {
                let ino = match shared.origin(u) {
                    Some(origin) => origin,
                    None => layer_ino(None, u.attr()?.ino),
                };
                (key_of(u), ino, true)
            }
            (None, Some((layer, l))) => {
                // It was just looked up.
                let attr = l.seen_attr()?;
                // Without an index, names of one lower file become separate files when they are copied up.
                let one = attr.nlink == 1 || attr.is_dir() || shared.index.is_some();
                (key_of(l), layer_ino(Some(*layer), attr.ino), one)
            }
            (None, None) => return Err(Errno::ENOENT),
        };
        let make = || {
            Arc::new_cyclic(|this| OverlayInode {
                shared: shared.clone(),
                this: this.clone(),
                common: InodeCommon::default(),
                kind,
                lowers,
                copying: Mutex::new(&COPYING, ()),
                ino: AtomicU64::new(ino),
                is_lower: AtomicBool::new(upper.is_none()),
                state: Mutex::new(
                    &STATE,
                    State {
                        place: place.filter(|_| upper.is_none()).map(|(d, n)| (d.clone(), n.to_vec())),
                        upper,
                        mapping: Weak::new(),
                        removed: false,
                    },
                ),
            })
        };
        Ok(if shareable { shared.intern(key, make) } else { make() })
    }
    /// A file that is in the upper tree only. Errors: what that says.
    pub(super) fn pure(shared: &Arc<Shared>, upper: Arc<dyn Inode>) -> Result<Arc<OverlayInode>, Errno> {
        OverlayInode::make(shared, upper.kind(), Some(upper), Vec::new(), None)
    }
    /// `inode` as one of this overlay. Errors: `EXDEV`.
    pub(super) fn own(&self, inode: &Arc<dyn Inode>) -> Result<Arc<OverlayInode>, Errno> {
        let any: Arc<dyn Any + Send + Sync> = inode.clone();
        let own = any.downcast::<OverlayInode>().map_err(|_| Errno::EXDEV)?;
        if Arc::ptr_eq(&own.shared, &self.shared) { Ok(own) } else { Err(Errno::EXDEV) }
    }
    /// Itself, shared. Errors: `EIO` never, as it is only called through a shared reference.
    pub(super) fn arc(&self) -> Result<Arc<OverlayInode>, Errno> {
        self.this.upgrade().ok_or(Errno::EIO)
    }
    /// What stands for it in the upper tree, once it is copied up.
    pub(super) fn upper(&self) -> Option<Arc<dyn Inode>> {
        if self.is_lower.load(Ordering::Acquire) { None } else { self.state.lock().upper.clone() }
    }
    /// What its attributes and content come from: the upper file, or else the topmost lower one.
    pub(super) fn real(&self) -> Arc<dyn Inode> {
        let upper = self.upper();
        // One of both is there: `make` saw to it.
        upper.unwrap_or_else(|| self.lowers[0].1.clone())
    }
    /// Notes that a name of it is gone. Errors: the lower tree's.
    pub(super) fn set_removed(&self) -> Result<(), Errno> {
        match (self.upper(), self.lowers.first()) {
            (Some(upper), _) => self.shared.count_name(&upper, false),
            (None, Some((_, lower))) if !self.is_dir() => {
                let names = lower.attr()?.nlink;
                if names > 1 && self.shared.note_removed(lower, names) {
                    return Ok(());
                }
                self.note_removed();
            }
            (None, _) => self.note_removed(),
        }
        Ok(())
    }
    fn note_removed(&self) {
        self.state.lock().removed = true;
        self.is_lower.store(false, Ordering::Release);
    }
    /// Where it was found, while it is not copied up.
    pub(super) fn place(&self) -> Option<(Arc<OverlayInode>, Vec<u8>)> {
        self.state.lock().place.clone()
    }
    /// Its attributes, made of those that `of` tells of what they come from. Errors: those of `of`.
    fn attr_by(
        &self,
        of: impl FnOnce(&Arc<dyn Inode>) -> Result<InodeAttr, Errno>,
    ) -> Result<InodeAttr, Errno> {
        let (upper, removed) = match self.is_lower.load(Ordering::Acquire) {
            true => (None, false),
            false => {
                let s = self.state.lock();
                (s.upper.clone(), s.removed)
            }
        };
        let merged = self.is_dir() && self.lowers.len() + usize::from(upper.is_some()) > 1;
        let real = upper.as_ref().unwrap_or_else(|| &self.lowers[0].1);
        let mut attr = of(real)?;
        (attr.dev, attr.ino) = self.identity();
        if merged {
            // As on Linux: nobody counts the subdirectories of a merged directory.
            attr.nlink = 1;
        }
        if removed && upper.is_none() {
            attr.nlink = if self.is_dir() { 0 } else { attr.nlink.saturating_sub(1) };
        } else if !self.is_dir() {
            attr.nlink = self.shared.names_of(real).unwrap_or(attr.nlink);
        }
        Ok(attr)
    }
    pub(super) fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }
    /// Its device and inode number.
    pub(super) fn identity(&self) -> (u64, u64) {
        (self.shared.dev, self.ino.load(Ordering::Relaxed))
    }
    /// Makes `upper` stand for it from now on, for its mappings too. `ino` is its number afterwards.
    pub(super) fn set_upper(&self, upper: Arc<dyn Inode>, ino: u64) -> Result<(), Errno> {
        self.shared.alias(key_of(&upper), &self.this);
        let (place, mapping) = {
            let mut s = self.state.lock();
            s.upper = Some(upper.clone());
            self.is_lower.store(false, Ordering::Release);
            self.ino.store(ino, Ordering::Relaxed);
            (s.place.take(), s.mapping.upgrade())
        };
        drop(place);
        if let (Some(m), Some(root)) = (mapping, &self.shared.upper) {
            let ops = upper.open(root, O_RDONLY).map_err(IoError::errno)?;
            m.switch(OpenFile::new(ops, O_RDONLY, None).mappable().ok_or(Errno::ENODEV)?);
        }
        Ok(())
    }
    /// What its mappings map while any of them lives; if there is none, `new` is, unless the file was copied up since `new` was made
    /// from its lower file.
    pub(super) fn mapping(
        &self,
        new: &Arc<OverlayMapping>,
        new_is_upper: bool,
    ) -> Option<Arc<OverlayMapping>> {
        let mut s = self.state.lock();
        if let Some(m) = s.mapping.upgrade() {
            return Some(m);
        }
        if s.upper.is_some() != new_is_upper {
            return None;
        }
        s.mapping = Arc::downgrade(new);
        Some(new.clone())
    }
    pub(super) fn known_mapping(&self) -> Option<Arc<OverlayMapping>> {
        self.state.lock().mapping.upgrade()
    }
}

impl Inode for OverlayInode {
    fn common(&self) -> &InodeCommon {
        &self.common
    }
    fn kind(&self) -> FileKind {
        self.kind
    }
    fn attr(&self) -> Result<InodeAttr, Errno> {
        self.attr_by(|real| real.attr())
    }
    fn seen_attr(&self) -> Result<InodeAttr, Errno> {
        self.attr_by(|real| real.seen_attr())
    }
    fn permission(&self, cred: &Credentials, mask: u32) -> Result<(), Errno> {
        match self.upper() {
            Some(upper) => upper.permission(cred, mask),
            None => self.lowers[0].1.permission(cred, mask),
        }
    }
    fn set_attr(&self, change: &AttrChange) -> Result<(), Errno> {
        let upper = match change.size {
            Some(size) => self.copy_up_part(size)?,
            None => self.copy_up()?,
        };
        upper.set_attr(change)
    }
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.child(name)?)
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        self.entries()
    }
    fn create(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.make_name(name, |dir, _| dir.create(name, new))
    }
    fn mkdir(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.make_directory(name, new)
    }
    fn mknod(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        // It would be taken for a whiteout.
        if new.mode & S_IFMT == S_IFCHR && new.rdev == 0 {
            return Err(Errno::EPERM);
        }
        self.make_name(name, |dir, _| dir.mknod(name, new))
    }
    fn symlink(&self, name: &[u8], target: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.make_name(name, |dir, _| dir.symlink(name, target, new))
    }
    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        let target = self.own(target)?.copy_up()?;
        self.make_name(name, |dir, _| {
            dir.link(name, &target)?;
            Ok(target.clone())
        })?;
        self.shared.count_name(&target, true);
        Ok(())
    }
    fn unlink(&self, name: &[u8]) -> Result<(), Errno> {
        self.remove_name(name)
    }
    fn rmdir(&self, name: &[u8]) -> Result<(), Errno> {
        self.remove_directory(name)
    }
    fn rename(
        &self,
        name: &[u8],
        new_dir: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: u32,
    ) -> Result<(), Errno> {
        self.move_name(name, &*self.own(new_dir)?, new_name, flags)
    }
    fn tmpfile(&self, new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        let upper = self.shared.upper.as_ref().ok_or(Errno::EROFS)?;
        Ok(OverlayInode::pure(&self.shared, upper.inode().tmpfile(new)?)?)
    }
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        self.real().readlink()
    }
    fn follow_magic(&self, caller: &Caller<'_>) -> Option<Result<MagicLink, Errno>> {
        // Without an upper tree procfs may be a layer; its links lead where they lead.
        if self.kind == FileKind::Symlink { self.real().follow_magic(caller) } else { None }
    }
    fn open(self: Arc<Self>, path: &Path, flags: u32) -> IoResult<Arc<dyn FileOps>> {
        match self.kind {
            FileKind::Directory => Ok(DirFile::new(self)),
            FileKind::Regular => Ok(OverlayFile::open(self, path, flags)?),
            _ => Err(Errno::ENXIO.into()),
        }
    }
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.xattr(name)
    }
    fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        self.change_xattr(name, Some((value, flags)))
    }
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        self.xattr_names()
    }
    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        self.change_xattr(name, None)
    }
}

impl Drop for OverlayInode {
    fn drop(&mut self) {
        if self.shared.index.is_some() {
            self.shared.forget_nameless(&self.real());
        }
        // Without recursion: a guest chooses the depth.
        let mut place = self.state.get_mut().place.take();
        while let Some((parent, _)) = place {
            place = Arc::into_inner(parent).and_then(|mut p| p.state.get_mut().place.take());
        }
    }
}
