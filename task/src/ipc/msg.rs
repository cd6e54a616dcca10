//! Message queues, `msgget(2)`, `msgop(2)`, `msgctl(2)`.

use abi::Errno;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use kcore::cred::{Cap, UserNamespace};
use kcore::io::{IoError, IoResult};
use kcore::sync::{LockClass, Mutex};
use kcore::wait::WaitQueue;

use super::ids::{Asker, Found, Ids, Object};
use super::perm::{NewPerm, Perm, S_IRUGO, S_IWUGO};
use super::{Name, Tunable};
use crate::PidNode;

static QUEUES: LockClass = LockClass::new("message queues", 283);

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type, above 0.
    pub kind: i64,
    /// What it says.
    pub data: Arc<[u8]>,
}

/// Which message `msgrcv(2)` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The first.
    Any,
    /// The first of this type.
    Kind(i64),
    /// The first of another type (`MSG_EXCEPT`).
    NotKind(i64),
    /// The first of the lowest type, if that is not above this one.
    UpTo(i64),
    /// A copy of the message at this place (`MSG_COPY`).
    Copy(i64),
}

struct Queue {
    perm: Perm,
    messages: VecDeque<Message>,
    bytes: u64,
    max_bytes: u64,
    stime: i64,
    rtime: i64,
    ctime: i64,
    lspid: Option<Arc<PidNode>>,
    lrpid: Option<Arc<PidNode>>,
    /// Woken by every change.
    changed: WaitQueue,
}

impl Object for Queue {
    fn perm(&self) -> &Perm {
        &self.perm
    }
    fn perm_mut(&mut self) -> &mut Perm {
        &mut self.perm
    }
    fn weight(&self) -> u64 {
        0
    }
}

impl Queue {
    fn find(&self, take: Take) -> Option<usize> {
        let first = |pick: &dyn Fn(i64) -> bool| self.messages.iter().position(|m| pick(m.kind));
        match take {
            Take::Any => first(&|_| true),
            Take::Kind(kind) => first(&|k| k == kind),
            Take::NotKind(kind) => first(&|k| k != kind),
            Take::UpTo(most) => {
                let lowest = self.messages.iter().map(|m| m.kind).min().filter(|k| *k <= most)?;
                first(&|k| k == lowest)
            }
            Take::Copy(n) => usize::try_from(n).ok().filter(|n| *n < self.messages.len()),
        }
    }
}

/// What is known of a queue.
#[derive(Clone)]
pub struct QueueInfo {
    /// Owner and permissions.
    pub perm: Perm,
    /// Bytes in it.
    pub bytes: u64,
    /// Messages in it.
    pub messages: usize,
    /// Most bytes in it.
    pub max_bytes: u64,
    /// When a message was last sent.
    pub stime: i64,
    /// When a message was last received.
    pub rtime: i64,
    /// When it was made or changed.
    pub ctime: i64,
    /// Who sent last.
    pub lspid: Option<Arc<PidNode>>,
    /// Who received last.
    pub lrpid: Option<Arc<PidNode>>,
}

/// `MSG_INFO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueUsage {
    /// Queues.
    pub queues: usize,
    /// Messages.
    pub messages: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Highest index in use.
    pub max_index: u32,
}

/// The queues of a namespace.
pub struct MsgTable {
    user_ns: Arc<UserNamespace>,
    queues: Mutex<Ids<Queue>>,
    /// Largest message (`kernel.msgmax`).
    pub msgmax: Tunable,
    /// Most bytes of a new queue (`kernel.msgmnb`).
    pub msgmnb: Tunable,
    /// Most queues (`kernel.msgmni`).
    pub msgmni: Tunable,
}

