//! Threads of simulated guests.

use abi::nr::x86_64 as nr;
use abi::task::clone::{
    CLONE_CHILD_CLEARTID, CLONE_FILES, CLONE_FS, CLONE_PARENT_SETTID, CLONE_SIGHAND, CLONE_SYSVSEM,
    CLONE_THREAD, CLONE_VM,
};
use abi::task::futex::FUTEX_WAIT;
use kcore::addr::GuestAddr;

use super::Os;

/// Bytes of a thread's stack.
const STACK: u64 = 0x1_0000;

/// A thread to be joined.
pub struct Thread {
    pub tid: u64,
    /// The start of its stack, whose first word holds its number while it lives.
    stack: GuestAddr,
}

impl Os {
    /// Makes a thread that runs `body`.
    pub async fn thread<F, Fut>(&self, body: F) -> Thread
    where
        F: FnOnce(Os) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let flags = CLONE_VM
            | CLONE_FS
            | CLONE_FILES
            | CLONE_SIGHAND
            | CLONE_THREAD
            | CLONE_SYSVSEM
            | CLONE_PARENT_SETTID
            | CLONE_CHILD_CLEARTID;
        const PRIVATE_ANONYMOUS: u64 = 0x22;
        let stack = self.call(nr::mmap, [0, STACK, 3, PRIVATE_ANONYMOUS, u64::MAX, 0]).await.unwrap();
        let run = async move |g| {
            body(Os::begin(g).await).await;
            0
        };
        let tid = self.g.make_thread(nr::clone, [flags, stack + STACK, stack, stack, 0], run).await.unwrap();
        Thread { tid, stack: GuestAddr(stack) }
    }
}

impl Thread {
    /// Waits until it has ended.
    pub async fn join(self, os: &Os) {
        loop {
            let tid = os.g.load_u32(self.stack).await;
            if tid == 0 {
                break;
            }
            assert_eq!(u64::from(tid), self.tid);
            // It may have ended since, and signals may come.
            os.call(nr::futex, [self.stack.0, FUTEX_WAIT.into(), tid.into(), 0]).await.ok();
        }
        assert_eq!(os.call(nr::munmap, [self.stack.0, STACK]).await, Ok(0));
    }
}
