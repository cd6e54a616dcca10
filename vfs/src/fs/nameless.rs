//! File systems for what has no name in any directory: pipes, sockets, and the files of epoll, eventfd and their like.
//!
//! Linux mounts them where nobody can walk to; so does this. Their files have places and inodes like others, so that permissions, owners,
//! times, locks and watches need no case of their own.

use alloc::sync::Arc;

use kcore::addr::PAGE_SIZE;
use kcore::host::Clock;
use kcore::io::IoResult;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr, StatFs, Timestamp};
use crate::consts::*;
use crate::dentry::Dentry;
use crate::file::FileOps;
use crate::inode::{FileSystem, Inode, InodeCommon};
use crate::mount::Mount;
use crate::path::Path;

static ATTR: LockClass = LockClass::new("nameless inode", 341);

/// What distinguishes one of these file systems.
#[derive(Clone, Copy, Debug)]
pub struct NamelessType {
    /// Type name, such as `pipefs`.
    pub name: &'static str,
    /// Magic number that `fstatfs(2)` tells.
    pub magic: u64,
    /// Device number.
    pub dev: u64,
}

/// The file system.
struct NamelessFs {
    kind: NamelessType,
    root: Arc<NamelessInode>,
}

/// One of them, mounted in no namespace.
pub struct NamelessMount {
    mount: Arc<Mount>,
    dev: u64,
    clock: Arc<dyn Clock>,
}

/// A file of it.
pub struct NamelessInode {
    common: InodeCommon,
    clock: Arc<dyn Clock>,
    kind: FileKind,
    attr: Mutex<InodeAttr>,
    /// Its attributes never change.
    fixed: bool,
}

impl NamelessMount {
    /// Mounts one with number `id`.
    pub fn new(id: u64, kind: NamelessType, clock: &Arc<dyn Clock>) -> NamelessMount {
        let mode = S_IFDIR | 0o755;
        let root = NamelessInode::new(clock, InodeAttr { mode, dev: kind.dev, ..InodeAttr::default() }, true);
        let fs = Arc::new(NamelessFs { kind, root });
        let mount = Mount::detached(id, fs, MS_NODEV | MS_NOEXEC | MS_NOSUID, kind.name);
        NamelessMount { mount, dev: kind.dev, clock: clock.clone() }
    }
    /// A new inode: `attr` tells type, permissions, owner and number. The attributes of a `fixed` one never change.
    pub fn inode(&self, attr: InodeAttr, fixed: bool) -> Arc<NamelessInode> {
        NamelessInode::new(&self.clock, InodeAttr { dev: self.dev, ..attr }, fixed)
    }
    /// `attr` with the present as its times.
    pub fn now(&self, attr: InodeAttr) -> InodeAttr {
        let now = Timestamp::from_nanos(self.clock.realtime());
        InodeAttr { atime: now, mtime: now, ctime: now, ..attr }
    }
    /// A place for `inode`, which several places may share; `name` is what `/proc/PID/fd` shows.
    pub fn place(&self, name: &[u8], inode: Arc<NamelessInode>) -> Path {
        Path { mount: self.mount.clone(), dentry: Dentry::unlisted(inode, self.mount.root(), name) }
    }
}

impl NamelessInode {
    fn new(clock: &Arc<dyn Clock>, attr: InodeAttr, fixed: bool) -> Arc<NamelessInode> {
        let kind = attr.kind();
        let attr = Mutex::new(&ATTR, attr);
        Arc::new(NamelessInode { common: InodeCommon::default(), clock: clock.clone(), kind, attr, fixed })
    }
}

impl FileSystem for NamelessFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }
    fn name(&self) -> &str {
        self.kind.name
    }
    fn dev(&self) -> u64 {
        self.kind.dev
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        let namelen = NAME_MAX as u64;
        let NamelessType { magic, dev, .. } = self.kind;
        Ok(StatFs { magic, bsize: PAGE_SIZE, namelen, fsid: dev, ..StatFs::default() })
    }
    fn is_nameless(&self) -> bool {
        true
    }
}

impl Inode for NamelessInode {
    fn common(&self) -> &InodeCommon {
        &self.common
    }
    fn attr(&self) -> Result<InodeAttr, Errno> {
        Ok(*self.attr.lock())
    }
    fn kind(&self) -> FileKind {
        self.kind
    }
    fn may_set_attr(&self) -> Result<(), Errno> {
        if self.fixed { Err(Errno::EOPNOTSUPP) } else { Ok(()) }
    }
    fn set_attr(&self, c: &AttrChange) -> Result<(), Errno> {
        self.may_set_attr()?;
        if c.size.is_some() {
            return Err(Errno::EINVAL);
        }
        let now = Timestamp::from_nanos(self.clock.realtime());
        c.apply(&mut self.attr.lock(), now);
        Ok(())
    }
    /// Only its makers open it.
    fn open(self: Arc<Self>, _: &Path, _: u32) -> IoResult<Arc<dyn FileOps>> {
        Err(Errno::ENXIO.into())
    }
}
