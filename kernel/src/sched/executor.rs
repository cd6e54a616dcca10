//! The run queue and the worker loop.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kcore::host::Clock;
use kcore::sync::{LockClass, Mutex};
use kcore::timer::TimerQueue;
use platform::Sleeper;

use super::runnable::Runnable;

static RUN_QUEUE: LockClass = LockClass::new("run queue", 950);

/// Longest sleep of a worker while another one polls a future: what waits for that one may have to be taken over, if the future
/// takes long. In nanoseconds.
const STAND_IN: u64 = 1_000_000;

pub(super) struct Queue {
    ready: Mutex<VecDeque<Arc<Runnable>>>,
    /// Workers that are in [`Executor::work`], and those of them that sleep.
    workers: AtomicUsize,
    sleeping: AtomicUsize,
    idle: Arc<dyn Sleeper>,
}

impl Queue {
    pub(super) fn push(&self, r: Arc<Runnable>) {
        self.push_behind(r, 0);
    }
    /// As [`Queue::push`], after a poll that ended because others should get their turn: the caller is about to take the first of those
    /// that wait, and the pushed one can do without another worker as long as there is only one before it.
    pub(super) fn push_again(&self, r: Arc<Runnable>) {
        self.push_behind(r, 1);
    }
    fn push_behind(&self, r: Arc<Runnable>, patience: usize) {
        let waiting = {
            let mut ready = self.ready.lock();
            ready.push_back(r);
            self.tell(&ready);
            ready.len()
        };
        let sleeping = self.sleeping.load(Ordering::SeqCst);
        // A worker that is awake, most often the caller, takes the first one as soon as it can: sooner than another could be woken.
        let awake = self.workers.load(Ordering::SeqCst).saturating_sub(sleeping);
        if sleeping > 0 && waiting > awake + patience {
            self.idle.wake();
        }
    }
    fn pop(&self) -> Option<Arc<Runnable>> {
        let mut ready = self.ready.lock();
        let r = ready.pop_front()?;
        self.tell(&ready);
        Some(r)
    }
    fn pop_chosen(&self, choose: impl FnOnce(&[u64]) -> usize) -> Option<Arc<Runnable>> {
        let names: Vec<u64> = self.ready.lock().iter().map(|r| r.name()).collect();
        if names.is_empty() {
            return None;
        }
        let place = choose(&names);
        self.ready.lock().remove(place)
    }
    /// Tells the platform what waits.
    fn tell(&self, ready: &VecDeque<Arc<Runnable>>) {
        if let Some(backlog) = self.idle.backlog() {
            backlog.store(ready.len(), Ordering::Relaxed);
        }
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
        let queue = Queue {
            ready: Mutex::new(&RUN_QUEUE, VecDeque::new()),
            workers: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            idle,
        };
        Executor { queue: Arc::new(queue), timers, clock, stop: AtomicBool::new(false) }
    }
    /// Adds a future; some worker will poll it. `name` stands for it in [`Executor::step`].
    pub fn spawn(&self, name: u64, future: impl Future<Output = ()> + Send + 'static) {
        let r = Runnable::queued(name, Box::pin(future), &self.queue);
        self.queue.push(r);
    }
    /// Polls futures and fires timers until [`Executor::stop`].
    pub fn work(&self) {
        self.queue.workers.fetch_add(1, Ordering::SeqCst);
        while !self.stop.load(Ordering::SeqCst) {
            self.fire_timers();
            if let Some(r) = self.queue.pop() {
                r.poll();
                continue;
            }
            self.sleep();
        }
    }
    /// Polls one future, for a caller that decides what runs, in place of the workers: `choose` gets the names of all that can run, in
    /// the order in which they became ready, and returns a place among them. Returns the name of the one that was polled, or `None` if none can run.
    pub fn step(&self, choose: impl FnOnce(&[u64]) -> usize) -> Option<u64> {
        let r = self.queue.pop_chosen(choose)?;
        r.poll();
        Some(r.name())
    }
    /// Whether [`Executor::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
    /// Ends all workers as soon as they have finished what they poll.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.queue.idle.wake();
    }
    /// Fires the timers that are due. [`Executor::work`] does that itself.
    pub fn fire_timers(&self) {
        if let Some(next) = self.timers.next_deadline() {
            let now = self.clock.monotonic();
            if next <= now {
                self.timers.fire_due(now);
            }
        }
    }
    fn sleep(&self) {
        let asleep = self.queue.sleeping.fetch_add(1, Ordering::SeqCst) + 1;
        let epoch = self.queue.idle.epoch();
        let something = !self.queue.ready.lock().is_empty() || self.stop.load(Ordering::SeqCst);
        if !something {
            let mut timeout = self.timers.next_deadline().map(|d| d.saturating_sub(self.clock.monotonic()));
            let last = asleep >= self.queue.workers.load(Ordering::SeqCst);
            if !last {
                timeout = Some(timeout.map_or(STAND_IN, |t| t.min(STAND_IN)));
            }
            if timeout != Some(0) {
                self.queue.idle.sleep(epoch, timeout, last);
            }
        }
        self.queue.sleeping.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::sync::atomic::AtomicU64;

    use kcore::host::{ClockSource, Nanos};

    use super::*;

    struct Never;
    impl Sleeper for Never {
        fn epoch(&self) -> u32 {
            0
        }
        fn sleep(&self, _: u32, _: Option<Nanos>, _: bool) {
            panic!("whoever steps does not sleep");
        }
        fn wake(&self) {}
    }
    impl Clock for Never {
        fn now(&self, _: ClockSource) -> Nanos {
            0
        }
    }

    #[test]
    fn a_caller_chooses_what_runs() {
        let executor = Executor::new(Arc::new(Never), Arc::default(), Arc::new(Never));
        let ran = Arc::new(AtomicU64::new(0));
        for name in [5, 6, 7] {
            let ran = ran.clone();
            executor.spawn(name, async move {
                ran.store(name, Ordering::SeqCst);
            });
        }
        let mut offered = Vec::new();
        while let Some(name) = executor.step(|names| {
            offered.push(names.to_vec());
            names.len() / 2
        }) {
            assert_eq!(ran.load(Ordering::SeqCst), name);
        }
        assert_eq!(offered, [vec![5, 6, 7], vec![5, 7], vec![5]]);
    }
}
