//! Locks that are built on futexes.

use abi::Errno;
use abi::nr::x86_64 as nr;
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

/// A thread ends with a lock that is on its robust list: the next one is told, and takes it over.
pub async fn robust(os: Os) {
    const OWNER_DIED: u32 = 0x4000_0000;
    const WAITERS: u32 = 0x8000_0000;
    let mut rng = os.rng(6);
    let threads = 2 + rng.below(3);
    // The kernel wakes as for shared words.
    let lock = Word { shared: true, ..private(0x400) };
    let died = private(0x404);
    let mut running = Vec::new();
    for n in 0..threads {
        let run = async move |os: Os| {
            let tid = os.gettid().await as u32;
            // A list with one entry, whose word is the lock; each thread has its own.
            let entry = DATA.0 + 0x440 + 64 * n;
            let head = [entry + 24, lock.at.0.wrapping_sub(entry + 24), 0, entry];
            for (i, word) in head.iter().enumerate() {
                os.g.store_u64(GuestAddr(entry + 8 * i as u64), *word).await;
            }
            assert_eq!(os.call(nr::set_robust_list, [entry, 24]).await, Ok(0));
            loop {
                let now = lock.get(&os).await;
                if now & 0x3fff_ffff == 0 {
                    if lock.replace(&os, now, tid | now & WAITERS).await == now {
                        died.add(&os, u32::from(now & OWNER_DIED != 0)).await;
                        return;
                    }
                } else if now & WAITERS != 0 || lock.replace(&os, now, now | WAITERS).await == now {
                    lock.wait(&os, now | WAITERS, None).await.ok();
                }
            }
        };
        running.push(os.thread(run).await);
    }
    for thread in running {
        thread.join(&os).await;
    }
    assert_eq!(u64::from(died.get(&os).await), threads - 1, "all but the first were told");
    assert_eq!(lock.get(&os).await & !WAITERS, OWNER_DIED);
}

/// Threads wait for any of several words (`futex_waitv`) until each word was set for each of them.
pub async fn any_of(os: Os) {
    const WORD_PRIVATE: u32 = 2 | 0x80;
    let mut rng = os.rng(7);
    let (words, threads) = (1 + rng.below(4), 1 + rng.below(3));
    let mut running = Vec::new();
    for _ in 0..threads {
        let run = async move |os: Os| {
            let mut left: Vec<Word> = (0..words).map(|n| private(0x600 + 64 * n)).collect();
            while !left.is_empty() {
                let entry = |w: &Word| {
                    [&[0; 8][..], &w.at.0.to_le_bytes(), &WORD_PRIVATE.to_le_bytes(), &[0; 4]].concat()
                };
                let list: Vec<u8> = left.iter().flat_map(entry).collect();
                let at = os.arg(0, &list).await;
                let woken = os.call(nr::futex_waitv, [at, left.len() as u64, 0, 0, 0]).await;
                assert!(matches!(woken, Err(Errno::EAGAIN)) || woken.unwrap() < left.len() as u64);
                let mut unset = Vec::new();
                for word in left {
                    if word.get(&os).await == 0 {
                        unset.push(word);
                    }
                }
                left = unset;
            }
        };
        running.push(os.thread(run).await);
    }
    for n in 0..words {
        if rng.one_in(2) {
            os.sleep(rng.below(3000)).await.unwrap();
        }
        private(0x600 + 64 * n).set(&os, 1).await;
        private(0x600 + 64 * n).wake(&os, u64::from(i32::MAX.cast_unsigned())).await;
    }
    for thread in running {
        thread.join(&os).await;
    }
}
