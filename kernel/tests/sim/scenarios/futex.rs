//! Locks that are built on futexes.

use abi::Errno;
use kcore::addr::GuestAddr;
use platform::sim::DATA;

use crate::os::{Cond, Mutex, Os, Word};

fn private(offset: u64) -> Word {
    Word { at: GuestAddr(DATA.0 + offset), shared: false }
}

/// How a mutex is taken.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Inheriting,
}

/// Counts up without atomic steps, under a mutex.
async fn count(os: &Os, kind: Kind, mutex: Mutex, counter: Word, rounds: u64) {
    for _ in 0..rounds {
        match kind {
            Kind::Plain => mutex.lock(os).await,
            Kind::Inheriting => mutex.lock_pi(os).await,
        }
        let n = counter.get(os).await;
        counter.set(os, n + 1).await;
        match kind {
            Kind::Plain => mutex.unlock(os).await,
            Kind::Inheriting => mutex.unlock_pi(os).await,
        }
    }
}

async fn count_in_threads(os: &Os, kind: Kind, salt: u64) {
    let mut rng = os.rng(salt);
    let (threads, rounds) = (2 + rng.below(3), 2 + rng.below(5));
    let (mutex, counter) = (Mutex(private(0)), private(64));
    let mut running = Vec::new();
    for _ in 0..threads {
        let run = async move |os: Os| count(&os, kind, mutex, counter, rounds).await;
        running.push(os.thread(run).await);
    }
    for thread in running {
        thread.join(os).await;
    }
    assert_eq!(u64::from(counter.get(os).await), threads * rounds);
    assert_eq!(mutex.0.get(os).await, 0);
}

/// Threads that count under a mutex lose nothing.
pub async fn mutex(os: Os) {
    count_in_threads(&os, Kind::Plain, 1).await;
}

/// Threads that count under a lock with priority inheritance lose nothing.
pub async fn pi_mutex(os: Os) {
    count_in_threads(&os, Kind::Inheriting, 3).await;
}

/// Processes that count under a mutex in shared memory lose nothing.
pub async fn shared_mutex(os: Os) {
    let mut rng = os.rng(2);
    let (children, rounds) = (2 + rng.below(3), 2 + rng.below(4));
    let kind = *rng.pick(&[Kind::Plain, Kind::Inheriting]);
    let at = os.map_shared(4096).await;
    let mutex = Mutex(Word { at, shared: true });
    let counter = Word { at: GuestAddr(at.0 + 128), shared: true };
    let mut running = Vec::new();
    for _ in 0..children {
        let run = async move |os: Os| {
            count(&os, kind, mutex, counter, rounds).await;
            0
        };
        running.push(os.fork(run).await);
    }
    for child in running {
        os.join(child).await;
    }
    assert_eq!(u64::from(counter.get(&os).await), children * rounds);
}

/// Wakes one waiter, or all.
async fn tell(os: &Os, cond: Cond, all: Option<Mutex>) {
    match all {
        Some(mutex) => cond.broadcast(os, mutex).await,
        None => cond.signal(os).await,
    }
}

/// A buffer with a few places between producers and consumers: everything arrives once. Waits have timeouts now and then, and
/// wakes are sometimes for one and sometimes for all, who are then moved to the mutex.
pub async fn bounded_buffer(os: Os) {
    const PLACES: u32 = 2;
    let mut rng = os.rng(4);
    let (producers, consumers) = (1 + rng.below(3), 1 + rng.below(3));
    let each = 6 * consumers;
    let mutex = Mutex(private(0x200));
    let all = rng.one_in(2).then_some(mutex);
    let (not_full, not_empty) = (Cond(private(0x240)), Cond(private(0x280)));
    let (filled, sum) = (private(0x2c0), private(0x2c4));
    let mut running = Vec::new();
    for p in 0..producers {
        running.push(
            os.thread(async move |os: Os| {
                let mut rng = os.rng(40 + p);
                for _ in 0..each {
                    mutex.lock(&os).await;
                    while filled.get(&os).await == PLACES {
                        let timeout = rng.one_in(4).then(|| rng.below(5000));
                        not_full.wait(&os, mutex, timeout).await;
                    }
                    filled.add(&os, 1).await;
                    tell(&os, not_empty, all).await;
                    mutex.unlock(&os).await;
                }
            })
            .await,
        );
    }
    for c in 0..consumers {
        running.push(
            os.thread(async move |os: Os| {
                let mut rng = os.rng(50 + c);
                for _ in 0..6 * producers {
                    mutex.lock(&os).await;
                    while filled.get(&os).await == 0 {
                        let timeout = rng.one_in(4).then(|| rng.below(5000));
                        not_empty.wait(&os, mutex, timeout).await;
                    }
                    let n = filled.get(&os).await;
                    assert!(n <= PLACES);
                    filled.set(&os, n - 1).await;
                    sum.add(&os, 1).await;
                    tell(&os, not_full, all).await;
                    mutex.unlock(&os).await;
                }
            })
            .await,
        );
    }
    for thread in running {
        thread.join(&os).await;
    }
    assert_eq!(u64::from(sum.get(&os).await), producers * each);
    assert_eq!(filled.get(&os).await, 0);
}

/// A wait with a timeout ends by time, not before, or by a wake, which it then was counted for.
pub async fn timeouts(os: Os) {
    let mut rng = os.rng(5);
    let (word, woken) = (private(0x300), private(0x340));
    let waiters = 1 + rng.below(4);
    let mut running = Vec::new();
    for w in 0..waiters {
        running.push(
            os.thread(async move |os: Os| {
                let timeout = os.rng(60 + w).below(20_000);
                let before = os.now().await;
                match word.wait(&os, 0, Some(timeout)).await {
                    Ok(0) => {
                        woken.add(&os, 1).await;
                    }
                    Err(Errno::ETIMEDOUT) => assert!(os.now().await - before >= timeout),
                    other => panic!("{other:?}"),
                }
            })
            .await,
        );
    }
    let mut told = 0;
    for _ in 0..waiters {
        os.sleep(rng.below(8000)).await.unwrap();
        told += word.wake(&os, 1 + rng.below(2)).await;
    }
    for thread in running {
        thread.join(&os).await;
    }
    assert_eq!(u64::from(woken.get(&os).await), told, "who was woken knows it");
}
