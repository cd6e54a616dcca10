//! What tests of backends do with a guest thread and with the memory file.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use kcore::host::MemoryFile;
use platform::Platform;
use platform::host::HostMemory;

struct Unpark(std::thread::Thread, AtomicBool);
impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.store(true, Ordering::SeqCst);
        self.0.unpark();
    }
}

/// Drives a guest thread of this platform until it has trapped.
pub(crate) fn block_on<T>(platform: &Arc<dyn Platform>, f: impl Future<Output = T>) -> T {
    let mut f = pin!(f);
    let sleeper = platform.sleeper();
    let unpark = Arc::new(Unpark(std::thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(unpark.clone());
    let start = Instant::now();
    loop {
        let epoch = sleeper.as_ref().map(|s| s.epoch());
        if let Poll::Ready(r) = f.as_mut().poll(&mut Context::from_waker(&waker)) {
            return r;
        }
        if unpark.1.swap(false, Ordering::SeqCst) {
            continue;
        }
        match (&sleeper, epoch) {
            (Some(s), Some(epoch)) => s.sleep(epoch, Some(1_000_000_000), true),
            _ => std::thread::park_timeout(Duration::from_secs(1)),
        }
        assert!(start.elapsed() < Duration::from_secs(20), "the guest hangs");
    }
}

/// Writes to the memory file at this offset.
pub(crate) fn poke(m: &HostMemory, at: u64, bytes: &[u8]) {
    assert!(at + bytes.len() as u64 <= m.len());
    for (i, b) in bytes.iter().enumerate() {
        // SAFETY: the address lies in the mapping, as checked.
        unsafe { m.base().add(at as usize + i).write_volatile(*b) };
    }
}
