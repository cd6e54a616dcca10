//! Pid namespaces, `pid_namespaces(7)`, and the numbers that a task has in each level of them.

use alloc::sync::{Arc, Weak};
use core::fmt;

use alloc::collections::BTreeMap;
use kcore::cred::UserNamespace;
use kcore::id::Pid;
use smallvec::SmallVec;

/// How deep pid namespaces nest at most.
pub const MAX_LEVEL: u32 = 32;
/// Where numbers wrap around (`/proc/sys/kernel/pid_max`).
pub const PID_MAX: i32 = 4_194_304;
/// The lowest number given after the first wrap.
const RESERVED: i32 = 300;

/// A pid namespace. Identity is the `Arc`.
pub struct PidNamespace {
    pub(crate) id: u64,
    level: u32,
    parent: Option<Arc<PidNamespace>>,
    user_ns: Arc<UserNamespace>,
}

impl PidNamespace {
    pub(crate) fn new(
        id: u64,
        parent: Option<Arc<PidNamespace>>,
        user_ns: Arc<UserNamespace>,
    ) -> Arc<PidNamespace> {
        let level = parent.as_ref().map_or(0, |p| p.level + 1);
        Arc::new(PidNamespace { id, level, parent, user_ns })
    }
    /// A number that names it for its kernel (the inode in `/proc/pid/ns/pid`).
    pub fn id(&self) -> u64 {
        self.id
    }
    /// How deep it is nested; 0 for the root.
    pub fn level(&self) -> u32 {
        self.level
    }
    /// The namespace around it.
    pub fn parent(&self) -> Option<&Arc<PidNamespace>> {
        self.parent.as_ref()
    }
    /// The user namespace that owns it.
    pub fn user_ns(&self) -> &Arc<UserNamespace> {
        &self.user_ns
    }
    /// Whether `other` is this namespace or inside it.
    pub fn contains(self: &Arc<Self>, other: &Arc<PidNamespace>) -> bool {
        let mut at = Some(other);
        while let Some(ns) = at {
            if Arc::ptr_eq(ns, self) {
                return true;
            }
            at = ns.parent.as_ref();
        }
        false
    }
}

impl fmt::Debug for PidNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PidNamespace({}, level {})", self.id, self.level)
    }
}

/// The identity of a process, thread, process group or session (the kernel's `struct pid`). Its numbers stay taken while it
/// is referenced; pidfds hold one.
pub struct PidNode {
    pub(crate) id: u64,
    /// From the innermost namespace outwards.
    numbers: SmallVec<[(Arc<PidNamespace>, Pid); 1]>,
}

impl PidNode {
    /// A number that names it for the life of its kernel, unlike the numbers in namespaces.
    pub fn id(&self) -> u64 {
        self.id
    }
    /// The namespace that the task lives in.
    pub fn ns(&self) -> &Arc<PidNamespace> {
        &self.numbers[0].0
    }
    /// The number in its own namespace.
    pub fn number(&self) -> Pid {
        self.numbers[0].1
    }
    /// The number in `ns`; `Pid(0)` if it cannot be seen from there.
    pub fn in_ns(&self, ns: &Arc<PidNamespace>) -> Pid {
        self.numbers.iter().find(|(n, _)| Arc::ptr_eq(n, ns)).map_or(Pid(0), |(_, p)| *p)
    }
    pub(crate) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.numbers.iter().map(|(ns, _)| ns.id)
    }
    /// All numbers, from the innermost namespace outwards (`NSpid` lists them the other way).
    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = Pid> + '_ {
        self.numbers.iter().map(|(_, p)| *p)
    }
}

impl fmt::Debug for PidNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.number())
    }
}

/// The numbers of one namespace.
#[derive(Default)]
pub(crate) struct NsNumbers {
    last: i32,
    taken: BTreeMap<i32, Weak<PidNode>>,
    pub(crate) init: Option<u64>,
    /// Its init died: no more tasks.
    pub(crate) dying: bool,
    /// Tasks in it or below.
    pub(crate) tasks: usize,
}

impl NsNumbers {
    pub(crate) fn last(&self) -> i32 {
        self.last
    }
    pub(crate) fn get(&self, n: Pid) -> Option<Arc<PidNode>> {
        self.taken.get(&n.0)?.upgrade()
    }
    pub(crate) fn is_free(&self, n: i32) -> bool {
        self.taken.get(&n).is_none_or(|w| w.strong_count() == 0)
    }
    /// The next free number after the last one given; `None` if all are taken.
    pub(crate) fn next(&mut self) -> Option<i32> {
        if self.taken.len() > 64 && self.taken.len() > 4 * self.tasks.max(16) {
            self.taken.retain(|_, w| w.strong_count() > 0);
        }
        let mut n = self.last;
        for _ in 0..PID_MAX {
            n = if n + 1 >= PID_MAX { RESERVED } else { n + 1 };
            if self.is_free(n) {
                self.last = n;
                return Some(n);
            }
        }
        None
    }
    fn take(&mut self, n: i32, node: &Arc<PidNode>) {
        self.taken.insert(n, Arc::downgrade(node));
    }
}

/// Makes a node with `numbers`, from the innermost namespace outwards, all free.
pub(crate) fn take_numbers(
    id: u64,
    numbers: SmallVec<[(Arc<PidNamespace>, Pid); 1]>,
    namespaces: &mut BTreeMap<u64, NsNumbers>,
) -> Arc<PidNode> {
    let node = Arc::new(PidNode { id, numbers });
    for (ns, n) in &node.numbers {
        namespaces.entry(ns.id).or_default().take(n.0, &node);
    }
    node
}
