//! A file system in memory, `tmpfs(5)`; also what memfds are made of.

mod file;
mod inode;
mod options;
mod reserved;

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use kcore::addr::PAGE_SIZE;
use kcore::frame::FrameStore;
use kcore::host::Clock;
use kcore::id::{Gid, Uid};
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::{StatFs, Timestamp};
use crate::consts::*;
use crate::inode::{FileSystem, Inode, NewInode};

pub use file::TmpFile;
pub use inode::TmpInode;
pub use options::TmpFsOptions;

static OPTIONS: LockClass = LockClass::new("tmpfs options", 344);

/// What all inodes of one file system share.
struct Shared {
    dev: u64,
    clock: Arc<dyn Clock>,
    store: Arc<dyn FrameStore>,
    max_pages: AtomicU64,
    max_inodes: AtomicU64,
    pages: AtomicU64,
    inodes: AtomicU64,
    next_ino: AtomicU64,
}

impl Shared {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.clock.realtime())
    }
    fn charge(&self, n: u64) -> Result<(), Errno> {
        let max = self.max_pages.load(Ordering::Relaxed);
        let add = |p: u64| p.checked_add(n).filter(|p| *p <= max);
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
    options: Mutex<TmpFsOptions>,
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
            max_pages: AtomicU64::new(options.size / PAGE_SIZE),
            max_inodes: AtomicU64::new(options.inodes),
            pages: AtomicU64::new(0),
            inodes: AtomicU64::new(0),
            next_ino: AtomicU64::new(1),
        });
        let new =
            NewInode { mode: S_IFDIR | options.mode & 0o7777, uid: options.uid, gid: options.gid, rdev: 0 };
        let root = TmpInode::new(&shared, &new, b"", 2)?;
        let options = Mutex::new(&OPTIONS, options);
        Ok(Arc::new(TmpFs { shared, root, name: "tmpfs", options }))
    }
    /// As [`TmpFs::new`], but with type name `name`: what Linux makes of a tmpfs too (`devtmpfs`, `ramfs`). Errors: as there.
    pub fn named(
        name: &'static str,
        dev: u64,
        clock: Arc<dyn Clock>,
        store: Arc<dyn FrameStore>,
        options: TmpFsOptions,
    ) -> Result<Arc<TmpFs>, Errno> {
        let fs = TmpFs::new(dev, clock, store, options)?;
        Arc::into_inner(fs).map(|fs| Arc::new(TmpFs { name, ..fs })).ok_or(Errno::ENOMEM)
    }
    fn memory(&self) -> u64 {
        self.shared.store.max_pages().saturating_mul(PAGE_SIZE)
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
        let blocks = s.max_pages.load(Ordering::Relaxed).min(s.store.max_pages());
        let free = blocks.saturating_sub(s.pages.load(Ordering::Relaxed));
        let files = s.max_inodes.load(Ordering::Relaxed).min(blocks);
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
        let o = *self.options.lock();
        let mut out = String::new();
        let mut add = |option: String| {
            if !out.is_empty() {
                out.push(',');
            }
            out += &option;
        };
        let usual = TmpFsOptions::for_memory(self.memory());
        if o.size != u64::MAX && o.size != usual.size {
            add(alloc::format!("size={}k", o.size / 1024));
        }
        if o.inodes != u64::MAX && o.inodes != usual.inodes {
            add(alloc::format!("nr_inodes={}", o.inodes));
        }
        if o.mode != TmpFsOptions::default().mode {
            add(alloc::format!("mode={:o}", o.mode));
        }
        if o.uid != Uid::ROOT {
            add(alloc::format!("uid={}", o.uid.0));
        }
        if o.gid != Gid::ROOT {
            add(alloc::format!("gid={}", o.gid.0));
        }
        out
    }
    fn remount(&self, options: &str) -> Result<(), Errno> {
        let mut now = self.options.lock();
        let new = now.parse(options, self.memory())?;
        let s = &self.shared;
        let (pages, inodes) = (new.size / PAGE_SIZE, new.inodes);
        if pages < s.pages.load(Ordering::Relaxed) || inodes < s.inodes.load(Ordering::Relaxed) {
            return Err(Errno::EINVAL);
        }
        s.max_pages.store(pages, Ordering::Relaxed);
        s.max_inodes.store(inodes, Ordering::Relaxed);
        // The root's attributes are chosen when it is made.
        *now = TmpFsOptions { size: new.size, inodes, ..*now };
        Ok(())
    }
}
