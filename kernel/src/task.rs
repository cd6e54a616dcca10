//! A guest thread's parts: its identity, which `task` owns, and what it has from the other subsystems.

use alloc::sync::Arc;

use abi::Errno;
use kcore::cred::Credentials;
use kcore::id::{Fd, Pid};
use kcore::sync::{LockClass, Mutex};
use mm::AddressSpace;
use task::PidNamespace;
use task::ipc::{IpcNamespace, SemUndo};
use vfs::fs::mqueue::MqueueFs;
use vfs::{FdTable, FsContext};

use crate::image::Image;
use crate::ipc::Ipc;
use crate::space::Memory;
use crate::traced::StoppedSlot;
use crate::uts::UtsNamespace;

static SHARED: LockClass = LockClass::new("task resources", 270);

/// What a task has beside its identity. Each part may be shared with other tasks.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) memory: Memory,
    pub(crate) files: Arc<FdTable>,
    pub(crate) fs: Arc<FsContext>,
    pub(crate) uts: Arc<UtsNamespace>,
    pub(crate) ipc: Arc<Ipc>,
    pub(crate) undo: Arc<SemUndo>,
    /// Where the numbers of its children come from.
    pub(crate) pids: Arc<PidNamespace>,
}

/// What others find in a [`task::Task`]: its parts, until it is dead.
pub struct Resources(Mutex<Option<Parts>>, StoppedSlot);

impl Resources {
    pub(crate) fn new(parts: Parts) -> Arc<Resources> {
        Arc::new(Resources(Mutex::new(&SHARED, Some(parts)), StoppedSlot::default()))
    }
    /// Where its registers are while it stands still for a tracer.
    pub(crate) fn stopped(&self) -> &StoppedSlot {
        &self.1
    }
    fn replace(&self, parts: Option<Parts>) {
        let old = core::mem::replace(&mut *self.0.lock(), parts);
        drop(old);
    }
    pub(crate) fn parts(&self) -> Option<Parts> {
        self.0.lock().clone()
    }
    /// Its address space; `None` once it is dead.
    pub fn mm(&self) -> Option<Arc<AddressSpace>> {
        self.0.lock().as_ref().map(|p| p.memory.mm.clone())
    }
    /// The program in its address space; `None` once it is dead.
    pub(crate) fn image(&self) -> Option<Arc<Image>> {
        self.0.lock().as_ref().map(|p| p.memory.image.clone())
    }
    /// Its UTS namespace; `None` once it is dead.
    pub fn uts(&self) -> Option<Arc<UtsNamespace>> {
        self.0.lock().as_ref().map(|p| p.uts.clone())
    }
    /// Its IPC namespace; `None` once it is dead.
    pub fn ipc(&self) -> Option<Arc<IpcNamespace>> {
        self.0.lock().as_ref().map(|p| p.ipc.sysv.clone())
    }
    /// The message queues of its IPC namespace; `None` once it is dead.
    pub(crate) fn mqueue(&self) -> Option<Arc<MqueueFs>> {
        self.0.lock().as_ref().map(|p| p.ipc.mqueue.clone())
    }
    /// Its descriptors; `None` once it is dead.
    pub fn files(&self) -> Option<Arc<FdTable>> {
        self.0.lock().as_ref().map(|p| p.files.clone())
    }
    /// Its view of the tree; `None` once it is dead.
    pub fn fs(&self) -> Option<Arc<FsContext>> {
        self.0.lock().as_ref().map(|p| p.fs.clone())
    }
}

/// References of one task to each of its parts: its own, and the one that others find.
const OWN_REFERENCES: usize = 2;

/// A guest thread in the hands of its own future.
pub struct Task {
    pub(crate) core: Arc<task::Task>,
    parts: Parts,
    /// Who it is: only the task itself changes that, so that it need not lock what others see.
    cred: Arc<Credentials>,
}

impl Task {
    pub(crate) fn new(core: Arc<task::Task>, parts: Parts) -> Task {
        let cred = core.cred();
        Task { core, parts, cred }
    }
    /// Its identity, as others see it.
    pub fn core(&self) -> &Arc<task::Task> {
        &self.core
    }
    /// Its thread number.
    pub fn tid(&self) -> Pid {
        self.core.tid()
    }
    /// Its address space.
    pub fn mm(&self) -> &Arc<AddressSpace> {
        &self.parts.memory.mm
    }
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }
    /// Puts another address space in place (`execve`).
    pub(crate) fn set_memory(&mut self, memory: Memory) {
        self.core.group().note_max_rss(self.mm().peak_rss() >> 10);
        self.parts.memory = memory;
        self.publish();
    }
    /// Gives it a descriptor table of its own, if another task shares it (`execve`, `unshare`, `close_range`).
    pub(crate) fn unshare_files(&mut self) {
        if Arc::strong_count(&self.parts.files) > OWN_REFERENCES {
            self.parts.files = self.parts.files.fork();
            self.publish();
        }
    }
    /// Puts others in the place of what it has (`unshare`, `setns`).
    pub(crate) fn change_parts(&mut self, f: impl FnOnce(&mut Parts)) {
        let old = self.parts.clone();
        f(&mut self.parts);
        self.publish();
        drop(old);
    }
    /// Whether tasks of other processes share its view of the tree, provided that all threads of its own do.
    pub(crate) fn shares_fs(&self) -> bool {
        Arc::strong_count(&self.parts.fs) > OWN_REFERENCES * self.core.group().thread_count()
    }
    fn publish(&self) {
        if let Some(r) = self.core.resources::<Resources>() {
            r.replace(Some(self.parts.clone()));
        }
    }
    /// Its UTS namespace.
    pub fn uts(&self) -> &Arc<UtsNamespace> {
        &self.parts.uts
    }
    /// Its IPC namespace.
    pub fn ipc(&self) -> &Arc<IpcNamespace> {
        &self.parts.ipc.sysv
    }
    /// Whether no other task has its address space.
    pub(crate) fn is_last_in_memory(&self) -> bool {
        Arc::strong_count(self.mm()) <= OWN_REFERENCES
    }
    /// Its descriptors.
    pub fn files(&self) -> &Arc<FdTable> {
        &self.parts.files
    }
    /// Its view of the tree.
    pub fn fs(&self) -> &Arc<FsContext> {
        &self.parts.fs
    }
    /// Who it is.
    pub fn cred(&self) -> Arc<Credentials> {
        self.who().clone()
    }
    /// Who it is, for a look.
    pub(crate) fn who(&self) -> &Arc<Credentials> {
        debug_assert!(Arc::ptr_eq(&self.cred, &self.core.cred()), "only the task itself changes who it is");
        &self.cred
    }
    /// Makes it somebody else.
    pub(crate) fn set_cred(&mut self, cred: Arc<Credentials>) {
        self.cred = cred.clone();
        self.core.set_cred(cred);
    }
    /// Gives up what it has; what nobody else has is closed and freed.
    pub(crate) fn release(self) -> Arc<task::Task> {
        if let Some(r) = self.core.resources::<Resources>() {
            r.replace(None);
        }
        self.core
    }
    /// The place that a `dirfd` means. Errors: `EBADF`, `ENOTDIR`.
    pub(crate) fn dir(&self, fd: Fd) -> Result<Option<vfs::Path>, Errno> {
        const AT_FDCWD: i32 = -100;
        if fd.0 == AT_FDCWD {
            return Ok(None);
        }
        self.files().get(fd)?.path().cloned().map(Some).ok_or(Errno::ENOTDIR)
    }
}
