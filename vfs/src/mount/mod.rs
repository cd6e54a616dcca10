//! Mounts.

mod change;
mod namespace;
mod table;

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::consts::*;
use crate::dentry::{Dentry, Superblock};
use crate::inode::FileSystem;
use crate::path::Path;

pub use change::Unmount;
pub use namespace::{MountMap, MountNamespace, WeakNamespace};

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
    /// Files open for writing through it.
    writers: AtomicU32,
    /// `umount2` with `MNT_EXPIRE` asked for it, and nobody has used it since.
    expiring: AtomicBool,
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
            writers: AtomicU32::new(0),
            expiring: AtomicBool::new(false),
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
    /// Another mount of the same part of the same file system.
    fn copy(&self, id: u64) -> Arc<Mount> {
        self.copy_at(id, &self.root)
    }
    /// Another mount of the part of the same file system below `root`.
    fn copy_at(&self, id: u64, root: &Arc<Dentry>) -> Arc<Mount> {
        let c = Mount::new(id, self.sb.clone(), root.clone(), self.flags(), &self.source);
        c.set_propagation(self.propagation());
        c
    }
    /// Its number in `/proc/PID/mountinfo`.
    pub fn id(&self) -> u64 {
        self.id
    }
    /// Its number for `statmount(2)`: never used again, and above all that `mountinfo` shows.
    pub fn unique_id(&self) -> u64 {
        self.id | 1 << 31
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
    /// As [`Mount::set_flags`]. Errors: `EBUSY` for `MS_RDONLY` while files are open for writing through it.
    pub fn change_flags(&self, flags: u32) -> Result<(), Errno> {
        let becomes_read_only = flags & !self.flags() & MS_RDONLY != 0;
        if becomes_read_only && self.writers.load(Ordering::Relaxed) > 0 {
            return Err(Errno::EBUSY);
        }
        self.set_flags(flags);
        Ok(())
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
        self.flags() & MS_RDONLY != 0 || self.sb.is_read_only()
    }
    /// Counts a file that is open for writing.
    pub(crate) fn add_writer(&self) {
        self.writers.fetch_add(1, Ordering::Relaxed);
        self.sb.add_writer();
    }
    /// Ends what `add_writer` began.
    pub(crate) fn remove_writer(&self) {
        self.writers.fetch_sub(1, Ordering::Relaxed);
        self.sb.remove_writer();
    }
    /// Notes that somebody uses it.
    pub(crate) fn touch(&self) {
        if self.expiring.load(Ordering::Relaxed) {
            self.expiring.store(false, Ordering::Relaxed);
        }
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
