//! No wake is lost between trying, registering and sleeping, and none is spent on a waiter that left.

use std::sync::Arc;
use std::task::{Wake, Waker};

use shuttle::thread::{self, Thread};

use crate::explore;
use crate::primitives::{AtomicU32, Ordering};
use crate::wait::{Events, Registration, WaitQueue};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// A count of things to take, and the queue of those who wait for them.
#[derive(Clone)]
struct Source {
    ready: Arc<AtomicU32>,
    queue: WaitQueue,
}

impl Source {
    fn new() -> Source {
        Source { ready: Arc::new(AtomicU32::new(0)), queue: WaitQueue::new() }
    }
    fn put(&self, n: u32) {
        self.ready.fetch_add(n, Ordering::SeqCst);
        self.queue.wake(Events::IN);
    }
    fn take(&self) -> bool {
        self.ready.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
    }
    /// Try; register; try again; sleep.
    fn wait(&self, register: impl Fn(&WaitQueue, &Waker) -> Registration) {
        if self.take() {
            return;
        }
        let _registration = register(&self.queue, &waker());
        while !self.take() {
            thread::park();
        }
    }
}

fn shared(queue: &WaitQueue, waker: &Waker) -> Registration {
    queue.register(Events::IN, waker)
}

fn exclusive(queue: &WaitQueue, waker: &Waker) -> Registration {
    queue.register_exclusive(Events::IN, waker)
}

fn spawn(source: &Source, f: impl FnOnce(Source) + Send + 'static) -> thread::JoinHandle<()> {
    let source = source.clone();
    thread::spawn(move || f(source))
}

#[test]
fn every_waiter_gets_what_is_put() {
    explore(600, || {
        let s = Source::new();
        let waiters = [spawn(&s, |s| s.wait(shared)), spawn(&s, |s| s.wait(shared))];
        s.put(1);
        s.put(1);
        for w in waiters {
            w.join().unwrap();
        }
        assert!(!s.queue.has_waiters());
    });
}

#[test]
fn a_wake_before_the_registration_is_seen() {
    explore(300, || {
        let s = Source::new();
        let putter = spawn(&s, |s| s.put(1));
        s.wait(|queue, waker| {
            thread::yield_now();
            shared(queue, waker)
        });
        putter.join().unwrap();
    });
}

/// What the schedules above would show if a waiter slept without the second try.
#[test]
#[should_panic(expected = "deadlock")]
fn without_the_second_try_a_wake_is_lost() {
    explore(300, || {
        let s = Source::new();
        let putter = spawn(&s, |s| s.put(1));
        if !s.take() {
            let _registration = shared(&s.queue, &waker());
            thread::park();
        }
        putter.join().unwrap();
    });
}

#[test]
fn wake_all_reaches_shared_and_exclusive() {
    explore(300, || {
        let s = Source::new();
        let waiters = [
            spawn(&s, |s| s.wait(shared)),
            spawn(&s, |s| s.wait(exclusive)),
            spawn(&s, |s| s.wait(exclusive)),
        ];
        s.ready.store(3, Ordering::SeqCst);
        s.queue.wake_all();
        for w in waiters {
            w.join().unwrap();
        }
    });
}

#[test]
fn a_waiter_that_gives_up_passes_its_wake_on() {
    explore(1000, || {
        let s = Source::new();
        let first = exclusive(&s.queue, Waker::noop());
        let second = exclusive(&s.queue, &waker());
        let gives_up = thread::spawn(move || first.pass_on());
        let putter = spawn(&s, |s| s.put(1));
        while !s.take() {
            thread::park();
        }
        drop(second);
        gives_up.join().unwrap();
        putter.join().unwrap();
        assert!(!s.queue.has_waiters());
    });
}

#[test]
fn leaving_while_woken_harms_nobody() {
    explore(300, || {
        let s = Source::new();
        let leaves = spawn(&s, |s| {
            for _ in 0..2 {
                drop(shared(&s.queue, &waker()));
            }
        });
        let stays = spawn(&s, |s| s.wait(shared));
        s.put(1);
        leaves.join().unwrap();
        stays.join().unwrap();
        assert_eq!(s.queue.wake_all(), 0);
    });
}
