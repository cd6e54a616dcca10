//! System V semaphores and messages, and POSIX message queues.

use abi::nr::x86_64 as nr;
use kcore::addr::GuestAddr;

use crate::os::{Os, Word};

const IPC_PRIVATE: u64 = 0;
const IPC_RMID: u64 = 0;
const SEM_UNDO: u16 = 0x1000;

impl Os {
    async fn semop(&self, id: u64, op: i16, flags: u16) {
        let sembuf = [0u16, op.cast_unsigned(), flags].map(u16::to_le_bytes).concat();
        let at = self.arg(0, &sembuf).await;
        assert_eq!(self.call(nr::semop, [id, at, 1]).await, Ok(0));
    }
}

/// Processes that count under a semaphore lose nothing, even if some end without giving it back.
pub async fn semaphore(os: Os) {
    let mut rng = os.rng(80);
    let (children, rounds) = (2 + rng.below(3), 1 + rng.below(4));
    let id = os.call(nr::semget, [IPC_PRIVATE, 1, 0o600]).await.unwrap();
    os.semop(id, 1, 0).await;
    let counter = Word { at: os.map_shared(4096).await, shared: true };
    let mut running = Vec::new();
    for _ in 0..children {
        let run = async move |os: Os| {
            for round in 0..rounds {
                os.semop(id, -1, SEM_UNDO).await;
                let n = counter.get(&os).await;
                counter.set(&os, n + 1).await;
                if round + 1 < rounds {
                    os.semop(id, 1, SEM_UNDO).await;
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
    assert_eq!(os.call(nr::semctl, [id, 0, IPC_RMID]).await, Ok(0));
}

/// Messages of several types through one queue: each receiver gets those of its type, all of them and in order.
pub async fn messages(os: Os) {
    let mut rng = os.rng(81);
    let (pairs, each) = (1 + rng.below(3), 1 + rng.below(5));
    let id = os.call(nr::msgget, [IPC_PRIVATE, 0o600]).await.unwrap();
    let mut running = Vec::new();
    for kind in 1..=pairs {
        let send = async move |os: Os| {
            for n in 0..each {
                // Big ones, so that the queue gets full.
                let message = [&kind.to_le_bytes()[..], &n.to_le_bytes(), &[7; 3500]].concat();
                let at = os.arg(0, &message).await;
                assert_eq!(os.call(nr::msgsnd, [id, at, 3508, 0]).await, Ok(0));
            }
            0
        };
        let receive = async move |os: Os| {
            for n in 0..each {
                let at = os.arg(0, &[0; 16]).await;
                assert_eq!(os.call(nr::msgrcv, [id, at, 4000, kind, 0]).await, Ok(3508));
                assert_eq!(os.g.load_u64(GuestAddr(at)).await, kind);
                assert_eq!(os.g.load_u64(GuestAddr(at + 8)).await, n);
            }
            0
        };
        running.push(os.fork(send).await);
        running.push(os.fork(receive).await);
    }
    for child in running {
        os.join(child).await;
    }
    assert_eq!(os.call(nr::msgctl, [id, IPC_RMID, 0]).await, Ok(0));
}

/// A POSIX queue with few places: every message arrives once, whoever receives.
pub async fn queue(os: Os) {
    const CREATE_READ_WRITE: u64 = 0o102;
    let mut rng = os.rng(82);
    let (senders, receivers) = (1 + rng.below(3), 1 + rng.below(3));
    let each = 2 * receivers;
    let name = format!("queue{}\0", os.getpid().await);
    let attributes: Vec<u8> =
        [0u64, 1 + rng.below(3), 16, 0, 0, 0, 0, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
    let attributes = os.arg(64, &attributes).await;
    let at = os.arg(0, name.as_bytes()).await;
    let queue = os.call(nr::mq_open, [at, CREATE_READ_WRITE, 0o600, attributes]).await.unwrap();
    assert_eq!(os.call(nr::mq_unlink, [at]).await, Ok(0));
    let sum = Word { at: os.map_shared(4096).await, shared: true };
    let mut running = Vec::new();
    for _ in 0..senders {
        let send = async move |os: Os| {
            for n in 0..each {
                let at = os.arg(0, &n.to_le_bytes()).await;
                assert_eq!(os.call(nr::mq_timedsend, [queue, at, 8, n % 3, 0]).await, Ok(0));
            }
            0
        };
        running.push(os.fork(send).await);
    }
    for _ in 0..receivers {
        let receive = async move |os: Os| {
            for _ in 0..2 * senders {
                let at = os.arg(0, &[0; 16]).await;
                assert_eq!(os.call(nr::mq_timedreceive, [queue, at, 16, 0, 0]).await, Ok(8));
                sum.add(&os, 1 + os.g.load_u64(GuestAddr(at)).await as u32).await;
            }
            0
        };
        running.push(os.fork(receive).await);
    }
    for child in running {
        os.join(child).await;
    }
    assert_eq!(u64::from(sum.get(&os).await), senders * (each * (each + 1) / 2));
    os.close(queue).await;
}
