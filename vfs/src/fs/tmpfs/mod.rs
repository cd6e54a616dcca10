//! A file system in memory, `tmpfs(5)`; also what memfds are made of.

mod file;
mod inode;

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use kcore::addr::PAGE_SIZE;
use kcore::frame::FrameStore;
use kcore::host::Clock;
use kcore::id::{Gid, Uid};

use crate::Errno;
use crate::attr::{StatFs, Timestamp};
use crate::consts::*;
use crate::inode::{FileSystem, Inode, NewInode};

pub use file::TmpFile;
pub use inode::TmpInode;

/// Limits and the root's attributes.
#[derive(Clone, Copy, Debug)]
pub struct TmpFsOptions {
    /// Most bytes of content; `u64::MAX` for no limit.
    pub size: u64,
    /// Most inodes.
    pub inodes: u64,
    /// Mode of the root.
    pub mode: u32,
    /// Owner of the root.
    pub uid: Uid,
    /// Group of the root.
    pub gid: Gid,
}

impl Default for TmpFsOptions {
    fn default() -> Self {
        TmpFsOptions { size: u64::MAX, inodes: u64::MAX, mode: 0o1777, uid: Uid::ROOT, gid: Gid::ROOT }
    }
}

/// What all inodes of one file system share.
struct Shared {
    dev: u64,
    clock: Arc<dyn Clock>,
    store: Arc<dyn FrameStore>,
    max_pages: u64,
    max_inodes: u64,
    pages: AtomicU64,
    inodes: AtomicU64,
    next_ino: AtomicU64,
}

impl Shared {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.clock.realtime())
    }
    fn charge(&self, n: u64) -> Result<(), Errno> {
        let add = |p: u64| p.checked_add(n).filter(|p| *p <= self.max_pages);
        self.pages
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .map_or(Err(Errno::ENOSPC), |_| Ok(()))
    }
    fn uncharge(&self, n: u64) {
        self.pages.fetch_sub(n, Ordering::Relaxed);
    }
}

/// A file system in memory.
pub struct TmpFs {
    shared: Arc<Shared>,
    root: Arc<TmpInode>,
    name: &'static str,
    options: TmpFsOptions,
}

impl TmpFs {
    /// Empty, with device number `dev`; content lies in `store`. Errors: `ENOSPC` if `options` leave no room for the root.
    pub fn new(
        dev: u64,
        clock: Arc<dyn Clock>,
        store: Arc<dyn FrameStore>,
        options: TmpFsOptions,
    ) -> Result<Arc<TmpFs>, Errno> {
        let shared = Arc::new(Shared {
            dev,
            clock,
            store,
            max_pages: options.size / PAGE_SIZE,
            max_inodes: options.inodes,
            pages: AtomicU64::new(0),
            inodes: AtomicU64::new(0),
            next_ino: AtomicU64::new(1),
        });
        let new =
            NewInode { mode: S_IFDIR | options.mode & 0o7777, uid: options.uid, gid: options.gid, rdev: 0 };
        let root = TmpInode::new(&shared, &new, b"", 2)?;
        Ok(Arc::new(TmpFs { shared, root, name: "tmpfs", options }))
    }
    /// A regular file without a name, for `memfd_create(2)`: sealable if `seals` is not `F_SEAL_SEAL`.
    /// Open it with [`open_unlisted`](crate::ops::open_unlisted). Errors: `ENOSPC`.
    pub fn memfd(&self, uid: Uid, gid: Gid, mode: u32, seals: u32) -> Result<Arc<dyn Inode>, Errno> {
        let new = NewInode { mode: S_IFREG | mode & 0o777, uid, gid, rdev: 0 };
        let inode = TmpInode::new(&self.shared, &new, b"", 0)?;
        inode.init_seals(seals);
        Ok(inode)
    }
}

impl FileSystem for TmpFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }
    fn name(&self) -> &str {
        self.name
    }
    fn dev(&self) -> u64 {
        self.shared.dev
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        let s = &self.shared;
        let blocks = s.max_pages.min(s.store.max_pages());
        let free = blocks.saturating_sub(s.pages.load(Ordering::Relaxed));
        let files = s.max_inodes.min(blocks);
        Ok(StatFs {
            magic: 0x0102_1994,
            bsize: PAGE_SIZE,
            blocks,
            bfree: free,
            bavail: free,
            files,
            ffree: files.saturating_sub(s.inodes.load(Ordering::Relaxed)),
            fsid: s.dev,
            namelen: NAME_MAX as u64,
        })
    }
    fn options(&self) -> String {
        let mut out = String::new();
        if self.options.size != u64::MAX {
            out = alloc::format!("size={}k,", self.options.size / 1024);
        }
        out + &alloc::format!("mode={:o}", self.options.mode)
    }
}
