//! A guest thread, as everything but its own future sees it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;

use abi::Errno;
use kcore::cred::Credentials;
use kcore::id::Pid;
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};
use mm::AddressSpace;
use platform::Kick;
use vfs::{FdTable, FsContext};

use crate::space::Memory;

static MEMORY: LockClass = LockClass::new("task memory", 270);
static WAKERS: LockClass = LockClass::new("task wakers", 910);
static EXIT: LockClass = LockClass::new("exit status", 272);
static NAME: LockClass = LockClass::new("task name", 274);
static CRED: LockClass = LockClass::new("task credentials", 276);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It called `exit_group` (or its last thread `exit`) with this status, 0 to 255.
    Code(u8),
    /// This signal ended it.
    Signal(u8),
}

#[derive(Default)]
struct Wakers {
    waker: Option<Waker>,
    kick: Option<Arc<dyn Kick>>,
}

/// A guest thread. Shared; registers and waiting are [`CurrentTask`](crate::CurrentTask)'s.
pub struct Task {
    pid: Pid,
    memory: Mutex<Memory>,
    files: Arc<FdTable>,
    fs: Arc<FsContext>,
    cred: Mutex<Arc<Credentials>>,
    name: Mutex<[u8; 16]>,
    wakers: Mutex<Wakers>,
    interrupted: AtomicBool,
    exit: Mutex<Option<ExitStatus>>,
    exited: WaitQueue,
}

impl Task {
    pub(crate) fn new(
        pid: Pid,
        memory: Memory,
        files: Arc<FdTable>,
        fs: Arc<FsContext>,
        cred: Credentials,
    ) -> Arc<Task> {
        Arc::new(Task {
            pid,
            memory: Mutex::new(&MEMORY, memory),
            files,
            fs,
            cred: Mutex::new(&CRED, Arc::new(cred)),
            name: Mutex::new(&NAME, [0; 16]),
            wakers: Mutex::new(&WAKERS, Wakers::default()),
            interrupted: AtomicBool::new(false),
            exit: Mutex::new(&EXIT, None),
            exited: WaitQueue::new(),
        })
    }
    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }
    /// Its address space.
    pub fn mm(&self) -> Arc<AddressSpace> {
        self.memory.lock().mm.clone()
    }
    /// Its descriptors.
    pub fn files(&self) -> &Arc<FdTable> {
        &self.files
    }
    /// Its view of the tree.
    pub fn fs(&self) -> &Arc<FsContext> {
        &self.fs
    }
    /// Who it is.
    pub fn cred(&self) -> Arc<Credentials> {
        self.cred.lock().clone()
    }
    /// Its name, up to 15 bytes and zeros (`PR_GET_NAME`).
    pub fn name(&self) -> [u8; 16] {
        *self.name.lock()
    }
    /// Sets its name to the first 15 bytes of `name`.
    pub fn set_name(&self, name: &[u8]) {
        let mut new = [0; 16];
        let n = name.iter().position(|b| *b == 0).unwrap_or(name.len()).min(15);
        new[..n].copy_from_slice(&name[..n]);
        *self.name.lock() = new;
    }
    /// Ends its current wait with [`WaitEnd::Interrupted`](crate::WaitEnd), or makes it leave guest code.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
        let (waker, kick) = {
            let w = self.wakers.lock();
            (w.waker.clone(), w.kick.clone())
        };
        if let Some(k) = kick {
            k.kick();
        }
        if let Some(w) = waker {
            w.wake();
        }
    }
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut w = self.wakers.lock();
        if !w.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            w.waker = Some(waker.clone());
        }
    }
    pub(crate) fn set_kick(&self, kick: Arc<dyn Kick>) {
        self.wakers.lock().kick = Some(kick);
    }
    /// How it ended; `None` while it lives.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.exit.lock()
    }
    /// Woken when it has ended.
    pub fn exited(&self) -> &WaitQueue {
        &self.exited
    }
    pub(crate) fn finish(&self, status: ExitStatus) {
        *self.exit.lock() = Some(status);
        let closed = self.files.close_all();
        for f in &closed {
            f.ops().flush(f).ok();
        }
        drop(closed);
        self.mm().clear();
        self.exited.wake(Events::all());
    }
    /// The place that a `dirfd` means. Errors: `EBADF`, `ENOTDIR`.
    pub(crate) fn dir(&self, fd: kcore::id::Fd) -> Result<Option<vfs::Path>, Errno> {
        const AT_FDCWD: i32 = -100;
        if fd.0 == AT_FDCWD {
            return Ok(None);
        }
        self.files.get(fd)?.path().cloned().map(Some).ok_or(Errno::ENOTDIR)
    }
}
