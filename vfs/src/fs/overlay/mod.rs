//! An overlay file system: read-only lower trees with one writable tree on top, as Linux's `overlayfs` without `redirect_dir`
//! and `metacopy`.
//!
//! A file is *copied up* into the upper tree, with its missing parents, before it is changed. A name of a lower tree that was
//! removed is hidden by a *whiteout* (a character device 0/0), and a directory that replaces one is *opaque* (an extended attribute). So the
//! upper tree has Linux's format, but for the origin attribute, whose content is private here as it is there.
//!
//! Locks, outermost first: `copying` of one inode (held while its content is copied), `tree` (held while names of the upper tree change),
//! then those of single fields, under which nothing else is called. The VFS holds the names of the overlay's directory around all of them.

mod copy_up;
mod file;
mod index;
mod inode;
mod list;
mod lookup;
mod mapping;
mod names;
mod options;
mod rename;
mod xattr;

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use hashbrown::HashMap;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::{FileKind, StatFs};
use crate::inode::{FileSystem, Inode};
use crate::path::Path;

use index::Index;
use inode::OverlayInode;
pub use options::OverlayOptions;

static TREE: LockClass = LockClass::nesting("overlay tree", 326);
static TABLE: LockClass = LockClass::nesting("overlay inodes", 329);
static INDEX: LockClass = LockClass::nesting("overlay index", 329);

/// `f_type` of `statfs(2)`.
const MAGIC: u64 = 0x794c_7630;

/// What all inodes of one overlay share.
struct Shared {
    dev: u64,
    /// The upper tree's root; `None` makes the overlay read-only.
    upper: Option<Path>,
    lowers: Vec<Path>,
    /// `trusted.overlay.` or `user.overlay.`.
    xattr_prefix: &'static [u8],
    /// Held while names in the upper tree change.
    tree: Mutex<()>,
    /// Known inodes by the address of the file that stands for them: the upper one, or the lower one as long as there is no upper.
    inodes: Mutex<Inodes>,
    /// With `index=on`.
    index: Option<Mutex<Index>>,
}

struct Inodes {
    known: HashMap<usize, Weak<OverlayInode>>,
    /// Size of `known` at which dead entries are thrown out.
    sweep_at: usize,
}

impl Shared {
    /// The inode known for the file at `key`; a missing one is made.
    fn intern(&self, key: usize, make: impl FnOnce() -> Arc<OverlayInode>) -> Arc<OverlayInode> {
        let mut t = self.inodes.lock();
        if let Some(known) = t.known.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        if t.known.len() >= t.sweep_at {
            t.known.retain(|_, i| i.strong_count() > 0);
            t.sweep_at = (t.known.len() * 2).max(1024);
        }
        let new = make();
        t.known.insert(key, Arc::downgrade(&new));
        new
    }
    /// Makes `inode` known by another address too, after it was copied up.
    fn alias(&self, key: usize, inode: &Weak<OverlayInode>) {
        self.inodes.lock().known.insert(key, inode.clone());
    }
}

/// The address of a layer's file, as its identity while it is held.
fn key_of(inode: &Arc<dyn Inode>) -> usize {
    Arc::as_ptr(inode).cast::<()>().addr()
}

/// An overlay of directory trees.
pub struct OverlayFs {
    shared: Arc<Shared>,
    root: Arc<OverlayInode>,
    options: String,
}

impl OverlayFs {
    /// The tree that shows `upper` over `lowers`, the topmost lower first. Files report `dev` as their device.
    ///
    /// Errors: `EINVAL` without a lower tree, or if `upper` cannot hold what is copied up (an overlay, a file system without
    /// unnamed files); `ENOTDIR`; what the layers say.
    pub fn new(
        dev: u64,
        lowers: Vec<Path>,
        upper: Option<Path>,
        options: &OverlayOptions,
    ) -> Result<Arc<OverlayFs>, Errno> {
        if lowers.is_empty() {
            return Err(Errno::EINVAL);
        }
        if lowers.iter().chain(&upper).any(|p| p.inode().kind() != FileKind::Directory) {
            return Err(Errno::ENOTDIR);
        }
        if upper.as_ref().is_some_and(|u| u.mount.fs().name() == "overlay") {
            return Err(Errno::EINVAL);
        }
        let shared = Arc::new(Shared {
            dev,
            upper,
            lowers,
            xattr_prefix: if options.user_xattr { xattr::USER } else { xattr::TRUSTED },
            tree: Mutex::new(&TREE, ()),
            inodes: Mutex::new(&TABLE, Inodes { known: HashMap::new(), sweep_at: 1024 }),
            index: options.index.then(|| Mutex::new(&INDEX, Index::default())),
        });
        let upper = shared.upper.as_ref().map(|p| p.inode().clone());
        let lowers = shared.lowers.iter().enumerate().map(|(i, p)| (i, p.inode().clone())).collect();
        let root = OverlayInode::make(&shared, FileKind::Directory, upper, lowers, None)?;
        Ok(Arc::new(OverlayFs { shared, root, options: options.text.clone() }))
    }
}

impl FileSystem for OverlayFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }
    fn name(&self) -> &str {
        "overlay"
    }
    fn dev(&self) -> u64 {
        self.shared.dev
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        let layer = self.shared.upper.as_ref().or(self.shared.lowers.first()).ok_or(Errno::EIO)?;
        Ok(StatFs { magic: MAGIC, fsid: self.shared.dev, ..layer.mount.fs().statfs()? })
    }
    fn options(&self) -> String {
        self.options.clone()
    }
    fn is_read_only(&self) -> bool {
        self.shared.upper.as_ref().is_none_or(|u| u.mount.is_read_only())
    }
    fn sync(&self) -> Result<(), Errno> {
        self.shared.upper.as_ref().map_or(Ok(()), |u| u.mount.fs().sync())
    }
}
