//! The page that says how the clocks follow from the processor's counter. Guests read it, and cannot write it.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use abi::Errno;
use kcore::frame::{Frame, FrameStore};
use kcore::host::{CounterScale, ScaleSink};
use kcore::mappable::{Mappable, MappableInfo, MappingObserver};
use platform::vdso::data;

pub(super) struct ScalePage {
    frame: Frame,
    sequence: AtomicU32,
}

impl ScalePage {
    /// Without a scale: programs make system calls. Errors: `ENOMEM`.
    pub(super) fn new(store: &Arc<dyn FrameStore>) -> Result<ScalePage, Errno> {
        Ok(ScalePage { frame: Frame::alloc(store)?, sequence: AtomicU32::new(0) })
    }
    fn advance(&self) {
        let next = self.sequence.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.frame.store().store_u32(self.frame.byte(data::SEQUENCE, 4), next);
    }
}

impl ScaleSink for ScalePage {
    fn open(&self) {
        self.advance();
        fence(Ordering::SeqCst);
    }
    fn set(&self, scale: &CounterScale) {
        let words = [
            (data::BASE, scale.base),
            (data::NANOS, scale.nanos),
            (data::RATE, scale.rate),
            (data::LIMIT, scale.limit),
            (data::REALTIME, scale.realtime),
        ];
        for (offset, value) in words {
            self.frame.write(offset, &value.to_le_bytes());
        }
        fence(Ordering::SeqCst);
        self.advance();
    }
}

impl Mappable for ScalePage {
    fn page(&self, offset: u64, _write: bool) -> Result<Frame, Errno> {
        self.resident_page(offset).ok_or(Errno::EFAULT)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        (offset == 0).then(|| self.frame.clone())
    }
    fn observe(&self, _: &Arc<dyn MappingObserver>) {}
    fn info(&self) -> MappableInfo {
        MappableInfo { name: String::from("[vvar]"), ..MappableInfo::default() }
    }
}
