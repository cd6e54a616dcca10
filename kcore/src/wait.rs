//! Wait queues and readiness.
//!
//! The contract, for whoever waits: try; register on the queues; try again; only then sleep. Wakers are called
//! after the queue's lock is released, so a waker may take any lock of rank above 850 and wake other queues.

use alloc::sync::Arc;
use core::panic::Location;
use core::task::Waker;

use slab::Slab;
use smallvec::SmallVec;

use crate::primitives::{AtomicUsize, Ordering};
use crate::sync::{LockClass, Mutex};

static WAIT_QUEUE: LockClass = LockClass::new("wait queue", 900);

bitflags::bitflags! {
    /// Readiness, with the numbers of `poll(2)` and `epoll_ctl(2)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Events: u32 {
        /// Data can be read.
        const IN = 0x001;
        /// An exceptional condition (`POLLPRI`).
        const PRI = 0x002;
        /// Data can be written.
        const OUT = 0x004;
        /// Error; always reported.
        const ERR = 0x008;
        /// Hang-up; always reported.
        const HUP = 0x010;
        /// Not an open descriptor; always reported.
        const NVAL = 0x020;
        /// As `IN`, for normal data.
        const RDNORM = 0x040;
        /// Priority band data can be read.
        const RDBAND = 0x080;
        /// As `OUT`, for normal data.
        const WRNORM = 0x100;
        /// Priority data can be written.
        const WRBAND = 0x200;
        /// The peer shut down its writing half.
        const RDHUP = 0x2000;
    }
}

impl Events {
    /// What `poll` reports whether or not it was asked for.
    pub const ALWAYS: Events = Events::ERR.union(Events::HUP);
    /// All that a reader waits for.
    pub const READABLE: Events = Events::IN.union(Events::RDNORM);
    /// All that a writer waits for.
    pub const WRITABLE: Events = Events::OUT.union(Events::WRNORM);
}

/// A queue of wakers, each interested in some events. Clones are handles to the same queue.
#[derive(Clone)]
pub struct WaitQueue(Arc<Inner>);

struct Inner {
    entries: Mutex<Slab<Entry>>,
    count: AtomicUsize,
    made_at: &'static Location<'static>,
}

struct Entry {
    events: Events,
    waker: Waker,
    exclusive: bool,
    woken: bool,
    seq: u64,
}

impl Default for WaitQueue {
    #[track_caller]
    fn default() -> Self {
        WaitQueue(Arc::new(Inner {
            entries: Mutex::new(&WAIT_QUEUE, Slab::new()),
            count: AtomicUsize::new(0),
            made_at: Location::caller(),
        }))
    }
}

