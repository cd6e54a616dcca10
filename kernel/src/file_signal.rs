//! Signals about files: who gets them (`F_SETOWN(2const)`), and when, for files that are `O_ASYNC` and leases that are broken.

use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use core::any::Any;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Poll, Waker};

use kcore::cred::Credentials;
use kcore::id::{Fd, Uid};
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};
use task::signal::{SigFields, SigInfo, Signal};
use task::{PidNode, ProcessTable, Task};
use vfs::OpenFile;
use vfs::leases::LeaseHolder;

use crate::kernel::Kernel;

static WAKER: LockClass = LockClass::new("waker of a watched file", 911);

/// What a file's owner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnerKind {
    /// `F_OWNER_TID`.
    Thread,
    /// `F_OWNER_PID`.
    Process,
    /// `F_OWNER_PGRP`.
    Group,
}

/// Who gets signals about a file, and in whose name.
pub(crate) struct FileOwner {
    pub(crate) kind: OwnerKind,
    /// `None` for nobody.
    pub(crate) pid: Option<Arc<PidNode>>,
    /// Real and effective user of who chose the owner.
    pub(crate) users: (Uid, Uid),
}

impl FileOwner {
    /// The owner of a file, if it has one.
    pub(crate) fn of(file: &OpenFile) -> Option<Arc<FileOwner>> {
        file.async_state().owner?.downcast().ok()
    }
    /// Whether it still exists.
    pub(crate) fn exists(&self, processes: &ProcessTable) -> bool {
        let Some(pid) = &self.pid else { return false };
        match self.kind {
            OwnerKind::Group => processes.session_of_pgrp(pid).is_some(),
            _ => processes.task_of(pid).is_some(),
        }
    }
    fn may_signal(&self, to: &Credentials) -> bool {
        let (uid, euid) = self.users;
        euid == Uid::ROOT || [to.suid, to.uid].iter().any(|id| *id == uid || *id == euid)
    }
    fn send(&self, processes: &ProcessTable, info: SigInfo) {
        let Some(pid) = &self.pid else { return };
        let send = |task: &Task| {
            if !self.may_signal(&task.cred()) {
                return;
            }
            let sent = match self.kind {
                OwnerKind::Thread => processes.send_to_task(task, info, true),
                _ => processes.send_to_group(task.group(), info, true),
            };
            if sent.is_err() {
                // No room in its queue: it learns that there is something, if not what.
                processes.send_to_group(task.group(), SigInfo::kernel(Signal::IO), true).ok();
            }
        };
        if self.kind == OwnerKind::Group {
            for group in processes.groups() {
                if processes.pgrp(&group).is_some_and(|p| Arc::ptr_eq(&p, pid))
                    && let Some(leader) = processes.leader(&group)
                {
                    send(&leader);
                }
            }
        } else if let Some(task) = processes.task_of(pid) {
            send(&task);
        }
    }
}

/// Why a signal is sent: `si_code` and `si_band`.
#[derive(Clone, Copy)]
struct Reason {
    code: i32,
    band: Events,
}

impl Reason {
    const READABLE: Reason = Reason { code: 1, band: Events::READABLE };
    const WRITABLE: Reason = Reason { code: 2, band: Events::WRITABLE.union(Events::WRBAND) };
    const MESSAGE: Reason = Reason { code: 3, band: Events::READABLE.union(Events::from_bits_retain(0x400)) };
}

fn notify(kernel: &Kernel, file: &OpenFile, fd: i32, reason: Reason) {
    let Some(owner) = FileOwner::of(file) else { return };
    let info = match Signal::new(file.async_state().signal) {
        Some(signal) => {
            let fields = SigFields::Poll { band: i64::from(reason.band.bits()), fd };
            SigInfo::new(signal, reason.code, fields)
        }
        None => SigInfo::kernel(Signal::IO),
    };
    owner.send(kernel.processes(), info);
}

/// Tells the owner of `file`, known to it as `fd`, that something happened which it asked to be told.
pub(crate) fn notify_message(kernel: &Kernel, file: &OpenFile, fd: Fd) {
    notify(kernel, file, fd.0, Reason::MESSAGE);
}

/// A lease that is told by a signal.
pub(crate) struct SignalledLease {
    kernel: Weak<Kernel>,
    file: Weak<OpenFile>,
    fd: i32,
}

impl SignalledLease {
    /// Of `file`, which its holder knows as `fd`.
    pub(crate) fn new(kernel: &Arc<Kernel>, file: &Arc<OpenFile>, fd: i32) -> Arc<SignalledLease> {
        Arc::new(SignalledLease { kernel: Arc::downgrade(kernel), file: Arc::downgrade(file), fd })
    }
}

impl LeaseHolder for SignalledLease {
    fn broken(&self) {
        if let (Some(kernel), Some(file)) = (self.kernel.upgrade(), self.file.upgrade()) {
            notify(&kernel, &file, self.fd, Reason::MESSAGE);
        }
    }
}

/// What became ready since the watching future last looked, and how it is woken. A waker may not send signals itself.
struct Watched {
    ready: AtomicU32,
    over: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Watched {
    fn wake(&self) {
        let waker = self.waker.lock().clone();
        if let Some(w) = waker {
            w.wake();
        }
    }
}

/// Notes that one kind of readiness came.
struct Note {
    watched: Arc<Watched>,
    event: Events,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.watched.ready.fetch_or(self.event.bits(), Ordering::SeqCst);
        self.watched.wake();
    }
}

/// Ends the watching when the file is closed or not `O_ASYNC` any more.
struct WatchGuard(Arc<Watched>);

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
        self.0.wake();
    }
}

/// Sends signals about `file`, which its owner knows as `fd`, when it becomes ready, for as long as the returned value lives.
pub(crate) fn watch(
    kernel: &Arc<Kernel>,
    file: &Arc<OpenFile>,
    queue: &WaitQueue,
    fd: i32,
) -> Arc<dyn Any + Send + Sync> {
    let watched = Arc::new(Watched {
        ready: AtomicU32::new(0),
        over: AtomicBool::new(false),
        waker: Mutex::new(&WAKER, None),
    });
    let note = |event| Waker::from(Arc::new(Note { watched: watched.clone(), event }));
    let both = (
        queue.register(Events::READABLE, &note(Events::IN)),
        queue.register(Events::WRITABLE, &note(Events::OUT)),
    );
    let guard = Arc::new(WatchGuard(watched.clone()));
    let (kernel_of, file) = (Arc::downgrade(kernel), Arc::downgrade(file));
    let future = async move {
        let _registered = both;
        poll_fn(|cx| {
            *watched.waker.lock() = Some(cx.waker().clone());
            if watched.over.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            let ready = Events::from_bits_truncate(watched.ready.swap(0, Ordering::SeqCst));
            let (Some(kernel), Some(file)) = (kernel_of.upgrade(), file.upgrade()) else {
                return Poll::Ready(());
            };
            if ready.contains(Events::IN) {
                notify(&kernel, &file, fd, Reason::READABLE);
            }
            if ready.contains(Events::OUT) {
                notify(&kernel, &file, fd, Reason::WRITABLE);
            }
            Poll::Pending
        })
        .await;
    };
    kernel.executor().spawn(WATCHER, future);
    guard
}

/// The name of watching futures: no task has it.
const WATCHER: u64 = 0;
