//! What can be mapped into an address space, seen from both sides.

use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;

use abi::Errno;

use crate::addr::PAGE_SIZE;
use crate::frame::{FileOffset, Frame};

/// Something with pages at byte offsets: a file, a memfd, a System V segment.
///
/// Address spaces call this with their own lock (rank 500) held; an implementation takes locks of rank 600 and up only.
pub trait Mappable: Send + Sync + Any {
    /// The page at page-aligned byte `offset`, read in from wherever it lives if needed. `write` says that the mapping is shared
    /// and the page is about to be written.
    ///
    /// Errors: `EFAULT` past the end of the object (the guest gets `SIGBUS`), `EIO`, `ENOMEM`, `ENOSPC`.
    fn page(&self, offset: u64, write: bool) -> Result<Frame, Errno>;
    /// The page at `offset` if that costs nothing: for mapping around a fault. Default: none.
    fn resident_page(&self, _offset: u64) -> Option<Frame> {
        None
    }
    /// Calls `found` with pieces of the page-aligned bytes `from..to`, in order, whose pages cost nothing and follow each other in the
    /// memory file: a piece's offset, where it is, and how many pages it has, each with a reference that `found` takes over.
    /// Default: page by page.
    fn resident_runs(&self, from: u64, to: u64, found: &mut dyn FnMut(u64, FileOffset, u64)) {
        let mut at = from;
        while at < to {
            if let Some(f) = self.resident_page(at) {
                f.store().retain(f.at(), 1);
                found(at, f.at(), 1);
            }
            at += PAGE_SIZE;
        }
    }
    /// Tells the object that `observer` maps it, so that it is told of pages that go away. It keeps a weak reference.
    fn observe(&self, observer: &Arc<dyn MappingObserver>);
    /// Bytes written through a shared mapping in `offset..offset + len` should reach their backing store (`msync`, `munmap`).
    ///
    /// Errors: `EIO`, `ENOSPC`.
    fn sync(&self, _offset: u64, _len: u64) -> Result<(), Errno> {
        Ok(())
    }
    /// Called when a shared writable mapping comes (`true`) or goes (`false`): seals and `ETXTBSY` need the count.
    ///
    /// Errors: `EPERM` if the object is sealed against writing; only when `mapped` is true.
    fn note_writable(&self, _mapped: bool) -> Result<(), Errno> {
        Ok(())
    }
    /// What `/proc/PID/maps` shows.
    fn info(&self) -> MappableInfo;
}

/// How a mapped object is named in `/proc/PID/maps`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappableInfo {
    /// Device number of the file system (`st_dev`).
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Path, or another name such as `/memfd:x (deleted)`.
    pub name: String,
}

/// Why pages of an object went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The object became shorter: what was copied from it for private mappings goes, too.
    Truncated,
    /// A hole was made, or the content changed elsewhere: private copies stay.
    Punched,
}

/// An address space that maps some object.
pub trait MappingObserver: Send + Sync {
    /// Pages of `object` in `offset..end` are gone (truncated or punched) and must not be accessible any more. `object` is the
    /// address of the `Mappable` (`Arc::as_ptr` as an address), as an identity. Called without locks of rank 500 or above.
    fn invalidate(&self, object: usize, offset: u64, end: u64, why: Removal);
}
