//! A consumer that waits for a producer through a queue of wakers: `cargo run -p picket-core --example wait_queue`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};

use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};

static ITEMS: LockClass = LockClass::new("items", 300);

struct Channel {
    items: Mutex<VecDeque<u32>>,
    queue: WaitQueue,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Channel {
    fn send(&self, item: u32) {
        self.items.lock().push_back(item);
        self.queue.wake(Events::IN);
    }

    /// Any executor would do as well as this thread: the queue knows only its waker.
    fn receive(&self) -> u32 {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let _registration = self.queue.register(Events::IN, &waker);
        loop {
            // Registered first, looked second: a wake in between is not lost.
            if let Some(item) = self.items.lock().pop_front() {
                return item;
            }
            thread::park();
        }
    }
}

fn main() {
    let channel = Channel { items: Mutex::new(&ITEMS, VecDeque::new()), queue: WaitQueue::new() };
    thread::scope(|s| {
        s.spawn(|| (0..5).for_each(|n| channel.send(n)));
        for _ in 0..5 {
            println!("received {}", channel.receive());
        }
    });
}
