//! What becomes of the memory of freed pages.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use abi::Errno;
use kcore::frame::FrameStore;
use kcore::host::MemoryFile;
use mm::{FrameAllocator, VecMemory};

const MIB: u64 = 256;

/// Notes what is given back.
struct Watched(VecMemory, Mutex<Vec<u64>>);

// SAFETY: all is the inner file's.
unsafe impl MemoryFile for Watched {
    fn base(&self) -> *mut u8 {
        self.0.base()
    }
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn decommit(&self, offset: u64, len: u64) -> Result<(), Errno> {
        self.1.lock().unwrap().push(len >> 12);
        self.0.decommit(offset, len)
    }
}

#[test]
fn freed_memory_goes_back_when_it_stays_unused() {
    let file = Arc::new(Watched(VecMemory::new(128 * MIB), Mutex::default()));
    let frames = FrameAllocator::new(file.clone());
    let told = Arc::new(AtomicUsize::new(0));
    let tell = told.clone();
    frames.keep_freed(
        100 * MIB,
        Box::new(move || {
            tell.fetch_add(1, Ordering::Relaxed);
        }),
    );
    let given_back = || std::mem::take(&mut *file.1.lock().unwrap()).iter().sum::<u64>();
    let at = frames.alloc(80 * MIB).unwrap();
    frames.release(at, 2 * MIB);
    assert_eq!(told.load(Ordering::Relaxed), 0, "so little is kept for good");
    frames.release(kcore::frame::FileOffset(at.0 + ((2 * MIB) << 12)), 78 * MIB);
    assert_eq!((told.load(Ordering::Relaxed), given_back()), (1, 0));
    // Nothing is given back that may have been freed just now.
    assert!(frames.trim());
    assert_eq!(given_back(), 0);
    let mut all = 0;
    while frames.trim() {
        all += given_back();
    }
    assert_eq!(all + given_back(), 76 * MIB);
    assert_eq!(told.load(Ordering::Relaxed), 1);
    // Another time it tells again.
    let at = frames.alloc(80 * MIB).unwrap();
    frames.release(at, 80 * MIB);
    assert_eq!(told.load(Ordering::Relaxed), 2);
}

#[test]
fn pages_that_are_filled_anyway_are_not_zeroed() {
    let file = Arc::new(Watched(VecMemory::new(256), Mutex::default()));
    let frames = FrameAllocator::new(file.clone());
    let at = frames.alloc(32).unwrap();
    frames.write(at, b"old");
    frames.release(at, 32);
    let again = frames.alloc_to_fill(32).unwrap();
    let mut content = [0; 3];
    frames.read(again, &mut content);
    assert_eq!((again, &content), (at, b"old"));
    assert!(file.1.lock().unwrap().is_empty());
    assert_eq!(frames.alloc_to_fill(257), Err(Errno::ENOMEM));
}