impl MsgTable {
    pub(super) fn new(user_ns: Arc<UserNamespace>) -> MsgTable {
        MsgTable {
            user_ns,
            queues: Mutex::new(&QUEUES, Ids::default()),
            msgmax: Tunable::new(8192),
            msgmnb: Tunable::new(16384),
            msgmni: Tunable::new(32000),
        }
    }
    /// The number that the next queue shall have, if any (`kernel.msg_next_id`).
    pub fn next_id(&self) -> Option<u32> {
        self.queues.lock().next_id
    }
    /// Sets that.
    pub fn set_next_id(&self, id: Option<u32>) {
        self.queues.lock().next_id = id;
    }
    /// [`msgget(2)`](https://man7.org/linux/man-pages/man2/msgget.2.html). Errors: `ENOENT`, `EEXIST`, `EACCES`, `ENOSPC`.
    pub fn msgget(&self, key: i32, flags: u32, by: &Asker<'_>) -> Result<i32, Errno> {
        let mut queues = self.queues.lock();
        if let Found::Index(index) = queues.find_key(key, flags)? {
            let q = queues.at(index)?;
            q.perm.check(flags, by.cred, &self.user_ns)?;
            return Ok(q.perm.id);
        }
        let queue = Queue {
            perm: Perm::new(key, flags, by.cred),
            messages: VecDeque::new(),
            bytes: 0,
            max_bytes: self.msgmnb.get(),
            stime: 0,
            rtime: 0,
            ctime: by.now,
            lspid: None,
            lrpid: None,
            changed: WaitQueue::new(),
        };
        queues.add(queue, self.msgmni.get_u32())
    }
    /// The queue that tells of changes, for one who waits. Errors: `EINVAL`.
    pub fn changes(&self, id: i32) -> Result<WaitQueue, Errno> {
        Ok(self.queues.lock().get(id)?.changed.clone())
    }
    /// `msgsnd(2)`, once. Errors: `Again` while there is no room; `EINVAL`, `EACCES`.
    pub fn send(&self, id: i32, message: &Message, by: &Asker<'_>) -> IoResult<()> {
        let len = message.data.len() as u64;
        let changed = {
            let mut queues = self.queues.lock();
            let q = queues.get(id)?;
            q.perm.check(S_IWUGO, by.cred, &self.user_ns)?;
            let bytes = q.bytes.saturating_add(len);
            if bytes > q.max_bytes || q.messages.len() as u64 >= q.max_bytes {
                return Err(IoError::Again);
            }
            q.messages.push_back(message.clone());
            (q.bytes, q.stime, q.lspid) = (bytes, by.now, Some(by.pid.clone()));
            q.changed.clone()
        };
        changed.wake_all();
        Ok(())
    }
    /// `msgrcv(2)`, once: a message of at most `size` bytes, or of any size with `cut`.
    ///
    /// Errors: `Again` without such a message; `E2BIG` for a longer one, which stays; `EINVAL`, `EACCES`.
    pub fn receive(&self, id: i32, take: Take, size: usize, cut: bool, by: &Asker<'_>) -> IoResult<Message> {
        let (message, changed) = {
            let mut queues = self.queues.lock();
            let q = queues.get(id)?;
            q.perm.check(S_IRUGO, by.cred, &self.user_ns)?;
            let at = q.find(take).ok_or(IoError::Again)?;
            let message = q.messages.get(at).cloned().ok_or(IoError::Again)?;
            if message.data.len() > size && !cut {
                return Err(Errno::E2BIG.into());
            }
            if matches!(take, Take::Copy(_)) {
                return Ok(message);
            }
            q.messages.remove(at);
            q.bytes = q.bytes.saturating_sub(message.data.len() as u64);
            (q.rtime, q.lrpid) = (by.now, Some(by.pid.clone()));
            (message, q.changed.clone())
        };
        changed.wake_all();
        Ok(message)
    }
    /// `IPC_STAT` and its like. Errors: `EINVAL`, `EACCES`.
    pub fn stat(&self, which: Name, by: &Asker<'_>) -> Result<QueueInfo, Errno> {
        let mut queues = self.queues.lock();
        let q = match which {
            Name::Id(id) => queues.get(id)?,
            Name::Index(i) | Name::AnyIndex(i) => queues.at(u32::try_from(i).map_err(|_| Errno::EINVAL)?)?,
        };
        if !matches!(which, Name::AnyIndex(_)) {
            q.perm.check(S_IRUGO, by.cred, &self.user_ns)?;
        }
        Ok(info(q))
    }
    /// `IPC_SET`, with the most bytes that the queue may hold. Errors: `EINVAL`; `EPERM` for another's queue, and for more bytes
    /// than `msgmnb` without `CAP_SYS_RESOURCE`.
    pub fn set(&self, id: i32, new: &NewPerm, max_bytes: u64, by: &Asker<'_>) -> Result<(), Errno> {
        let changed = {
            let mut queues = self.queues.lock();
            let q = queues.get(id)?;
            q.perm.check_owner(by.cred, &self.user_ns)?;
            if max_bytes > self.msgmnb.get() && !by.cred.has_cap_in(Cap::SysResource, &self.user_ns) {
                return Err(Errno::EPERM);
            }
            q.perm.set(new);
            (q.max_bytes, q.ctime) = (max_bytes, by.now);
            q.changed.clone()
        };
        changed.wake_all();
        Ok(())
    }
    /// `IPC_RMID`: who waits finds it gone. Errors: `EINVAL`, `EPERM`.
    pub fn remove(&self, id: i32, by: &Asker<'_>) -> Result<(), Errno> {
        let removed = {
            let mut queues = self.queues.lock();
            queues.get(id)?.perm.check_owner(by.cred, &self.user_ns)?;
            queues.remove(id)
        };
        if let Some(q) = removed {
            q.changed.wake_all();
        }
        Ok(())
    }
    /// `MSG_INFO`.
    pub fn usage(&self) -> QueueUsage {
        let queues = self.queues.lock();
        QueueUsage {
            queues: queues.len(),
            messages: queues.iter().map(|q| q.messages.len()).sum(),
            bytes: queues.iter().map(|q| q.bytes).sum(),
            max_index: queues.max_index(),
        }
    }
    /// All queues, by index (`/proc/sysvipc/msg`).
    pub fn list(&self) -> Vec<QueueInfo> {
        self.queues.lock().iter().map(info).collect()
    }
}

fn info(q: &Queue) -> QueueInfo {
    QueueInfo {
        perm: q.perm,
        bytes: q.bytes,
        messages: q.messages.len(),
        max_bytes: q.max_bytes,
        stime: q.stime,
        rtime: q.rtime,
        ctime: q.ctime,
        lspid: q.lspid.clone(),
        lrpid: q.lrpid.clone(),
    }
}
