//! The directory, `ptmx`, and the slave sides.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use kcore::host::Clock;
use kcore::id::{Gid, Uid};
use kcore::io::IoResult;
use kcore::sync::{LockClass, Mutex};

use super::DevPts;
use crate::Errno;
use crate::attr::{AttrChange, FileKind, InodeAttr, Timestamp, make_dev};
use crate::consts::*;
use crate::dir::DirFile;
use crate::file::FileOps;
use crate::inode::{DirEntry, Inode, InodeCommon, Validity};
use crate::path::Path;
use crate::tty::Terminal;

static ATTR: LockClass = LockClass::new("devpts attributes", 347);

const ROOT_INO: u64 = 1;
const PTMX_INO: u64 = 2;
/// Inode number of the slave side number 0.
const FIRST_INO: u64 = 3;

enum What {
    Root(Weak<DevPts>),
    Ptmx,
    Slave(Arc<Terminal>),
}

/// A file of devpts.
pub struct PtsInode {
    what: What,
    clock: Arc<dyn Clock>,
    attr: Mutex<InodeAttr>,
    common: InodeCommon,
}

impl PtsInode {
    fn new(what: What, clock: &Arc<dyn Clock>, mut attr: InodeAttr) -> Arc<PtsInode> {
        let now = Timestamp::from_nanos(clock.realtime());
        (attr.atime, attr.mtime, attr.ctime) = (now, now, now);
        Arc::new(PtsInode {
            what,
            clock: clock.clone(),
            attr: Mutex::new(&ATTR, attr),
            common: InodeCommon::default(),
        })
    }
    pub(super) fn root(fs: Weak<DevPts>, dev: u64, clock: &Arc<dyn Clock>) -> Arc<PtsInode> {
        let attr = InodeAttr { mode: S_IFDIR | 0o755, nlink: 2, ..base(dev, ROOT_INO) };
        PtsInode::new(What::Root(fs), clock, attr)
    }
    pub(super) fn ptmx(dev: u64, mode: u32, clock: &Arc<dyn Clock>) -> Arc<PtsInode> {
        let attr = InodeAttr { mode: S_IFCHR | mode, rdev: make_dev(5, 2), ..base(dev, PTMX_INO) };
        PtsInode::new(What::Ptmx, clock, attr)
    }
    pub(super) fn slave(
        dev: u64,
        tty: Arc<Terminal>,
        mode: u32,
        uid: Uid,
        gid: Gid,
        clock: &Arc<dyn Clock>,
    ) -> Arc<PtsInode> {
        let ino = FIRST_INO + u64::from(tty.index());
        let attr = InodeAttr { mode: S_IFCHR | mode, uid, gid, rdev: tty.rdev(), ..base(dev, ino) };
        PtsInode::new(What::Slave(tty), clock, attr)
    }
    /// The terminal whose slave side it is.
    pub fn terminal(&self) -> Option<&Arc<Terminal>> {
        match &self.what {
            What::Slave(tty) => Some(tty),
            _ => None,
        }
    }
    pub(super) fn set_mode(&self, mode: u32) {
        let mut a = self.attr.lock();
        a.mode = a.mode & S_IFMT | mode;
    }
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.clock.realtime())
    }
    fn fs(&self) -> Result<Arc<DevPts>, Errno> {
        match &self.what {
            What::Root(fs) => fs.upgrade().ok_or(Errno::EIO),
            _ => Err(Errno::ENOTDIR),
        }
    }
}

fn base(dev: u64, ino: u64) -> InodeAttr {
    InodeAttr { dev, ino, nlink: 1, blksize: 1024, ..InodeAttr::default() }
}

/// The number that `name` is, if it is written as the directory lists it.
fn number(name: &[u8]) -> Option<u32> {
    let text = core::str::from_utf8(name).ok()?;
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

impl Inode for PtsInode {
    fn common(&self) -> &InodeCommon {
        &self.common
    }
    fn attr(&self) -> Result<InodeAttr, Errno> {
        Ok(*self.attr.lock())
    }
    fn kind(&self) -> FileKind {
        match self.what {
            What::Root(_) => FileKind::Directory,
            _ => FileKind::Char,
        }
    }
    fn set_attr(&self, c: &AttrChange) -> Result<(), Errno> {
        let now = self.now();
        c.apply(&mut self.attr.lock(), now);
        Ok(())
    }
    fn revalidate(&self, _: &dyn Inode, _: &[u8]) -> Validity {
        Validity::of(self.terminal().is_none_or(|t| t.is_live()))
    }
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let fs = self.fs()?;
        if name == b"ptmx" {
            return Ok(fs.ptmx());
        }
        let slave = number(name).and_then(|n| fs.slave(n)).ok_or(Errno::ENOENT)?;
        Ok(slave)
    }
    fn list(&self) -> Result<Vec<DirEntry>, Errno> {
        let fs = self.fs()?;
        let entry = |name: &str, ino| DirEntry { name: name.into(), ino, kind: FileKind::Char };
        let mut all = alloc::vec![entry("ptmx", PTMX_INO)];
        all.extend(fs.indices().into_iter().map(|n| entry(&alloc::format!("{n}"), FIRST_INO + u64::from(n))));
        Ok(all)
    }
    fn open(self: Arc<Self>, _: &Path, _: u32) -> IoResult<Arc<dyn FileOps>> {
        Ok(DirFile::new(self))
    }
}
