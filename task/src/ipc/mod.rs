//! System V IPC, [`sysvipc(7)`](https://man7.org/linux/man-pages/man7/sysvipc.7.html): shared memory, semaphores and message queues
//! of an IPC namespace.
//!
//! Nothing here waits: an operation that cannot go on leaves a waiter or names a queue, and the caller tries again.

mod ids;
mod msg;
mod perm;
mod sem;
mod sem_set;
mod sem_undo;
mod shm;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use kcore::cred::UserNamespace;

pub use ids::Asker;
pub use msg::{Message, MsgTable, QueueInfo, QueueUsage, Take};
pub use perm::{NewPerm, Perm, S_IRUGO, S_IWUGO};
pub use sem::{SemInfo, SemTable, SemUsage, Which};
pub use sem_set::{SEMAEM, SEMVMX, SemOp, SemWaiter};
pub use sem_undo::SemUndo;
pub use shm::{Segment, SegmentInfo, SegmentMemory, ShmTable, ShmUsage};

/// How a `*ctl` call names an object.
#[derive(Clone, Copy, Debug)]
pub enum Name {
    /// By number (`IPC_STAT`).
    Id(i32),
    /// By index (`SHM_STAT`, `SEM_STAT`, `MSG_STAT`).
    Index(i32),
    /// By index, without asking for permission (`SHM_STAT_ANY`, `SEM_STAT_ANY`, `MSG_STAT_ANY`).
    AnyIndex(i32),
}

/// A limit or wish that `/proc/sys/kernel` shows and sets.
#[derive(Debug)]
pub struct Tunable(AtomicU64);

impl Tunable {
    const fn new(value: u64) -> Tunable {
        Tunable(AtomicU64::new(value))
    }
    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
    fn get_u32(&self) -> u32 {
        u32::try_from(self.get()).unwrap_or(u32::MAX)
    }
}

/// The System V objects that a set of processes sees, `ipc_namespaces(7)`.
pub struct IpcNamespace {
    user_ns: Arc<UserNamespace>,
    /// Shared memory.
    pub shm: Arc<ShmTable>,
    /// Semaphores.
    pub sem: SemTable,
    /// Message queues.
    pub msg: MsgTable,
}

impl IpcNamespace {
    /// An empty namespace that `user_ns` owns.
    pub fn new(user_ns: Arc<UserNamespace>) -> Arc<IpcNamespace> {
        Arc::new(IpcNamespace {
            shm: Arc::new(ShmTable::new(user_ns.clone())),
            sem: SemTable::new(user_ns.clone()),
            msg: MsgTable::new(user_ns.clone()),
            user_ns,
        })
    }
    /// The user namespace that owns it.
    pub fn user_ns(&self) -> &Arc<UserNamespace> {
        &self.user_ns
    }
}
