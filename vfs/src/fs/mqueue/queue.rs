//! One message queue.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::sync::Arc;
use core::any::Any;

use kcore::io::{IoError, IoResult, IoSink};
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};

use super::{Charge, QueueSize};
use crate::Errno;
use crate::file::FileOps;
use crate::locks::LockOwner;
use crate::open_file::OpenFile;

static QUEUE: LockClass = LockClass::new("message queue", 348);

/// Who is told when a message comes into an empty queue, `mq_notify(3)`.
pub trait Notifier: Send + Sync {
    /// A message came from the task `from`. Called once, without locks.
    fn notify(&self, from: &(dyn Any + Send + Sync));
    /// The process that asked.
    fn owner(&self) -> LockOwner;
    /// How (`SIGEV_*`), the signal, and the process, as `read(2)` of the queue tells them.
    fn describe(&self) -> (i32, i32, i32);
}

struct State {
    /// By priority, in order of arrival.
    messages: BTreeMap<u32, VecDeque<Arc<[u8]>>>,
    count: u64,
    bytes: u64,
    notifier: Option<Arc<dyn Notifier>>,
    receivers: u64,
}

/// A queue.
pub struct Queue {
    size: QueueSize,
    state: Mutex<State>,
    changed: WaitQueue,
    _charge: Charge,
}

/// Stands for a receiver that waits: while there is one, a message that comes is its own and nobody is told.
pub struct Receiver(Arc<Queue>);

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.state.lock().receivers -= 1;
    }
}

impl Queue {
    pub(super) fn new(size: QueueSize, charge: Charge) -> Arc<Queue> {
        let messages = BTreeMap::new();
        let state = State { messages, count: 0, bytes: 0, notifier: None, receivers: 0 };
        Arc::new(Queue { size, state: Mutex::new(&QUEUE, state), changed: WaitQueue::new(), _charge: charge })
    }
    /// What it can hold.
    pub fn size(&self) -> QueueSize {
        self.size
    }
    /// Messages in it.
    pub fn count(&self) -> u64 {
        self.state.lock().count
    }
    /// Woken by every change.
    pub fn changed(&self) -> &WaitQueue {
        &self.changed
    }
    /// Adds a message from the task `from`. Errors: `Again` while it is full; `EMSGSIZE`.
    pub fn send(&self, priority: u32, message: &Arc<[u8]>, from: &(dyn Any + Send + Sync)) -> IoResult<()> {
        if message.len() as u64 > self.size.bytes {
            return Err(Errno::EMSGSIZE.into());
        }
        let told = {
            let mut s = self.state.lock();
            if s.count >= self.size.messages {
                return Err(IoError::Again);
            }
            s.messages.entry(priority).or_default().push_back(message.clone());
            (s.count, s.bytes) = (s.count + 1, s.bytes + message.len() as u64);
            if s.count == 1 && s.receivers == 0 { s.notifier.take() } else { None }
        };
        if let Some(n) = told {
            n.notify(from);
        }
        self.changed.wake(Events::READABLE);
        Ok(())
    }
    /// Takes the oldest message of the highest priority. Errors: `Again` without one.
    pub fn receive(&self) -> IoResult<(u32, Arc<[u8]>)> {
        let taken = {
            let mut s = self.state.lock();
            let mut entry = s.messages.last_entry().ok_or(IoError::Again)?;
            let priority = *entry.key();
            let message = entry.get_mut().pop_front().ok_or(IoError::Again)?;
            if entry.get().is_empty() {
                entry.remove();
            }
            (s.count, s.bytes) = (s.count - 1, s.bytes - message.len() as u64);
            (priority, message)
        };
        self.changed.wake(Events::WRITABLE);
        Ok(taken)
    }
    /// Says that somebody begins to wait for a message.
    pub fn receiver(self: &Arc<Self>) -> Receiver {
        self.state.lock().receivers += 1;
        Receiver(self.clone())
    }
    /// Registers who is told. Errors: `EBUSY` if somebody is already.
    pub fn set_notifier(&self, notifier: Arc<dyn Notifier>) -> Result<(), Errno> {
        let mut s = self.state.lock();
        if s.notifier.is_some() {
            return Err(Errno::EBUSY);
        }
        s.notifier = Some(notifier);
        Ok(())
    }
    /// Takes back what `owner` registered, if it did.
    pub fn clear_notifier(&self, owner: LockOwner) {
        let old = {
            let mut s = self.state.lock();
            let own = s.notifier.as_ref().is_some_and(|n| n.owner() == owner);
            if own { s.notifier.take() } else { None }
        };
        drop(old);
    }
}

/// An open queue.
pub(super) struct QueueFile(pub(super) Arc<Queue>);

impl Queue {
    /// The queue that a file is. Errors: `EBADF` if it is none.
    pub fn of(file: &OpenFile) -> Result<&Arc<Queue>, Errno> {
        file.ops_as::<QueueFile>().map(|f| &f.0).ok_or(Errno::EBADF)
    }
}

impl FileOps for QueueFile {
    fn seekable(&self) -> bool {
        true
    }
    fn read(&self, _: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let (bytes, notifier) = {
            let s = self.0.state.lock();
            (s.bytes, s.notifier.clone())
        };
        let (kind, signal, pid) = notifier.map_or((0, 0, 0), |n| n.describe());
        let text = format!("QSIZE:{bytes:<10} NOTIFY:{kind:<5} SIGNO:{signal:<5} NOTIFY_PID:{pid:<6}\n");
        let from = usize::try_from(at.unwrap_or(0)).unwrap_or(usize::MAX).min(text.len());
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        let n = rest.len().min(dst.remaining());
        Ok(dst.write(rest.get(..n).unwrap_or_default())?)
    }
    fn flush(&self, _: &OpenFile, by: LockOwner) -> Result<(), Errno> {
        self.0.clear_notifier(by);
        Ok(())
    }
    fn ready(&self, _: &OpenFile, want: Events) -> Events {
        let count = self.0.count();
        let mut now = Events::empty();
        if count > 0 {
            now |= Events::READABLE;
        }
        if count < self.0.size.messages {
            now |= Events::WRITABLE;
        }
        now & want
    }
    fn queue(&self, _: &OpenFile) -> Option<WaitQueue> {
        Some(self.0.changed.clone())
    }
}
