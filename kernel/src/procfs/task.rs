//! `/proc/PID` and `/proc/PID/task/TID`: the directory of a task, and what a file in it knows.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::id::{Gid, Uid};
use kcore::io::IoResult;
use mm::AddressSpace;
use task::{PidNamespace, Task};
use vfs::context::Caller;
use vfs::fs::pseudo::{PseudoAttr, PseudoDir, PseudoFile, PseudoNode, dir_as, snapshot};
use vfs::{FileKind, FileOps, FsView, OpenFile};

use super::root::parse_pid;
use super::{HidePid, Proc, files};
use crate::kernel::Kernel;
use crate::ptrace_access::{AccessMode, may_access};
use crate::task::Resources;

/// A task as one procfs shows it.
#[derive(Clone)]
pub(super) struct TaskRef {
    pub(super) proc: Arc<Proc>,
    pub(super) task: Arc<Task>,
    /// Whether it stands for its whole process: `/proc/PID`, not `/proc/PID/task/TID`.
    pub(super) process: bool,
}

impl TaskRef {
    /// The kernel. Errors: `ESRCH`.
    pub(super) fn kernel(&self) -> Result<Arc<Kernel>, Errno> {
        self.proc.kernel()
    }
    /// The pid namespace in which numbers are shown.
    pub(super) fn ns(&self) -> &Arc<PidNamespace> {
        &self.proc.ns
    }
    /// Whether it is still known by its number: running, or a zombie.
    pub(super) fn alive(&self) -> bool {
        let Ok(kernel) = self.kernel() else { return false };
        kernel.processes().task_of(&self.task.pid()).is_some_and(|t| Arc::ptr_eq(&t, &self.task))
    }
    /// Errors: `ESRCH` once it is gone.
    pub(super) fn check_alive(&self) -> Result<(), Errno> {
        if self.alive() { Ok(()) } else { Err(Errno::ESRCH) }
    }
    pub(super) fn resources(&self) -> Option<&Resources> {
        self.task.resources()
    }
    /// Its address space; `None` if it has ended.
    pub(super) fn mm(&self) -> Option<Arc<AddressSpace>> {
        self.resources()?.mm()
    }
    /// Its view of the tree; `None` if it has ended.
    pub(super) fn view(&self) -> Option<Arc<FsView>> {
        Some(self.resources()?.fs()?.view())
    }
    /// Whether the caller may look into it. Errors: `EACCES`.
    pub(super) fn check_access(&self, caller: &Caller<'_>) -> Result<(), Errno> {
        may_access(caller.cred, caller.task_as(), &self.task, AccessMode::Fs).map_err(|_| Errno::EACCES)
    }
    /// Who owns its files: its effective user, or root if it does not show itself.
    pub(super) fn owner(&self, mode: u32) -> PseudoAttr {
        let cred = self.task.cred();
        let (uid, gid) =
            if self.task.group().dumpable() == 1 { (cred.euid, cred.egid) } else { (Uid::ROOT, Gid::ROOT) };
        PseudoAttr { mode, uid, gid, subdirs: 0 }
    }
}

/// How a file's content is made. Errors: `ESRCH`, and the file's own.
pub(super) type Read = fn(&TaskRef) -> Result<Vec<u8>, Errno>;
/// What writing does: to the task, on behalf of who opened the file.
pub(super) type Write = fn(&TaskRef, &Caller<'_>, &[u8]) -> Result<(), Errno>;

/// A kind of entry of a task's directory.
pub(super) enum Kind {
    /// A file that everybody may read who passes its permission bits.
    Read(Read),
    /// A file that only they may read who may look into the task: checked when it is opened.
    Guarded(Read),
    /// A file that can also be written.
    ReadWrite(Read, Write),
    /// Anything else.
    Node(fn(&TaskRef) -> PseudoNode),
}

/// Where an entry is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Both,
    Process,
    Thread,
}

/// An entry of a task's directory.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) mode: u32,
    pub(super) scope: Scope,
    pub(super) kind: Kind,
}

impl Entry {
    fn node(&'static self, of: &TaskRef) -> PseudoNode {
        match self.kind {
            Kind::Node(make) => make(of),
            _ => PseudoNode::file(TaskFile { of: of.clone(), entry: self }),
        }
    }
}

/// The directory of a task.
pub(super) struct TaskDir(TaskRef);

impl TaskDir {
    /// `/proc/PID`.
    pub(super) fn process(proc: &Arc<Proc>, task: Arc<Task>) -> TaskDir {
        TaskDir(TaskRef { proc: proc.clone(), task, process: true })
    }
    fn entries(&self) -> impl Iterator<Item = &'static Entry> {
        let scope = if self.0.process { Scope::Process } else { Scope::Thread };
        files::ENTRIES.iter().filter(move |e| e.scope == Scope::Both || e.scope == scope)
    }
}

