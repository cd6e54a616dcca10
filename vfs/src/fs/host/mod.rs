//! Directories of the host: names and attributes are the host's, file contents are cached page by page.

mod file;
mod inode;
mod node;

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;
use kcore::frame::FrameStore;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::StatFs;
use crate::inode::{FileSystem, Inode};

use inode::HostInode;
pub use node::HostNode;

static TABLE: LockClass = LockClass::new("host inodes", 342);

/// What all inodes of one host file system share.
struct Shared {
    dev: u64,
    read_only: bool,
    store: Arc<dyn FrameStore>,
    /// Inodes by the host's device and inode number, so that hard links share one.
    inodes: Mutex<HashMap<(u64, u64), Weak<HostInode>>>,
    /// Size of `inodes` at which dead entries are thrown out.
    sweep_at: AtomicUsize,
}

impl Shared {
    /// The inode for `node`, which may be known already.
    fn inode(self: &Arc<Shared>, node: Arc<dyn HostNode>) -> Result<Arc<HostInode>, Errno> {
        let attr = node.stat()?;
        let key = (attr.dev, attr.ino);
        let mut inodes = self.inodes.lock();
        if let Some(known) = inodes.get(&key).and_then(Weak::upgrade)
            && known.is_kind(attr.kind())
        {
            return Ok(known);
        }
        if inodes.len() >= self.sweep_at.load(Ordering::Relaxed) {
            inodes.retain(|_, i| i.strong_count() > 0);
            self.sweep_at.store((inodes.len() * 2).max(1024), Ordering::Relaxed);
        }
        let new = HostInode::new(self.clone(), node, &attr);
        inodes.insert(key, Arc::downgrade(&new));
        Ok(new)
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
            inodes: Mutex::new(&TABLE, HashMap::new()),
            sweep_at: AtomicUsize::new(1024),
        });
        let root = shared.inode(root)?;
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
        // The magic number of 9P, as gVisor's and WSL's host trees report; the host's own sizes are not the guest's business.
        Ok(StatFs {
            magic: 0x0102_1997,
            bsize: 4096,
            namelen: 255,
            fsid: self.shared.dev,
            ..StatFs::default()
        })
    }
    fn options(&self) -> String {
        String::new()
    }
    fn is_read_only(&self) -> bool {
        self.shared.read_only
    }
}
