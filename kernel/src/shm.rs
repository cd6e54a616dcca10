//! The memory of System V segments: files of a tmpfs that have no names.

use alloc::sync::Arc;

use abi::Errno;
use kcore::cred::Credentials;
use kcore::frame::Frame;
use kcore::io::IoError;
use kcore::mappable::{Mappable, MappableInfo, MappingObserver};
use task::ipc::SegmentMemory;
use vfs::Inode;
use vfs::consts::O_RDWR;

use crate::memfds::Memfds;

/// Bytes of a block of `st_blocks`.
const BLOCK: u64 = 512;

struct Memory {
    inode: Arc<dyn Inode>,
    object: Arc<dyn Mappable>,
}

impl Mappable for Memory {
    fn page(&self, offset: u64, write: bool) -> Result<Frame, Errno> {
        self.object.page(offset, write)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        self.object.resident_page(offset)
    }
    fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        self.object.observe(observer);
    }
    fn info(&self) -> MappableInfo {
        self.object.info()
    }
}

impl SegmentMemory for Memory {
    fn resident_pages(&self) -> u64 {
        self.inode.attr().map_or(0, |a| a.blocks * BLOCK / kcore::addr::PAGE_SIZE)
    }
}

/// Memory of `size` bytes. Errors: `ENOMEM`, `EINVAL` for a size that no file has.
pub(crate) fn segment_memory(
    memfds: &Memfds,
    size: u64,
    cred: &Credentials,
) -> Result<Arc<dyn SegmentMemory>, Errno> {
    let inode = memfds.fs.memfd(cred.euid, cred.egid, 0o600, 0).map_err(|_| Errno::ENOMEM)?;
    let file = vfs::ops::open_unlisted(&memfds.mount, inode.clone(), b"SYSV", O_RDWR);
    let file = file.map_err(IoError::errno)?;
    file.truncate(i64::try_from(size).map_err(|_| Errno::EINVAL)?, cred)?;
    let object = file.mappable().ok_or(Errno::ENOMEM)?;
    Ok(Arc::new(Memory { inode, object }))
}