/// The leader of the process whose `/proc/PID` an open file is.
pub(crate) fn process_of(file: &OpenFile) -> Option<Arc<Task>> {
    let inode = file.inode().filter(|_| !file.is_path_only())?;
    dir_as::<TaskDir>(&*inode).filter(|d| d.0.process).map(|d| d.0.task.clone())
}

impl PseudoDir for TaskDir {
    fn lookup(&self, name: &[u8]) -> Result<PseudoNode, Errno> {
        let entry = self.entries().find(|e| e.name.as_bytes() == name).ok_or(Errno::ENOENT)?;
        self.0.check_alive().map_err(|_| Errno::ENOENT)?;
        Ok(entry.node(&self.0))
    }
    fn list(&self) -> Result<Vec<(Vec<u8>, FileKind)>, Errno> {
        self.0.check_alive().map_err(|_| Errno::ENOENT)?;
        Ok(self.entries().map(|e| (e.name.into(), e.node(&self.0).kind())).collect())
    }
    fn attr(&self) -> PseudoAttr {
        let cred = self.0.task.cred();
        PseudoAttr {
            mode: 0o555,
            uid: cred.euid,
            gid: cred.egid,
            subdirs: if self.0.process { 7 } else { 5 },
        }
    }
    fn permission(&self, caller: &Caller<'_>, _: u32) -> Option<Result<(), Errno>> {
        let proc = &self.0.proc;
        let trusted = proc.gid.is_some_and(|g| caller.cred.in_group(Gid(g)));
        if proc.hide == HidePid::Off || trusted || self.0.check_access(caller).is_ok() {
            return None;
        }
        Some(Err(if proc.hide == HidePid::NoAccess { Errno::EPERM } else { Errno::ENOENT }))
    }
    fn alive(&self) -> bool {
        self.0.alive()
    }
}

/// `/proc/PID/task`.
pub(super) struct ThreadsDir(pub(super) TaskRef);

impl ThreadsDir {
    fn threads(&self) -> Result<Vec<Arc<Task>>, Errno> {
        Ok(self.0.kernel()?.processes().threads(self.0.task.group()))
    }
}

impl PseudoDir for ThreadsDir {
    fn lookup(&self, name: &[u8]) -> Result<PseudoNode, Errno> {
        let n = parse_pid(name)?;
        let task = self.threads()?.into_iter().find(|t| t.tid_in(self.0.ns()) == n).ok_or(Errno::ENOENT)?;
        Ok(PseudoNode::dir(TaskDir(TaskRef { task, process: false, ..self.0.clone() })))
    }
    fn list(&self) -> Result<Vec<(Vec<u8>, FileKind)>, Errno> {
        let threads = self.threads()?;
        if threads.is_empty() {
            return Err(Errno::ENOENT);
        }
        let name = |t: &Arc<Task>| (t.tid_in(self.0.ns()).to_string().into_bytes(), FileKind::Directory);
        Ok(threads.iter().map(name).collect())
    }
    fn attr(&self) -> PseudoAttr {
        let cred = self.0.task.cred();
        // Sandboxes count their threads by the links of this directory.
        let subdirs = self.threads().map_or(0, |t| u32::try_from(t.len()).unwrap_or(u32::MAX));
        PseudoAttr { mode: 0o555, uid: cred.euid, gid: cred.egid, subdirs }
    }
    fn alive(&self) -> bool {
        self.0.alive()
    }
}

/// A file of a task's directory.
struct TaskFile {
    of: TaskRef,
    entry: &'static Entry,
}

impl PseudoFile for TaskFile {
    fn open(self: Arc<Self>, _: u32, caller: &Caller<'_>) -> IoResult<Arc<dyn FileOps>> {
        if matches!(self.entry.kind, Kind::Guarded(_)) {
            self.of.check_access(caller)?;
        }
        let (reader, writer) = (self.clone(), self);
        let cred = caller.cred.clone();
        let opener = caller.task_as::<Task>().and_then(|t| t.table()?.task_of(&t.pid()));
        let read = move || {
            reader.of.check_alive()?;
            match reader.entry.kind {
                Kind::Read(f) | Kind::Guarded(f) | Kind::ReadWrite(f, _) => f(&reader.of),
                Kind::Node(_) => Err(Errno::EINVAL),
            }
        };
        let write = move |_: u64, data: &[u8]| {
            let Kind::ReadWrite(_, f) = writer.entry.kind else { return Err(Errno::EINVAL) };
            writer.of.check_alive()?;
            let task = opener.as_deref().map(|t| t as &(dyn core::any::Any + Send + Sync));
            f(&writer.of, &Caller { cred: &cred, task }, data)?;
            Ok(data.len())
        };
        Ok(snapshot(read, write))
    }
    fn attr(&self) -> PseudoAttr {
        self.of.owner(self.entry.mode)
    }
    fn alive(&self) -> bool {
        self.of.alive()
    }
}
