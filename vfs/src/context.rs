//! What path operations start from: root, working directory, umask, mount namespace, credentials.

use alloc::sync::Arc;
use core::any::Any;

use kcore::cred::Credentials;
use kcore::host::Clock;
use kcore::io::IoResult;
use kcore::job::JobCaller;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::InodeAttr;
use crate::file::FileOps;
use crate::inode::Inode;
use crate::mount::MountNamespace;
use crate::path::Path;

static FS: LockClass = LockClass::new("fs context", 305);

/// Opens what is no file of its file system: devices, FIFOs. Supplied by the composition.
pub trait SpecialOpener: Send + Sync {
    /// Opens `inode`, which `attr` says is a device, FIFO or socket, with `O_*` flags.
    ///
    /// Errors: `ENXIO` (no such device; a socket; a FIFO without readers), `EACCES`.
    fn open(
        &self,
        inode: &Arc<dyn Inode>,
        attr: &InodeAttr,
        path: &Path,
        flags: u32,
        ctx: &OpCtx<'_>,
    ) -> IoResult<Arc<dyn FileOps>>;
}

/// What all path operations of one kernel share.
pub struct Vfs {
    /// The clock that new files take their times from.
    pub clock: Arc<dyn Clock>,
    /// Who opens devices and FIFOs.
    pub special: Arc<dyn SpecialOpener>,
}

/// A task's view of the tree, at one moment.
#[derive(Clone)]
pub struct FsView {
    /// The mounts that it sees.
    pub ns: Arc<MountNamespace>,
    /// Its `/`.
    pub root: Path,
    /// Its working directory.
    pub cwd: Path,
    /// Permission bits that new files do not get.
    pub umask: u32,
}

/// A task's view of the tree, shared by tasks that were cloned with `CLONE_FS`.
pub struct FsContext(Mutex<Arc<FsView>>);

impl FsContext {
    /// Starts at the root of `ns`.
    pub fn new(ns: Arc<MountNamespace>) -> Arc<FsContext> {
        let root = ns.root_path();
        FsContext::from_view(FsView { ns, cwd: root.clone(), root, umask: 0o022 })
    }
    /// With this view.
    pub fn from_view(view: FsView) -> Arc<FsContext> {
        Arc::new(FsContext(Mutex::new(&FS, Arc::new(view))))
    }
    /// A copy, for `clone` without `CLONE_FS` and `unshare`.
    pub fn fork(&self) -> Arc<FsContext> {
        Arc::new(FsContext(Mutex::new(&FS, self.view())))
    }
    /// The view now. Each path operation looks at it, so it is shared until something changes.
    pub fn view(&self) -> Arc<FsView> {
        self.0.lock().clone()
    }
    fn change<R>(&self, f: impl FnOnce(&mut FsView) -> R) -> R {
        let (old, result) = {
            let mut now = self.0.lock();
            let mut new = FsView::clone(&now);
            let result = f(&mut new);
            (core::mem::replace(&mut *now, Arc::new(new)), result)
        };
        // What it held goes without the lock.
        drop(old);
        result
    }
    /// Sets the umask, and says what it was.
    pub fn set_umask(&self, umask: u32) -> u32 {
        self.change(|v| core::mem::replace(&mut v.umask, umask & 0o777))
    }
    /// The umask.
    pub fn umask(&self) -> u32 {
        self.0.lock().umask
    }
    /// Sets the working directory; the caller has checked it.
    pub fn set_cwd(&self, cwd: Path) {
        self.change(|v| v.cwd = cwd);
    }
    /// Sets the root; the caller has checked it.
    pub fn set_root(&self, root: Path) {
        self.change(|v| v.root = root);
    }
    /// Changes the whole view (`setns`, `unshare(CLONE_NEWNS)`).
    pub fn update(&self, f: impl FnOnce(&mut FsView)) {
        let mut new = FsView::clone(&self.view());
        f(&mut new);
        let old = core::mem::replace(&mut *self.0.lock(), Arc::new(new));
        drop(old);
    }
}

/// Who asks a file system for something.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Credentials for checks.
    pub cred: &'a Credentials,
    /// The task, for file systems whose answer depends on it (`/proc/self`). What it is, the composition knows.
    pub task: Option<&'a (dyn Any + Send + Sync)>,
}

impl<'a> Caller<'a> {
    /// The task, if it is a `T`.
    pub fn task_as<T: Any>(&self) -> Option<&'a T> {
        self.task?.downcast_ref()
    }
}

/// Who does a path operation and from where.
#[derive(Clone)]
pub struct OpCtx<'a> {
    /// Shared services.
    pub vfs: &'a Vfs,
    /// The view of the tree.
    pub view: &'a FsView,
    /// Credentials for checks.
    pub cred: &'a Credentials,
    /// The task behind it; see [`Caller::task`].
    pub task: Option<&'a (dyn Any + Send + Sync)>,
    /// Where relative paths start instead of the working directory (`dirfd`).
    pub at: Option<Path>,
    /// The task behind the operation, if there is one: opening a terminal can make it the task's.
    pub job: Option<&'a dyn JobCaller>,
}

impl<'a> OpCtx<'a> {
    /// From the working directory.
    pub fn new(vfs: &'a Vfs, view: &'a FsView, cred: &'a Credentials) -> OpCtx<'a> {
        OpCtx { vfs, view, cred, task: None, at: None, job: None }
    }
    /// The same, on behalf of `task`.
    pub fn by(self, task: &'a (dyn Any + Send + Sync)) -> OpCtx<'a> {
        OpCtx { task: Some(task), ..self }
    }
    /// The same; opening a terminal can make it `job`'s.
    pub fn for_job(self, job: &'a dyn JobCaller) -> OpCtx<'a> {
        OpCtx { job: Some(job), ..self }
    }
    /// Who asks.
    pub fn caller(&self) -> Caller<'a> {
        Caller { cred: self.cred, task: self.task }
    }
    /// The same, but relative paths start at `path`.
    pub fn at(&self, path: Path) -> OpCtx<'a> {
        OpCtx { at: Some(path), ..self.clone() }
    }
    /// Where relative paths start.
    pub fn start(&self) -> &Path {
        self.at.as_ref().unwrap_or(&self.view.cwd)
    }
    pub(crate) fn may(&self, path: &Path, mask: u32) -> Result<(), Errno> {
        path.inode().permission_for(&self.caller(), mask)
    }
}
