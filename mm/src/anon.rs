//! Shared anonymous memory: a file without a name.

use alloc::string::String;
use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use kcore::frame::{Frame, FrameStore};
use kcore::mappable::{Mappable, MappableInfo, MappingObserver, Removal};
use kcore::pages::FilePages;

pub(crate) struct SharedAnon {
    pages: FilePages,
}

impl SharedAnon {
    pub(crate) fn new(store: Arc<dyn FrameStore>) -> SharedAnon {
        SharedAnon { pages: FilePages::new(store) }
    }
}

impl Mappable for SharedAnon {
    fn page(&self, offset: u64, _write: bool) -> Result<Frame, Errno> {
        Ok(self.pages.get_or_zero(offset / PAGE_SIZE)?.0)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        self.pages.get(offset / PAGE_SIZE)
    }
    fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        self.pages.observe(observer);
    }
    fn info(&self) -> MappableInfo {
        MappableInfo { dev: 1, ino: 1, name: String::from("/dev/zero (deleted)") }
    }
}

impl SharedAnon {
    /// Drops the pages of a byte range (`MADV_REMOVE`).
    pub(crate) fn remove(&self, object: usize, start: u64, end: u64) {
        self.pages.remove(object, start, end, Removal::Punched);
    }
}
