//! Directories of the host: names, attributes and contents are the host's; only mapped pages are cached.

mod cache;
mod file;
mod inode;
mod node;

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use hashbrown::HashMap;
use kcore::frame::FrameStore;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::{InodeAttr, StatFs};
use crate::inode::{FileSystem, Inode};

use inode::HostInode;
pub use node::HostNode;

static TABLE: LockClass = LockClass::new("host inodes", 342);

/// What all inodes of one host file system share.
struct Shared {
    dev: u64,
    read_only: bool,
    store: Arc<dyn FrameStore>,
    inodes: Mutex<Inodes>,
}

struct Inodes {
    /// By the host's device and inode number, so that hard links share one.
    known: HashMap<(u64, u64), Weak<HostInode>>,
    /// Size of `known` at which dead entries are thrown out.
    sweep_at: usize,
    /// The host's devices that were met.
    devs: Vec<u64>,
}

/// Bits of an inode number that tell the host's file systems apart; the root's has none.
const DEV_SHIFT: u32 = 40;

impl Shared {
    /// The inode for `node`, which may be known already.
    fn inode(self: &Arc<Shared>, node: Arc<dyn HostNode>, attr: &InodeAttr) -> Arc<HostInode> {
        let key = (attr.dev, attr.ino);
        let mut t = self.inodes.lock();
        if let Some(known) = t.known.get(&key).and_then(Weak::upgrade)
            && known.is_kind(attr.kind())
        {
            return known;
        }
        if t.known.len() >= t.sweep_at {
            t.known.retain(|_, i| i.strong_count() > 0);
            t.sweep_at = (t.known.len() * 2).max(1024);
        }
        let index = t.devs.iter().position(|d| *d == attr.dev).unwrap_or_else(|| {
            t.devs.push(attr.dev);
            t.devs.len() - 1
        });
        let new = HostInode::new(self.clone(), node, attr, (index as u64) << DEV_SHIFT);
        t.known.insert(key, Arc::downgrade(&new));
        new
    }
}

/// A directory of the host as a file system.
pub struct HostFs {
    shared: Arc<Shared>,
    root: Arc<HostInode>,
}

impl HostFs {
    /// The tree below `root`. Files report `dev` as their device; `store` holds the cached pages. Errors: what `stat` of the root says.
    pub fn new(
        root: Arc<dyn HostNode>,
        dev: u64,
        store: Arc<dyn FrameStore>,
        read_only: bool,
    ) -> Result<Arc<HostFs>, Errno> {
        let shared = Arc::new(Shared {
            dev,
            read_only,
            store,
            inodes: Mutex::new(&TABLE, Inodes { known: HashMap::new(), sweep_at: 1024, devs: Vec::new() }),
        });
        let attr = root.stat()?;
        let root = shared.inode(root, &attr);
        Ok(Arc::new(HostFs { shared, root }))
    }
}

impl FileSystem for HostFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }
    fn name(&self) -> &str {
        "hostfs"
    }
    fn dev(&self) -> u64 {
        self.shared.dev
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        // The magic number of 9P, as gVisor's and WSL's host trees report: programs then expect changes that they are not told of.
        Ok(StatFs { magic: 0x0102_1997, fsid: self.shared.dev, ..self.root.node.statfs()? })
    }
    fn options(&self) -> String {
        String::new()
    }
    fn is_read_only(&self) -> bool {
        self.shared.read_only
    }
    fn sync(&self) -> Result<(), Errno> {
        if self.shared.read_only {
            return Ok(());
        }
        let known: Vec<_> = self.shared.inodes.lock().known.values().filter_map(Weak::upgrade).collect();
        let written = known.iter().map(|i| i.write_back()).fold(Ok(()), Result::and);
        written.and(self.root.node.sync_all())
    }
}
