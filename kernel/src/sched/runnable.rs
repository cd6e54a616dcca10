//! One future and its place in the run queue.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::{Context, Poll, Waker};

use kcore::sync::{LockClass, Mutex};

use super::executor::Queue;

// A poll runs the kernel, which takes locks of every rank.
static FUTURE: LockClass = LockClass::new("running future", 1);

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
/// Running, and woken meanwhile.
const WOKEN: u8 = 3;
const DONE: u8 = 4;

pub(super) type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Runnable {
    name: u64,
    future: Mutex<Option<BoxFuture>>,
    state: AtomicU8,
    queue: Weak<Queue>,
}

impl Runnable {
    /// A future that is in the queue already.
    pub(super) fn queued(name: u64, future: BoxFuture, queue: &Arc<Queue>) -> Arc<Runnable> {
        Arc::new(Runnable {
            name,
            future: Mutex::new(&FUTURE, Some(future)),
            state: AtomicU8::new(QUEUED),
            queue: Arc::downgrade(queue),
        })
    }

    pub(super) fn name(&self) -> u64 {
        self.name
    }

    /// Polls the future, which this worker has taken from the queue. Returns whether it completed.
    pub(super) fn poll(self: &Arc<Runnable>) -> bool {
        self.state.store(RUNNING, Ordering::SeqCst);
        let waker = Waker::from(self.clone());
        let mut cx = Context::from_waker(&waker);
        let mut slot = self.future.lock();
        let Some(future) = slot.as_mut() else { return false };
        if let Poll::Ready(()) = future.as_mut().poll(&mut cx) {
            self.state.store(DONE, Ordering::SeqCst);
            let done = slot.take();
            drop(slot);
            drop(done);
            return true;
        }
        drop(slot);
        if self.state.compare_exchange(RUNNING, IDLE, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            self.state.store(QUEUED, Ordering::SeqCst);
            if let Some(queue) = self.queue.upgrade() {
                queue.push_again(self.clone());
            }
        }
        false
    }

    fn enqueue(self: &Arc<Runnable>) {
        if let Some(queue) = self.queue.upgrade() {
            queue.push(self.clone());
        }
    }
}

impl Wake for Runnable {
    fn wake(self: Arc<Self>) {
        Wake::wake_by_ref(&self);
    }
    fn wake_by_ref(self: &Arc<Self>) {
        let next = |state| match state {
            IDLE => Some(QUEUED),
            RUNNING => Some(WOKEN),
            _ => None,
        };
        if let Ok(IDLE) = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next) {
            self.enqueue();
        }
    }
}
