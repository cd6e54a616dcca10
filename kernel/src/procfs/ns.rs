//! `/proc/PID/ns`: the namespaces of a task, `namespaces(7)`.

use alloc::vec::Vec;

use abi::Errno;
use vfs::context::Caller;
use vfs::fs::pseudo::{PseudoAttr, PseudoDir, PseudoLink, PseudoNode};
use vfs::{FileKind, MagicLink};

use super::task::TaskRef;
use crate::namespace::{Namespace, NamespaceFile};
use crate::task::{Parts, Resources};

type Get = fn(&TaskRef, &Parts) -> Namespace;

const KINDS: [(&str, Get); 6] = [
    ("ipc", |_, p| Namespace::Ipc(p.ipc.clone())),
    ("mnt", |_, p| Namespace::Mount(p.fs.view().ns.clone())),
    ("pid", |t, _| Namespace::Pid(t.task.pid_ns())),
    ("pid_for_children", |_, p| Namespace::Pid(p.pids.clone())),
    ("user", |t, _| Namespace::User(t.task.cred().user_ns.clone())),
    ("uts", |_, p| Namespace::Uts(p.uts.clone())),
];

/// The directory.
pub(super) fn dir(of: &TaskRef) -> PseudoNode {
    PseudoNode::dir(Dir(of.clone()))
}

struct Dir(TaskRef);

impl PseudoDir for Dir {
    fn lookup(&self, name: &[u8]) -> Result<PseudoNode, Errno> {
        let (_, get) = KINDS.iter().find(|(n, _)| n.as_bytes() == name).ok_or(Errno::ENOENT)?;
        Ok(PseudoNode::link(Link { of: self.0.clone(), get: *get }))
    }
    fn list(&self) -> Result<Vec<(Vec<u8>, FileKind)>, Errno> {
        Ok(KINDS.iter().map(|(name, _)| (name.as_bytes().to_vec(), FileKind::Symlink)).collect())
    }
    fn attr(&self) -> PseudoAttr {
        self.0.owner(0o511)
    }
    fn alive(&self) -> bool {
        self.0.alive()
    }
}

struct Link {
    of: TaskRef,
    get: Get,
}

impl Link {
    /// The namespace and its number. Errors: `EACCES`; `ENOENT` if the task has ended.
    fn namespace(&self, caller: &Caller<'_>) -> Result<(Namespace, u64), Errno> {
        self.of.check_access(caller)?;
        let parts = self.of.resources().and_then(Resources::parts).ok_or(Errno::ENOENT)?;
        let ns = (self.get)(&self.of, &parts);
        let number = self.of.kernel()?.namespace_numbers().of(&ns);
        Ok((ns, number))
    }
}

impl PseudoLink for Link {
    fn target(&self, caller: &Caller<'_>) -> Result<Vec<u8>, Errno> {
        let (ns, number) = self.namespace(caller)?;
        Ok(NamespaceFile::describe(&ns, number).into_bytes())
    }
    fn magic(&self, caller: &Caller<'_>) -> Option<Result<MagicLink, Errno>> {
        let opened = self.namespace(caller).map(|(ns, number)| NamespaceFile::open(ns, number));
        Some(opened.map(MagicLink::File))
    }
    fn attr(&self) -> PseudoAttr {
        self.of.owner(0o777)
    }
    fn alive(&self) -> bool {
        self.of.alive()
    }
}