impl WaitQueue {
    /// An empty queue.
    #[track_caller]
    pub fn new() -> WaitQueue {
        WaitQueue::default()
    }
    /// Where in the code it was made: the nearest to a name that a queue has, for reports of what is waited for.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.0.made_at
    }
    /// Calls `waker` at each wake for any of `events` (or `ERR`/`HUP`), until the registration is dropped.
    pub fn register(&self, events: Events, waker: &Waker) -> Registration {
        self.add(events, waker, false)
    }
    /// As [`WaitQueue::register`], but one wake reaches only one exclusive waiter, in order of registration.
    pub fn register_exclusive(&self, events: Events, waker: &Waker) -> Registration {
        self.add(events, waker, true)
    }
    fn add(&self, events: Events, waker: &Waker, exclusive: bool) -> Registration {
        let mut entries = self.0.entries.lock();
        let seq = entries.iter().map(|(_, e)| e.seq).max().unwrap_or(0) + 1;
        let key = entries.insert(Entry {
            events: events | Events::ALWAYS,
            waker: waker.clone(),
            exclusive,
            woken: false,
            seq,
        });
        self.0.count.fetch_add(1, Ordering::SeqCst);
        Registration { queue: self.clone(), key: Some(key) }
    }
    /// Whether anybody is registered. Needs no lock: a waker that changed the state before may skip a wake if this is false.
    pub fn has_waiters(&self) -> bool {
        // An exchange is a fence too, and cheaper than one with a load: who registers comes after it and sees the change, or before it.
        self.0.count.compare_exchange(0, 0, Ordering::SeqCst, Ordering::SeqCst).is_err()
    }
    /// Wakes everybody interested in any of `events`, and of the exclusive waiters the first one that is not already woken.
    /// Returns the number woken.
    pub fn wake(&self, events: Events) -> usize {
        self.wake_upto(events, 1)
    }
    /// Wakes everybody, whatever they are interested in.
    pub fn wake_all(&self) -> usize {
        self.wake_upto(Events::all(), usize::MAX)
    }
    fn wake_upto(&self, events: Events, mut exclusive: usize) -> usize {
        if !self.has_waiters() {
            return 0;
        }
        let mut wakers: SmallVec<[Waker; 4]> = SmallVec::new();
        {
            let mut entries = self.0.entries.lock();
            let mut order: SmallVec<[(u64, usize); 8]> = entries
                .iter()
                .filter(|(_, e)| e.events.intersects(events))
                .map(|(k, e)| (e.seq, k))
                .collect();
            order.sort_unstable();
            for (_, key) in order {
                let e = &mut entries[key];
                if e.exclusive {
                    if e.woken || exclusive == 0 {
                        continue;
                    }
                    exclusive -= 1;
                    e.woken = true;
                }
                wakers.push(e.waker.clone());
            }
        }
        let n = wakers.len();
        for w in wakers {
            w.wake();
        }
        n
    }
    /// Whether both are handles to one queue.
    pub fn same(&self, other: &WaitQueue) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl core::fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WaitQueue({} waiting)", self.0.count.load(Ordering::Relaxed))
    }
}

/// A waker's place in a queue; dropping it leaves the queue.
#[must_use = "dropping a registration ends it"]
#[derive(Debug)]
pub struct Registration {
    queue: WaitQueue,
    /// `None` once it has left the queue.
    key: Option<usize>,
}

impl Registration {
    /// For an exclusive waiter that was woken but will not take what it was woken for: passes the wake on.
    pub fn pass_on(mut self) {
        // Looking and leaving are one step: a wake in between would be spent on a waiter that is gone.
        if let Some(entry) = self.leave().filter(|e| e.exclusive && e.woken) {
            self.queue.wake(entry.events);
        }
    }
    fn leave(&mut self) -> Option<Entry> {
        let key = self.key.take()?;
        let entry = self.queue.0.entries.lock().try_remove(key);
        self.queue.0.count.fetch_sub(1, Ordering::SeqCst);
        entry
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

/// Queues to wait on, with the events that matter on each.
#[derive(Clone, Debug, Default)]
pub struct WaitSet {
    entries: SmallVec<[(WaitQueue, Events); 2]>,
}

impl WaitSet {
    /// No queues: such a wait ends only by time or interruption.
    pub fn new() -> WaitSet {
        WaitSet::default()
    }
    /// One queue.
    pub fn one(queue: &WaitQueue, events: Events) -> WaitSet {
        let mut set = WaitSet::new();
        set.add(queue, events);
        set
    }
    /// Adds a queue.
    pub fn add(&mut self, queue: &WaitQueue, events: Events) {
        self.entries.push((queue.clone(), events));
    }
    /// Registers `waker` on all queues.
    pub fn register(&self, waker: &Waker) -> SmallVec<[Registration; 2]> {
        self.entries.iter().map(|(q, e)| q.register(*e, waker)).collect()
    }
    /// The queues, and what matters on each.
    pub fn iter(&self) -> impl Iterator<Item = (&WaitQueue, Events)> {
        self.entries.iter().map(|(q, e)| (q, *e))
    }
    /// Whether there are no queues.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
