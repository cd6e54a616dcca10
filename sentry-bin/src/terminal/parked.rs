//! Waiting of ordinary threads for queues of the kernel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::thread::Thread;

use kcore::io::{IoError, IoResult};
use kcore::wait::{Events, WaitQueue};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Repeats `attempt` until it does not say [`IoError::Again`], or `stop` is set and this thread unparked; then the answer is `Again`.
pub(super) fn wait_for<T>(
    queue: &WaitQueue,
    events: Events,
    stop: &AtomicBool,
    mut attempt: impl FnMut() -> IoResult<T>,
) -> IoResult<T> {
    match attempt() {
        Err(IoError::Again) => {}
        done => return done,
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let _registration = queue.register(events, &waker);
    loop {
        match attempt() {
            Err(IoError::Again) if stop.load(Ordering::Acquire) => return Err(IoError::Again),
            Err(IoError::Again) => std::thread::park(),
            done => return done,
        }
    }
}
