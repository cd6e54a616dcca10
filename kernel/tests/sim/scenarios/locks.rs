//! File locks.

use abi::Errno;
use abi::nr::x86_64 as nr;
use kcore::addr::GuestAddr;

use crate::os::{Os, Word};

const LOCK_EX: u64 = 2;
const LOCK_UN: u64 = 8;
const F_SETLK: u64 = 6;
const F_SETLKW: u64 = 7;
const F_WRLCK: u16 = 1;
const F_UNLCK: u16 = 2;

/// Counts up without atomic steps.
async fn step(os: &Os, counter: Word) {
    let n = counter.get(os).await;
    counter.set(os, n + 1).await;
}

/// Processes that count under `flock` lose nothing, though each opens the file for itself, and some end with the lock.
pub async fn whole_file(os: Os) {
    let mut rng = os.rng(70);
    let (children, rounds) = (2 + rng.below(3), 1 + rng.below(4));
    let path = format!("/flock{}", os.getpid().await);
    let counter = Word { at: os.map_shared(4096).await, shared: true };
    let mut running = Vec::new();
    for _ in 0..children {
        let path = path.clone();
        let run = async move |os: Os| {
            let fd = os.create(&path).await;
            for round in 0..rounds {
                assert_eq!(os.call(nr::flock, [fd, LOCK_EX]).await, Ok(0));
                step(&os, counter).await;
                if round + 1 < rounds {
                    assert_eq!(os.call(nr::flock, [fd, LOCK_UN]).await, Ok(0));
                }
            }
            0
        };
        running.push(os.fork(run).await);
    }
    for child in running {
        os.join(child).await;
    }
    assert_eq!(u64::from(counter.get(&os).await), children * rounds);
}

impl Os {
    async fn lock_bytes(&self, fd: u64, command: u64, kind: u16, start: u64, len: u64) -> Result<u64, Errno> {
        let head = u64::from(kind);
        let flock: Vec<u8> = [head, start, len, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
        let at = self.arg(0, &flock).await;
        self.call(nr::fcntl, [fd, command, at]).await
    }
}

/// Processes lock two bytes of a file in an order of their own: if that would be a deadlock, one of them is told, gives up and tries
/// again. Each byte guards a counter.
pub async fn records(os: Os) {
    let mut rng = os.rng(71);
    let (children, rounds) = (2 + rng.below(2), 1 + rng.below(3));
    let path = format!("/records{}", os.getpid().await);
    let at = os.map_shared(4096).await;
    let counter = move |n: u64| Word { at: GuestAddr(at.0 + 64 * n), shared: true };
    let mut running = Vec::new();
    for c in 0..children {
        let path = path.clone();
        let run = async move |os: Os| {
            let fd = os.create(&path).await;
            let first = c % 2;
            let mut left = rounds;
            while left > 0 {
                assert_eq!(os.lock_bytes(fd, F_SETLKW, F_WRLCK, first, 1).await, Ok(0));
                step(&os, counter(first)).await;
                match os.lock_bytes(fd, F_SETLKW, F_WRLCK, 1 - first, 1).await {
                    Ok(_) => {
                        step(&os, counter(2)).await;
                        left -= 1;
                    }
                    Err(e) => {
                        assert_eq!(e, Errno::EDEADLK);
                        counter(3).add(&os, 1).await;
                    }
                }
                assert_eq!(os.lock_bytes(fd, F_SETLK, F_UNLCK, 0, 2).await, Ok(0));
            }
            0
        };
        running.push(os.fork(run).await);
    }
    for child in running {
        os.join(child).await;
    }
    let mut counts = [0; 4];
    for (n, count) in counts.iter_mut().enumerate() {
        *count = u64::from(counter(n as u64).get(&os).await);
    }
    assert_eq!(counts[2], children * rounds);
    assert_eq!(counts[0] + counts[1], counts[2] + counts[3], "both counters were guarded");
}
