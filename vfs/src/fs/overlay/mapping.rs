//! What mappings of an overlay's file map: the lower file's pages, and the upper file's after it was copied up.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use kcore::frame::{FileOffset, Frame};
use kcore::mappable::{Mappable, MappableInfo, MappingObserver, Removal};
use kcore::sync::{LockClass, Mutex, RwLock};

use super::inode::OverlayInode;
use crate::Errno;

static REAL: LockClass = LockClass::nesting("overlay mapping", 590);
static OBSERVERS: LockClass = LockClass::nesting("overlay mapping observers", 591);

/// The mappable that stands before a file's layers. On Linux a mapping stays with the lower file; here it follows, as on any other file system.
pub(super) struct OverlayMapping {
    /// Kept, so that there is one mapping for a file as long as it is mapped.
    inode: Arc<OverlayInode>,
    real: RwLock<Arc<dyn Mappable>>,
    observers: Mutex<Vec<Weak<dyn MappingObserver>>>,
}

impl OverlayMapping {
    pub(super) fn new(inode: &Arc<OverlayInode>, real: &Arc<dyn Mappable>) -> Arc<OverlayMapping> {
        let mapping = Arc::new(OverlayMapping {
            inode: inode.clone(),
            real: RwLock::new(&REAL, real.clone()),
            observers: Mutex::new(&OBSERVERS, Vec::new()),
        });
        mapping.watch(real);
        mapping
    }
    fn watch(self: &Arc<Self>, real: &Arc<dyn Mappable>) {
        let me: Arc<dyn MappingObserver> = self.clone();
        real.observe(&me);
    }
    fn real(&self) -> Arc<dyn Mappable> {
        self.real.read().clone()
    }
    /// Maps `real` from now on: everyone faults anew. Called without locks of rank 500 and above.
    pub(super) fn switch(self: &Arc<Self>, real: Arc<dyn Mappable>) {
        self.watch(&real);
        let old = core::mem::replace(&mut *self.real.write(), real);
        drop(old);
        self.invalidate(0, 0, u64::MAX, Removal::Punched);
    }
}

impl MappingObserver for OverlayMapping {
    fn invalidate(&self, _real: usize, offset: u64, end: u64, why: Removal) {
        let all: Vec<_> = self.observers.lock().iter().filter_map(Weak::upgrade).collect();
        for o in all {
            o.invalidate(core::ptr::from_ref(self).addr(), offset, end, why);
        }
    }
}

impl Mappable for OverlayMapping {
    fn page(&self, offset: u64, write: bool) -> Result<Frame, Errno> {
        self.real().page(offset, write)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        self.real().resident_page(offset)
    }
    fn resident_runs(&self, from: u64, to: u64, found: &mut dyn FnMut(u64, FileOffset, u64)) {
        self.real().resident_runs(from, to, found);
    }
    fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        let mut observers = self.observers.lock();
        let new = Arc::downgrade(observer);
        observers.retain(|o| o.strong_count() > 0 && !o.ptr_eq(&new));
        observers.push(new);
    }
    fn sync(&self, offset: u64, len: u64) -> Result<(), Errno> {
        self.real().sync(offset, len)
    }
    fn note_writable(&self, mapped: bool) -> Result<(), Errno> {
        self.real().note_writable(mapped)
    }
    fn info(&self) -> MappableInfo {
        let (dev, ino) = self.inode.identity();
        MappableInfo { dev, ino, name: String::new() }
    }
}
