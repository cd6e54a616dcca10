//! The run queue and the worker loop.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::future::Future;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kcore::host::Clock;
use kcore::sync::{LockClass, Mutex};
use kcore::timer::TimerQueue;
use platform::Sleeper;

use super::runnable::Runnable;

static RUN_QUEUE: LockClass = LockClass::new("run queue", 950);

pub(super) struct Queue {
    ready: Mutex<VecDeque<Arc<Runnable>>>,
    sleeping: AtomicUsize,
    idle: Arc<dyn Sleeper>,
}

impl Queue {
    pub(super) fn push(&self, r: Arc<Runnable>) {
        self.ready.lock().push_back(r);
        if self.sleeping.load(Ordering::SeqCst) > 0 {
            self.idle.wake();
        }
    }
    fn pop(&self) -> Option<Arc<Runnable>> {
        self.ready.lock().pop_front()
    }
}

/// Runs futures on however many threads call [`Executor::work`].
pub struct Executor {
    queue: Arc<Queue>,
    timers: Arc<TimerQueue>,
    clock: Arc<dyn Clock>,
    stop: AtomicBool,
}

impl Executor {
    /// An executor that also fires `timers`.
    pub fn new(idle: Arc<dyn Sleeper>, timers: Arc<TimerQueue>, clock: Arc<dyn Clock>) -> Executor {
        let wake = idle.clone();
        timers.set_on_earlier(Arc::new(move || wake.wake()));
        let queue =
            Queue { ready: Mutex::new(&RUN_QUEUE, VecDeque::new()), sleeping: AtomicUsize::new(0), idle };
        Executor { queue: Arc::new(queue), timers, clock, stop: AtomicBool::new(false) }
    }
    /// Adds a future; some worker will poll it.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let r = Runnable::queued(Box::pin(future), &self.queue);
        self.queue.push(r);
    }
    /// Polls futures and fires timers until [`Executor::stop`].
    pub fn work(&self) {
        while !self.stop.load(Ordering::SeqCst) {
            self.fire_timers();
            if let Some(r) = self.queue.pop() {
                r.poll();
                continue;
            }
            self.sleep();
        }
    }
    /// Ends all workers as soon as they have finished what they poll.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.queue.idle.wake();
    }
    fn fire_timers(&self) {
        if let Some(next) = self.timers.next_deadline() {
            let now = self.clock.monotonic();
            if next <= now {
                self.timers.fire_due(now);
            }
        }
    }
    fn sleep(&self) {
        self.queue.sleeping.fetch_add(1, Ordering::SeqCst);
        let epoch = self.queue.idle.epoch();
        let something = !self.queue.ready.lock().is_empty() || self.stop.load(Ordering::SeqCst);
        if !something {
            let timeout = self.timers.next_deadline().map(|d| d.saturating_sub(self.clock.monotonic()));
            if timeout != Some(0) {
                self.queue.idle.sleep(epoch, timeout);
            }
        }
        self.queue.sleeping.fetch_sub(1, Ordering::SeqCst);
    }
}
