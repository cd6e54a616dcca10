//! Namespaces as files, [`namespaces(7)`](https://man7.org/linux/man-pages/man7/namespaces.7.html): what `/proc/PID/ns/*` lead to, and
//! what `setns(2)` takes.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::any::Any;

use abi::task::clone::{CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS};
use kcore::cred::UserNamespace;
use kcore::io::IoResult;
use kcore::sync::{LockClass, Mutex};
use task::PidNamespace;
use vfs::consts::{O_RDONLY, S_IFREG};
use vfs::{FileOps, InodeAttr, MountNamespace, OpenFile, make_dev};

use crate::ipc::Ipc;
use crate::uts::UtsNamespace;

static NUMBERS: LockClass = LockClass::new("numbers of namespaces", 275);

/// A namespace of some kind.
#[derive(Clone)]
pub(crate) enum Namespace {
    /// Host names.
    Uts(Arc<UtsNamespace>),
    /// System V objects and message queues.
    Ipc(Arc<Ipc>),
    /// Mounts.
    Mount(Arc<MountNamespace>),
    /// Process numbers.
    Pid(Arc<PidNamespace>),
    /// Users.
    User(Arc<UserNamespace>),
}

impl Namespace {
    /// The flag of `clone(2)` that makes one of its kind.
    pub(crate) fn flag(&self) -> u64 {
        match self {
            Namespace::Uts(_) => CLONE_NEWUTS,
            Namespace::Ipc(_) => CLONE_NEWIPC,
            Namespace::Mount(_) => CLONE_NEWNS,
            Namespace::Pid(_) => CLONE_NEWPID,
            Namespace::User(_) => CLONE_NEWUSER,
        }
    }
    fn kind(&self) -> &'static str {
        match self {
            Namespace::Uts(_) => "uts",
            Namespace::Ipc(_) => "ipc",
            Namespace::Mount(_) => "mnt",
            Namespace::Pid(_) => "pid",
            Namespace::User(_) => "user",
        }
    }
    fn object(&self) -> Arc<dyn Any + Send + Sync> {
        match self {
            Namespace::Uts(ns) => ns.clone(),
            Namespace::Ipc(ns) => ns.clone(),
            Namespace::Mount(ns) => ns.clone(),
            Namespace::Pid(ns) => ns.clone(),
            Namespace::User(ns) => ns.clone(),
        }
    }
    /// The user namespace that owns it: for a user namespace the one around it. `None` if that is nobody's business here: the
    /// initial user namespace has none around it.
    pub(crate) fn owner(&self, initial: &Arc<UserNamespace>) -> Option<Arc<UserNamespace>> {
        match self {
            Namespace::Uts(ns) => Some(ns.user_ns().clone()),
            Namespace::Ipc(ns) => Some(ns.sysv.user_ns().clone()),
            Namespace::Mount(ns) => Some(ns.owner().unwrap_or(initial).clone()),
            Namespace::Pid(ns) => Some(ns.user_ns().clone()),
            Namespace::User(ns) => ns.parent.clone(),
        }
    }
}

/// The numbers by which namespaces are told apart (`st_ino`): each has one for as long as it lives.
pub(crate) struct NamespaceNumbers(Mutex<Numbers>);

struct Numbers {
    next: u64,
    /// By where the namespace lies; somebody else's once it is gone.
    given: BTreeMap<usize, (Weak<dyn Any + Send + Sync>, u64)>,
}

impl Default for NamespaceNumbers {
    fn default() -> NamespaceNumbers {
        // Where Linux begins, too (`PROC_DYNAMIC_FIRST`).
        NamespaceNumbers(Mutex::new(&NUMBERS, Numbers { next: 0xf000_0000, given: BTreeMap::new() }))
    }
}

impl NamespaceNumbers {
    /// The number of a namespace.
    pub(crate) fn of(&self, ns: &Namespace) -> u64 {
        let object = ns.object();
        let at = Arc::as_ptr(&object).cast::<()>().addr();
        let mut n = self.0.lock();
        if let Some((_, number)) = n.given.get(&at).filter(|(w, _)| w.strong_count() > 0) {
            return *number;
        }
        n.given.retain(|_, (w, _)| w.strong_count() > 0);
        let number = n.next;
        n.next += 1;
        n.given.insert(at, (Arc::downgrade(&object), number));
        number
    }
}

/// An open namespace: keeps it alive.
pub(crate) struct NamespaceFile {
    ns: Namespace,
    number: u64,
}

impl NamespaceFile {
    /// The file of `ns`, whose number is `number`.
    pub(crate) fn open(ns: Namespace, number: u64) -> Arc<OpenFile> {
        OpenFile::new(Arc::new(NamespaceFile { ns, number }), O_RDONLY, None)
    }
    /// The namespace.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.ns
    }
    /// Its name, such as `uts:[4026531838]`.
    pub(crate) fn describe(ns: &Namespace, number: u64) -> String {
        format!("{}:[{number}]", ns.kind())
    }
}

impl FileOps for NamespaceFile {
    fn stat(&self, _: &OpenFile) -> Option<InodeAttr> {
        let attr = InodeAttr::anonymous(S_IFREG | 0o444);
        Some(InodeAttr { dev: make_dev(0, 4), ino: self.number, ..attr })
    }
    fn reopen(&self, _: &OpenFile, _: u32) -> IoResult<Arc<dyn FileOps>> {
        Ok(Arc::new(NamespaceFile { ns: self.ns.clone(), number: self.number }))
    }
    fn name(&self) -> String {
        NamespaceFile::describe(&self.ns, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_number_of_its_own() {
        let numbers = NamespaceNumbers::default();
        let user = |ns: &Arc<UserNamespace>| Namespace::User(ns.clone());
        let (a, b): (Arc<UserNamespace>, Arc<UserNamespace>) = Default::default();
        let first = numbers.of(&user(&a));
        assert_ne!(numbers.of(&user(&b)), first);
        assert_eq!(numbers.of(&user(&a)), first);
        drop(a);
        let c = Arc::<UserNamespace>::default();
        assert_ne!(numbers.of(&user(&c)), first, "a number does not come back");
    }
}
