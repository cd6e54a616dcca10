//! The generic open directory, over [`Inode::list`].

use alloc::sync::Arc;
use alloc::vec::Vec;

use kcore::io::{IoResult, IoSink};
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::FileKind;
use crate::file::{DirSink, FileOps, Whence};
use crate::inode::{DirEntry, Inode};
use crate::open_file::OpenFile;

// Held while a file system lists names.
static LISTING: LockClass = LockClass::new("directory listing", 92);

/// An open directory: lists what was there when the listing began at position 0.
pub struct DirFile {
    inode: Arc<dyn Inode>,
    listing: Mutex<Option<Vec<DirEntry>>>,
}

impl DirFile {
    /// For `inode`.
    pub fn new(inode: Arc<dyn Inode>) -> Arc<DirFile> {
        Arc::new(DirFile { inode, listing: Mutex::new(&LISTING, None) })
    }
}

impl FileOps for DirFile {
    fn takes_rw_flags(&self) -> bool {
        false
    }
    fn seekable(&self) -> bool {
        true
    }
    fn read(&self, _: &OpenFile, _: Option<u64>, _: &mut dyn IoSink) -> IoResult<usize> {
        Err(Errno::EISDIR.into())
    }
    fn inode(&self) -> Option<Arc<dyn Inode>> {
        Some(self.inode.clone())
    }
    fn inode_ref(&self) -> Option<&dyn Inode> {
        Some(&*self.inode)
    }
    fn seek(&self, _: &OpenFile, pos: u64, whence: Whence, off: i64) -> Result<u64, Errno> {
        match whence {
            Whence::Set | Whence::Cur => crate::file::seek_in(pos, 0, whence, off),
            _ => Err(Errno::EINVAL),
        }
    }
    fn sync(&self, _: &OpenFile, _: bool) -> Result<(), Errno> {
        self.inode.sync_dir()
    }
    fn readdir(&self, f: &OpenFile, mut pos: u64, sink: &mut dyn DirSink) -> Result<u64, Errno> {
        let dentry = f.path().map(|p| &p.dentry);
        if dentry.is_some_and(|d| d.is_unlinked()) {
            return Err(Errno::ENOENT);
        }
        let own = self.inode.attr()?.ino;
        if pos == 0 {
            if !sink.entry(own, 1, FileKind::Directory, b".") {
                return Ok(0);
            }
            pos = 1;
            *self.listing.lock() = None;
        }
        if pos == 1 {
            let up =
                dentry.and_then(|d| d.parent()).and_then(|p| p.inode().attr().ok()).map_or(own, |a| a.ino);
            if !sink.entry(up, 2, FileKind::Directory, b"..") {
                return Ok(1);
            }
            pos = 2;
        }
        let mut listing = self.listing.lock();
        if listing.is_none() {
            *listing = Some(self.inode.list()?);
        }
        let rest =
            listing.as_deref().unwrap_or(&[]).iter().skip(usize::try_from(pos - 2).unwrap_or(usize::MAX));
        for e in rest {
            if !sink.entry(e.ino, pos + 1, e.kind, &e.name) {
                break;
            }
            pos += 1;
        }
        Ok(pos)
    }
}
