//! Locks of simulated guests, as C libraries build them on futexes.

use abi::Errno;
use abi::nr::x86_64 as nr;
use abi::task::futex::{
    FUTEX_CMP_REQUEUE, FUTEX_LOCK_PI, FUTEX_PRIVATE_FLAG, FUTEX_UNLOCK_PI, FUTEX_WAIT, FUTEX_WAKE,
};
use kcore::addr::GuestAddr;

use super::{Os, Sys, timespec};

/// A futex word, private to a process or shared between processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub at: GuestAddr,
    pub shared: bool,
}

impl Word {
    fn op(self, op: u32) -> u64 {
        u64::from(if self.shared { op } else { op | FUTEX_PRIVATE_FLAG })
    }
    pub async fn get(self, os: &Os) -> u32 {
        os.g.load_u32(self.at).await
    }
    pub async fn set(self, os: &Os, value: u32) {
        os.g.store_u32(self.at, value).await;
    }
    pub async fn swap(self, os: &Os, value: u32) -> u32 {
        os.g.update_u32(self.at, move |_| Some(value)).await
    }
    /// Adds, and returns what it was.
    pub async fn add(self, os: &Os, n: u32) -> u32 {
        os.g.update_u32(self.at, move |old| Some(old.wrapping_add(n))).await
    }
    /// Sets it to `new` if it is `old`; returns what it was.
    pub async fn replace(self, os: &Os, old: u32, new: u32) -> u32 {
        os.g.update_u32(self.at, move |now| (now == old).then_some(new)).await
    }
    /// `FUTEX_WAIT`.
    pub async fn wait(self, os: &Os, value: u32, timeout: Option<u64>) -> Sys<u64> {
        let time = match timeout {
            Some(ns) => os.arg(0, &timespec(ns)).await,
            None => 0,
        };
        os.call(nr::futex, [self.at.0, self.op(FUTEX_WAIT), value.into(), time]).await
    }
    /// `FUTEX_WAKE`.
    pub async fn wake(self, os: &Os, n: u64) -> u64 {
        os.call(nr::futex, [self.at.0, self.op(FUTEX_WAKE), n]).await.unwrap()
    }
}

/// A mutex: 0 free, 1 held, 2 held and waited for.
#[derive(Clone, Copy, Debug)]
pub struct Mutex(pub Word);

impl Mutex {
    pub async fn lock(self, os: &Os) {
        if self.0.replace(os, 0, 1).await != 0 {
            self.lock_contended(os).await;
        }
    }
    async fn lock_contended(self, os: &Os) {
        while self.0.swap(os, 2).await != 0 {
            match self.0.wait(os, 2, None).await {
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(e) => panic!("mutex: {e:?}"),
            }
        }
    }
    pub async fn unlock(self, os: &Os) {
        if self.0.swap(os, 0).await == 2 {
            self.0.wake(os, 1).await;
        }
    }
    /// Takes it by priority inheritance: the word holds the owner's number.
    pub async fn lock_pi(self, os: &Os) {
        let tid = os.gettid().await as u32;
        if self.0.replace(os, 0, tid).await != 0 {
            assert_eq!(os.call(nr::futex, [self.0.at.0, self.0.op(FUTEX_LOCK_PI), 0, 0]).await, Ok(0));
        }
        assert_eq!(self.0.get(os).await & 0x3fff_ffff, tid, "the owner's number");
    }
    pub async fn unlock_pi(self, os: &Os) {
        let tid = os.gettid().await as u32;
        if self.0.replace(os, tid, 0).await != tid {
            assert_eq!(os.call(nr::futex, [self.0.at.0, self.0.op(FUTEX_UNLOCK_PI)]).await, Ok(0));
        }
    }
}

/// A condition variable: a word that counts signals.
#[derive(Clone, Copy, Debug)]
pub struct Cond(pub Word);

impl Cond {
    /// Gives up the mutex, waits, and takes it again. Returns whether it was woken rather than late.
    pub async fn wait(self, os: &Os, mutex: Mutex, timeout: Option<u64>) -> bool {
        let seen = self.0.get(os).await;
        mutex.unlock(os).await;
        let end = self.0.wait(os, seen, timeout).await;
        assert!(matches!(end, Ok(0) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ETIMEDOUT)), "{end:?}");
        // It may have been requeued to the mutex, and others with it.
        mutex.lock_contended(os).await;
        end != Err(Errno::ETIMEDOUT)
    }
    pub async fn signal(self, os: &Os) {
        self.0.add(os, 1).await;
        self.0.wake(os, 1).await;
    }
    /// Wakes one waiter, and moves the others to the mutex.
    pub async fn broadcast(self, os: &Os, mutex: Mutex) {
        loop {
            let now = self.0.add(os, 1).await.wrapping_add(1);
            let op = self.0.op(FUTEX_CMP_REQUEUE);
            let args = [self.0.at.0, op, 1, i32::MAX as u64, mutex.0.at.0, now.into()];
            match os.call(nr::futex, args).await {
                Ok(_) => return,
                // Another signal came in between.
                Err(e) => assert_eq!(e, Errno::EAGAIN),
            }
        }
    }
}
