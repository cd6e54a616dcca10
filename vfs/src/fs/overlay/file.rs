//! Open regular files of an overlay.

use alloc::string::String;
use alloc::sync::Arc;

use kcore::io::{IoError, IoResult, IoSink, IoSource};
use kcore::mappable::Mappable;
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};

use super::inode::OverlayInode;
use super::mapping::OverlayMapping;
use crate::Errno;
use crate::consts::*;
use crate::file::{FileOps, IoctlContext, OpenFile, Whence};
use crate::inode::Inode;
use crate::path::Path;

static REAL: LockClass = LockClass::nesting("overlay file", 328);

/// An open regular file. It reads the upper file as soon as there is one, also if it was opened before.
pub(super) struct OverlayFile {
    inode: Arc<OverlayInode>,
    path: Path,
    flags: u32,
    real: Mutex<Real>,
}

#[derive(Clone)]
struct Real {
    is_upper: bool,
    ops: Arc<dyn FileOps>,
}

fn open_real(inode: &OverlayInode, path: &Path, flags: u32) -> IoResult<Real> {
    let (is_upper, real) = match inode.upper() {
        Some(u) => (true, u),
        None => (false, inode.real()),
    };
    Ok(Real { is_upper, ops: real.open(path, flags)? })
}

impl OverlayFile {
    /// Opens `inode`; for writing it is copied up first. Errors: what copying up and the layers say.
    pub(super) fn open(inode: Arc<OverlayInode>, path: &Path, flags: u32) -> IoResult<Arc<OverlayFile>> {
        if flags & O_ACCMODE != O_RDONLY {
            inode.copy_up()?;
        }
        let real = open_real(&inode, path, flags)?;
        Ok(Arc::new(OverlayFile { inode, path: path.clone(), flags, real: Mutex::new(&REAL, real) }))
    }
    fn current(&self) -> IoResult<Real> {
        let now = self.real.lock().clone();
        if now.is_upper || self.inode.upper().is_none() {
            return Ok(now);
        }
        let new = open_real(&self.inode, &self.path, self.flags)?;
        *self.real.lock() = new.clone();
        Ok(new)
    }
    fn real(&self) -> IoResult<Arc<dyn FileOps>> {
        Ok(self.current()?.ops)
    }
    fn real_file(&self) -> Result<Arc<dyn FileOps>, Errno> {
        self.real().map_err(IoError::errno)
    }
}

impl FileOps for OverlayFile {
    fn seekable(&self) -> bool {
        true
    }
    fn takes_direct(&self) -> bool {
        self.real().is_ok_and(|r| r.takes_direct())
    }
    fn inode(&self) -> Option<Arc<dyn Inode>> {
        Some(self.inode.clone())
    }
    fn inode_ref(&self) -> Option<&dyn Inode> {
        Some(&*self.inode)
    }
    fn read(&self, f: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        self.real()?.read(f, at, dst)
    }
    fn write(&self, f: &OpenFile, at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        self.real()?.write(f, at, src)
    }
    fn append(&self, f: &OpenFile, src: &mut dyn IoSource) -> IoResult<(usize, u64)> {
        self.real()?.append(f, src)
    }
    fn ready(&self, f: &OpenFile, want: Events) -> Events {
        self.real().map_or(want, |r| r.ready(f, want))
    }
    fn queue(&self, f: &OpenFile) -> Option<WaitQueue> {
        self.real().ok().and_then(|r| r.queue(f))
    }
    fn seek(&self, f: &OpenFile, pos: u64, whence: Whence, off: i64) -> Result<u64, Errno> {
        self.real_file()?.seek(f, pos, whence, off)
    }
    fn ioctl(&self, f: &OpenFile, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> IoResult<u64> {
        self.real()?.ioctl(f, ctx, cmd, arg)
    }
    fn mappable(&self, f: &OpenFile) -> Option<Arc<dyn Mappable>> {
        loop {
            if let Some(m) = self.inode.known_mapping() {
                return Some(m);
            }
            let real = self.current().ok()?;
            let new = OverlayMapping::new(&self.inode, &real.ops.mappable(f)?);
            if let Some(m) = self.inode.mapping(&new, real.is_upper) {
                return Some(m);
            }
        }
    }
    fn sync(&self, f: &OpenFile, datasync: bool) -> Result<(), Errno> {
        self.real_file()?.sync(f, datasync)
    }
    fn allocate(&self, f: &OpenFile, mode: u32, off: u64, len: u64) -> Result<(), Errno> {
        self.real_file()?.allocate(f, mode, off, len)
    }
    fn truncate(&self, f: &OpenFile, len: u64) -> Result<(), Errno> {
        self.real_file()?.truncate(f, len)
    }
    fn set_flags(&self, f: &OpenFile, flags: u32) -> Result<(), Errno> {
        self.real_file()?.set_flags(f, flags)
    }
    fn name(&self) -> String {
        String::from("overlay")
    }
}
