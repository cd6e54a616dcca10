//! Bugs that were put in to be found: in guests, and in a file that the kernel serves.

use std::sync::{Arc, Mutex as StdMutex};

use kcore::addr::GuestAddr;
use kcore::io::{IoError, IoResult, IoSink, IoSource};
use kcore::wait::{Events, WaitQueue};
use platform::sim::{DATA, End, Guest};
use vfs::{FileOps, OpenFile};

use crate::os::{Cond, Mutex, Os, Word};
use crate::seeds::{describe, first_failure};
use crate::world::{Outcome, World};

/// How many seeds there are to find each of them.
const SEEDS: u64 = 1000;

fn word(offset: u64) -> Word {
    Word { at: GuestAddr(DATA.0 + offset), shared: false }
}

/// Runs a program until a seed finds fault with it; the same seed then finds the same again.
fn found<F, Fut>(world: impl Fn(u64) -> World, main: F) -> Outcome
where
    F: Fn(Guest) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = u8> + Send + 'static,
{
    let (seed, outcome) = first_failure(0..SEEDS, &world, main.clone()).expect("some seed finds it");
    println!("seed {seed}: {}", describe(&outcome));
    let again = world(seed).run(main);
    assert_eq!(outcome, again, "seed {seed} replays");
    outcome
}

fn plain(seed: u64) -> World {
    World::new(seed, false)
}

/// Waits at a condition variable, but looks at the count of signals only after it has given up the mutex: a signal in between is lost.
async fn careless_wait(os: &Os, cond: Cond, mutex: Mutex) {
    mutex.unlock(os).await;
    let seen = cond.0.get(os).await;
    cond.0.wait(os, seen, None).await.ok();
    mutex.lock(os).await;
}

#[test]
fn a_lost_wake_up_of_guests_is_found() {
    let outcome = found(plain, async |g| {
        let os = Os::begin(g).await;
        let (mutex, cond, flag) = (Mutex(word(0)), Cond(word(64)), word(128));
        let waiter = os
            .thread(async move |os: Os| {
                mutex.lock(&os).await;
                while flag.get(&os).await == 0 {
                    careless_wait(&os, cond, mutex).await;
                }
                mutex.unlock(&os).await;
            })
            .await;
        mutex.lock(&os).await;
        flag.set(&os, 1).await;
        cond.signal(&os).await;
        mutex.unlock(&os).await;
        waiter.join(&os).await;
        0
    });
    let Ok(End::Deadlock { waiting }) = outcome.end else { panic!("{}", describe(&outcome)) };
    let mut words: Vec<_> =
        waiting.iter().filter_map(|w| w.split("addr=").nth(1)?.split(',').next()).collect();
    words.sort_unstable();
    assert_eq!(words[0], "0x10000040", "the waiter is named with what it waits for: {waiting:?}");
    assert_eq!(words.len(), 2, "and so is who waits for the waiter");
}

#[test]
fn a_deadlock_of_guests_is_found() {
    let outcome = found(plain, async |g| {
        let os = Os::begin(g).await;
        let (a, b) = (Mutex(word(0)), Mutex(word(64)));
        let other = os
            .thread(async move |os: Os| {
                b.lock(&os).await;
                a.lock(&os).await;
                a.unlock(&os).await;
                b.unlock(&os).await;
            })
            .await;
        a.lock(&os).await;
        b.lock(&os).await;
        b.unlock(&os).await;
        a.unlock(&os).await;
        other.join(&os).await;
        0
    });
    let Ok(End::Deadlock { waiting }) = outcome.end else { panic!("{}", describe(&outcome)) };
    assert_eq!(waiting.len(), 2);
    for addr in ["addr=0x10000000", "addr=0x10000040"] {
        assert!(waiting.iter().any(|w| w.contains(addr)), "{waiting:?}");
    }
}

/// A box for letters, as a kernel might serve it. Readers take as many as they like. It tells writers that there is room only when it
/// was full and one letter was taken, as if nobody ever took two.
#[derive(Default)]
struct Letters {
    count: StdMutex<usize>,
    queue: WaitQueue,
}

const PLACES: usize = 2;

impl FileOps for Letters {
    fn read(&self, _: &OpenFile, _: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let mut count = self.count.lock().unwrap();
        let taken = dst.remaining().min(*count);
        if taken == 0 {
            return Err(IoError::Again);
        }
        dst.write(&[b'x'; PLACES][..taken])?;
        *count -= taken;
        if *count == PLACES - 1 {
            self.queue.wake(Events::WRITABLE);
        }
        Ok(taken)
    }
    fn write(&self, _: &OpenFile, _: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        let mut count = self.count.lock().unwrap();
        if *count == PLACES {
            return Err(IoError::Again);
        }
        src.read(&mut [0])?;
        *count += 1;
        self.queue.wake(Events::READABLE);
        Ok(1)
    }
    fn queue(&self, _: &OpenFile) -> Option<WaitQueue> {
        Some(self.queue.clone())
    }
}

#[test]
fn a_lost_wake_up_of_the_kernel_is_found() {
    const BOX: u64 = 3;
    let world = |seed| {
        let world = plain(seed);
        world.provide(BOX as i32, Arc::new(Letters::default()));
        world
    };
    let outcome = found(world, async |g| {
        let os = Os::begin(g).await;
        let writer = os
            .thread(async |os: Os| {
                for _ in 0..6 {
                    assert_eq!(os.write(BOX, b"x").await, Ok(1));
                }
            })
            .await;
        let (mut rng, mut left) = (os.rng(60), 6);
        while left > 0 {
            // A timeout elsewhere hides the bug from those who only look for hangs.
            os.sleep(rng.below(20_000)).await.unwrap();
            left -= os.read(BOX, 1 + rng.below(2) as usize).await.unwrap().len();
        }
        writer.join(&os).await;
        0
    });
    let Ok(End::LostWakeup { missed, .. }) = &outcome.end else { panic!("{}", describe(&outcome)) };
    assert_eq!(missed.len(), 1);
}
