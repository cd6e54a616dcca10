//! POSIX message queues as files, [`mq_overview(7)`](https://man7.org/linux/man-pages/man7/mq_overview.7.html).
//!
//! One file system for each IPC namespace: its files are the queues, whoever mounts it and wherever. Queues that are made with
//! `mq_open(3)` come through [`create_with`](crate::ops::create_with) and [`MqueueFs::new_queue`].

mod inode;
mod queue;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use kcore::host::Clock;
use kcore::id::Uid;
use kcore::sync::{LockClass, Mutex};

pub use inode::QueueInode;
pub use queue::{Notifier, Queue, Receiver};

use crate::Errno;
use crate::attr::StatFs;
use crate::consts::NAME_MAX;
use crate::inode::{FileSystem, Inode, NewInode};

static CHARGED: LockClass = LockClass::new("memory of message queues", 349);

/// `MQUEUE_MAGIC`.
const MAGIC: u64 = 0x1980_0202;

/// Most messages of any queue.
pub const HARD_MSGMAX: i64 = 65536;
/// Largest message of any queue.
pub const HARD_MSGSIZEMAX: i64 = 16 << 20;
/// Priorities are below this.
pub const PRIO_MAX: u32 = 32768;

/// Limits of a namespace, `/proc/sys/fs/mqueue`.
#[derive(Debug)]
pub struct MqueueLimits {
    /// Most queues.
    pub queues_max: AtomicU64,
    /// Most messages of a queue.
    pub msg_max: AtomicU64,
    /// Largest message.
    pub msgsize_max: AtomicU64,
    /// Most messages of a queue made without saying how many.
    pub msg_default: AtomicU64,
    /// Largest message of such a queue.
    pub msgsize_default: AtomicU64,
}

/// What a new queue shall hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSize {
    /// Most messages.
    pub messages: u64,
    /// Largest message.
    pub bytes: u64,
}

impl QueueSize {
    /// What the queue counts for under `RLIMIT_MSGQUEUE`: its messages, and what Linux needs to keep them in order.
    fn charge(self) -> Option<u64> {
        const PER_MESSAGE: u64 = 48;
        const PER_PRIORITY: u64 = 48;
        let order = self.messages.checked_mul(PER_MESSAGE)?;
        let order = order.checked_add(self.messages.min(PRIO_MAX.into()) * PER_PRIORITY)?;
        self.messages.checked_mul(self.bytes)?.checked_add(order)
    }
}

/// Bytes that the queues of each user count for.
struct Charges(Mutex<BTreeMap<Uid, u64>>);

/// What one queue counts for; given back when it is dropped.
struct Charge {
    all: Arc<Charges>,
    uid: Uid,
    bytes: u64,
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some(n) = all.get_mut(&self.uid) {
            *n -= self.bytes;
            if *n == 0 {
                all.remove(&self.uid);
            }
        }
    }
}

/// What all files share.
struct Shared {
    dev: u64,
    clock: Arc<dyn Clock>,
    charges: Arc<Charges>,
    limits: MqueueLimits,
    next_ino: AtomicU64,
}

/// The queues of an IPC namespace.
pub struct MqueueFs {
    shared: Arc<Shared>,
    root: Arc<QueueInode>,
}

impl MqueueFs {
    /// Without queues, with device number `dev`.
    pub fn new(dev: u64, clock: Arc<dyn Clock>) -> Arc<MqueueFs> {
        let limits = MqueueLimits {
            queues_max: AtomicU64::new(256),
            msg_max: AtomicU64::new(10),
            msgsize_max: AtomicU64::new(8192),
            msg_default: AtomicU64::new(10),
            msgsize_default: AtomicU64::new(8192),
        };
        let charges = Arc::new(Charges(Mutex::new(&CHARGED, BTreeMap::new())));
        let shared = Arc::new(Shared { dev, clock, charges, limits, next_ino: AtomicU64::new(1) });
        Arc::new(MqueueFs { root: QueueInode::root(&shared), shared })
    }
    /// Its limits.
    pub fn limits(&self) -> &MqueueLimits {
        &self.shared.limits
    }
    /// What a queue holds if nobody says.
    pub fn default_size(&self) -> QueueSize {
        self.shared.default_size()
    }
    /// Makes a queue. Permission to do so, and `size`, have been checked. Errors: `EEXIST`; `ENOSPC` with as many queues as
    /// there may be, unless `privileged`; `EMFILE` if the user's queues would hold more than `rlimit` bytes (`RLIMIT_MSGQUEUE`).
    pub fn new_queue(
        &self,
        name: &[u8],
        new: &NewInode,
        size: QueueSize,
        rlimit: u64,
        privileged: bool,
    ) -> Result<Arc<dyn Inode>, Errno> {
        self.root.add(name, new, size, rlimit, privileged)
    }
}

impl Shared {
    fn default_size(&self) -> QueueSize {
        let l = &self.limits;
        let get = |default: &AtomicU64, max: &AtomicU64| {
            default.load(Ordering::Relaxed).min(max.load(Ordering::Relaxed))
        };
        QueueSize {
            messages: get(&l.msg_default, &l.msg_max),
            bytes: get(&l.msgsize_default, &l.msgsize_max),
        }
    }
    fn charge(&self, uid: Uid, size: QueueSize, rlimit: u64) -> Result<Charge, Errno> {
        let bytes = size.charge().ok_or(Errno::EOVERFLOW)?;
        let mut all = self.charges.0.lock();
        let had = all.get(&uid).copied().unwrap_or(0);
        let sum = had.checked_add(bytes).filter(|n| *n <= rlimit).ok_or(Errno::EMFILE)?;
        all.insert(uid, sum);
        Ok(Charge { all: self.charges.clone(), uid, bytes })
    }
}

impl FileSystem for MqueueFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }
    fn name(&self) -> &str {
        "mqueue"
    }
    fn dev(&self) -> u64 {
        self.shared.dev
    }
    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(StatFs {
            magic: MAGIC,
            bsize: 4096,
            namelen: NAME_MAX as u64,
            fsid: self.shared.dev,
            ..StatFs::default()
        })
    }
}
