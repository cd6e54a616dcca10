//! The directory and its queues.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use kcore::io::IoResult;
use kcore::sync::{LockClass, Mutex};

use super::queue::{Queue, QueueFile};
use super::{QueueSize, Shared};
use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr, Timestamp};
use crate::consts::*;
use crate::dir::DirFile;
use crate::file::FileOps;
use crate::inode::{DirEntry, Inode, InodeCommon, NewInode, Validity};
use crate::path::Path;

static NAMES: LockClass = LockClass::new("names of message queues", 344);
static ATTR: LockClass = LockClass::new("message queue attributes", 347);

/// What `st_size` of a queue is.
const FILE_SIZE: u64 = 80;
/// What each name adds to `st_size` of the directory.
const NAME_SIZE: u64 = 20;

enum What {
    Root(Mutex<BTreeMap<Vec<u8>, Arc<QueueInode>>>),
    Queue(Arc<Queue>),
}

/// A queue, or the directory of all.
pub struct QueueInode {
    shared: Arc<Shared>,
    what: What,
    attr: Mutex<InodeAttr>,
    common: InodeCommon,
}

impl QueueInode {
    fn new(shared: &Arc<Shared>, what: What, attr: InodeAttr) -> Arc<QueueInode> {
        let now = Timestamp::from_nanos(shared.clock.realtime());
        let ino = shared.next_ino.fetch_add(1, Ordering::Relaxed);
        let attr = InodeAttr { dev: shared.dev, ino, atime: now, mtime: now, ctime: now, ..attr };
        let (shared, attr) = (shared.clone(), Mutex::new(&ATTR, attr));
        Arc::new(QueueInode { shared, what, attr, common: InodeCommon::default() })
    }
    pub(super) fn root(shared: &Arc<Shared>) -> Arc<QueueInode> {
        let attr = InodeAttr { mode: S_IFDIR | S_ISVTX | 0o777, nlink: 2, ..InodeAttr::default() };
        QueueInode::new(shared, What::Root(Mutex::new(&NAMES, BTreeMap::new())), attr)
    }
    fn names(&self) -> Result<&Mutex<BTreeMap<Vec<u8>, Arc<QueueInode>>>, Errno> {
        match &self.what {
            What::Root(names) => Ok(names),
            What::Queue(_) => Err(Errno::ENOTDIR),
        }
    }
    pub(super) fn add(
        &self,
        name: &[u8],
        new: &NewInode,
        size: QueueSize,
        rlimit: u64,
        privileged: bool,
    ) -> Result<Arc<dyn Inode>, Errno> {
        let mut names = self.names()?.lock();
        if names.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let most = self.shared.limits.queues_max.load(Ordering::Relaxed);
        if names.len() as u64 >= most && !privileged {
            return Err(Errno::ENOSPC);
        }
        let charge = self.shared.charge(new.uid, size, rlimit)?;
        let attr = InodeAttr {
            mode: S_IFREG | new.mode & 0o7777,
            uid: new.uid,
            gid: new.gid,
            size: FILE_SIZE,
            ..InodeAttr::default()
        };
        let inode = QueueInode::new(&self.shared, What::Queue(Queue::new(size, charge)), attr);
        names.insert(name.into(), inode.clone());
        self.resized(names.len());
        Ok(inode)
    }
    fn resized(&self, names: usize) {
        let now = Timestamp::from_nanos(self.shared.clock.realtime());
        let mut a = self.attr.lock();
        (a.size, a.mtime, a.ctime) = (names as u64 * NAME_SIZE, now, now);
    }
}

impl Inode for QueueInode {
    fn common(&self) -> &InodeCommon {
        &self.common
    }
    fn attr(&self) -> Result<InodeAttr, Errno> {
        Ok(*self.attr.lock())
    }
    fn kind(&self) -> FileKind {
        match self.what {
            What::Root(_) => FileKind::Directory,
            What::Queue(_) => FileKind::Regular,
        }
    }
    fn set_attr(&self, c: &AttrChange) -> Result<(), Errno> {
        let now = Timestamp::from_nanos(self.shared.clock.realtime());
        c.apply(&mut self.attr.lock(), now);
        Ok(())
    }
    fn revalidate(&self, dir: &dyn Inode, name: &[u8]) -> Validity {
        // The file system may be mounted twice, and a name removed through the other mount.
        let any: &dyn core::any::Any = dir;
        let names = any.downcast_ref::<QueueInode>().and_then(|d| d.names().ok());
        Validity::of(names.is_some_and(|n| n.lock().get(name).is_some_and(|q| core::ptr::eq(&**q, self))))
    }
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let found = self.names()?.lock().get(name).cloned();
        Ok(found.ok_or(Errno::ENOENT)?)
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        let names = self.names()?.lock();
        let entry = |(name, q): (&Vec<u8>, &Arc<QueueInode>)| DirEntry {
            name: name.clone(),
            ino: q.attr.lock().ino,
            kind: FileKind::Regular,
        };
        Ok(names.iter().map(entry).collect())
    }
    fn create(&self, name: &[u8], new: &NewInode) -> Result<Arc<dyn Inode>, Errno> {
        self.add(name, new, self.shared.default_size(), u64::MAX, false)
    }
    fn unlink(&self, name: &[u8]) -> Result<(), Errno> {
        let gone = {
            let mut names = self.names()?.lock();
            let gone = names.remove(name).ok_or(Errno::ENOENT)?;
            self.resized(names.len());
            gone
        };
        gone.attr.lock().nlink = 0;
        Ok(())
    }
    fn open(self: Arc<Self>, _: &Path, _: u32) -> IoResult<Arc<dyn FileOps>> {
        match &self.what {
            What::Root(_) => Ok(DirFile::new(self)),
            What::Queue(q) => Ok(Arc::new(QueueFile(q.clone()))),
        }
    }
}
