//! The table of all processes of a kernel: who is whose parent, and which number names whom. One lock, of rank 200.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::AtomicUsize;

use abi::Errno;
use kcore::cred::UserNamespace;
use kcore::id::{Pid, Uid};
use kcore::job::ControllingTty;
use kcore::sync::{LockClass, Mutex};

use crate::exit::ExitStatus;
use crate::group::{GroupId, ThreadGroup};
use crate::pid::{MAX_LEVEL, NsNumbers, PidNamespace, PidNode};
use crate::rusage::{CpuMode, Rusage};
use crate::signal::Signal;
use crate::task::{Task, TaskId};

static TREE: LockClass = LockClass::new("process tree", 200);
static USERS: LockClass = LockClass::new("user counts", 270);

/// All processes of a kernel.
pub struct ProcessTable {
    pub(crate) me: Weak<ProcessTable>,
    root_ns: Arc<PidNamespace>,
    pub(crate) tree: Mutex<Tree>,
    users: Mutex<BTreeMap<Uid, Arc<AtomicUsize>>>,
}

#[derive(Default)]
pub(crate) struct Tree {
    next: u64,
    pub(crate) groups: BTreeMap<GroupId, GroupNode>,
    pub(crate) tasks: BTreeMap<TaskId, TaskNode>,
    pub(crate) by_pid: BTreeMap<u64, TaskId>,
    pub(crate) ns: BTreeMap<u64, NsNumbers>,
    /// What threads used that have ended.
    pub(crate) dead_usage: Rusage,
    /// How many tasks there have been.
    pub(crate) created: u64,
}

pub(crate) struct GroupNode {
    pub(crate) group: Arc<ThreadGroup>,
    pub(crate) leader: TaskId,
    /// Threads that are not released, the leader among them.
    pub(crate) threads: Vec<TaskId>,
    pub(crate) live: usize,
    pub(crate) parent: Option<TaskId>,
    pub(crate) children: BTreeSet<GroupId>,
    pub(crate) pgrp: Arc<PidNode>,
    pub(crate) session: Arc<PidNode>,
    pub(crate) tty: Option<ControllingTty>,
    /// Of a session's leader: who was in the foreground of the terminal when it hung up.
    pub(crate) old_foreground: Option<Arc<PidNode>>,
    pub(crate) did_exec: bool,
    pub(crate) exit_signal: Option<Signal>,
    pub(crate) dead: Option<ExitStatus>,
    /// Dead, but init of a namespace in which others have yet to die.
    pub(crate) deferred: bool,
    /// The namespace whose init it is.
    pub(crate) init_of: Option<u64>,
}

pub(crate) struct TaskNode {
    pub(crate) task: Arc<Task>,
    pub(crate) group: GroupId,
    pub(crate) zombie: Option<ExitStatus>,
    pub(crate) tracer: Option<TaskId>,
    pub(crate) tracees: BTreeSet<TaskId>,
}

impl Tree {
    pub(crate) fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
    pub(crate) fn group_of(&self, t: &Task) -> Option<&GroupNode> {
        self.groups.get(&t.group().id())
    }
    pub(crate) fn group_of_mut(&mut self, t: &Task) -> Option<&mut GroupNode> {
        self.groups.get_mut(&t.group().id())
    }
    pub(crate) fn parent_group(&self, node: &GroupNode) -> Option<&GroupNode> {
        let parent = self.tasks.get(&node.parent?)?;
        self.groups.get(&parent.group)
    }
    pub(crate) fn node_of_pid(&self, pid: &PidNode) -> Option<&TaskNode> {
        self.tasks.get(self.by_pid.get(&pid.id)?)
    }
    pub(crate) fn node(&self, ns: &PidNamespace, n: Pid) -> Option<Arc<PidNode>> {
        self.ns.get(&ns.id)?.get(n)
    }
    pub(crate) fn task(&self, ns: &PidNamespace, n: Pid) -> Option<&TaskNode> {
        self.node_of_pid(&*self.node(ns, n)?)
    }
    /// The group whose leader's number is `n`.
    pub(crate) fn group(&self, ns: &PidNamespace, n: Pid) -> Option<&GroupNode> {
        let pid = self.node(ns, n)?;
        let t = self.node_of_pid(&pid)?;
        self.groups.get(&t.group).filter(|g| g.group.pid().id == pid.id)
    }
    pub(crate) fn pgrp_members<'a>(&'a self, pgrp: &'a PidNode) -> impl Iterator<Item = &'a GroupNode> + 'a {
        self.groups.values().filter(move |g| g.pgrp.id == pgrp.id)
    }
}

impl ProcessTable {
    /// An empty table with a root pid namespace that `user_ns` owns.
    pub fn new(user_ns: Arc<UserNamespace>) -> Arc<ProcessTable> {
        Arc::new_cyclic(|me| {
            let mut tree = Tree::default();
            let root_ns = PidNamespace::new(tree.id(), None, user_ns);
            ProcessTable {
                me: me.clone(),
                root_ns,
                tree: Mutex::new(&TREE, tree),
                users: Mutex::new(&USERS, BTreeMap::new()),
            }
        })
    }
    /// The outermost pid namespace.
    pub fn root_ns(&self) -> &Arc<PidNamespace> {
        &self.root_ns
    }
    /// A new pid namespace in `parent`; the first task made in it becomes its init.
    ///
    /// Errors: `ENOSPC` if it were nested more than 32 deep.
    pub fn new_pid_ns(
        &self,
        parent: &Arc<PidNamespace>,
        user_ns: Arc<UserNamespace>,
    ) -> Result<Arc<PidNamespace>, Errno> {
        if parent.level() + 1 >= MAX_LEVEL {
            return Err(Errno::ENOSPC);
        }
        let id = self.tree.lock().id();
        Ok(PidNamespace::new(id, Some(parent.clone()), user_ns))
    }
    /// The thread with number `n` in `ns`, dead leaders included.
    pub fn task(&self, ns: &PidNamespace, n: Pid) -> Option<Arc<Task>> {
        self.tree.lock().task(ns, n).map(|t| t.task.clone())
    }
    /// The process with number `n` in `ns`, zombies included.
    pub fn group(&self, ns: &PidNamespace, n: Pid) -> Option<Arc<ThreadGroup>> {
        self.tree.lock().group(ns, n).map(|g| g.group.clone())
    }
    /// The task that `pid` names, if it is not released.
    pub fn task_of(&self, pid: &PidNode) -> Option<Arc<Task>> {
        self.tree.lock().node_of_pid(pid).map(|t| t.task.clone())
    }
    /// The identity that number `n` stands for in `ns`: a task's, or that of a process group or session.
    pub fn pid(&self, ns: &PidNamespace, n: Pid) -> Option<Arc<PidNode>> {
        self.tree.lock().node(ns, n)
    }
    /// All threads that are not released, in order of creation.
    pub fn tasks(&self) -> Vec<Arc<Task>> {
        self.tree.lock().tasks.values().map(|t| t.task.clone()).collect()
    }
    /// All processes that are not reaped, in order of creation.
    pub fn groups(&self) -> Vec<Arc<ThreadGroup>> {
        self.tree.lock().groups.values().map(|g| g.group.clone()).collect()
    }
    /// The threads of a process that are not released, in order of creation.
    pub fn threads(&self, group: &ThreadGroup) -> Vec<Arc<Task>> {
        let tree = self.tree.lock();
        let ids = tree.groups.get(&group.id()).map_or(&[][..], |g| &g.threads);
        ids.iter().filter_map(|id| tree.tasks.get(id)).map(|t| t.task.clone()).collect()
    }
    /// The leader of a process that is not reaped.
    pub fn leader(&self, group: &ThreadGroup) -> Option<Arc<Task>> {
        let tree = self.tree.lock();
        let leader = tree.groups.get(&group.id())?.leader;
        tree.tasks.get(&leader).map(|t| t.task.clone())
    }
    /// The parent process.
    pub fn parent(&self, group: &ThreadGroup) -> Option<Arc<ThreadGroup>> {
        let tree = self.tree.lock();
        let node = tree.groups.get(&group.id())?;
        tree.parent_group(node).map(|g| g.group.clone())
    }
    /// `getppid(2)`: the parent's number in the task's namespace; 0 if it cannot be seen.
    pub fn ppid(&self, task: &Task) -> Pid {
        self.parent(task.group()).map_or(Pid(0), |p| p.tgid_in(&task.pid_ns()))
    }
    /// The children of a process, zombies included, in order of creation.
    pub fn children(&self, group: &ThreadGroup) -> Vec<Arc<ThreadGroup>> {
        let tree = self.tree.lock();
        let Some(node) = tree.groups.get(&group.id()) else { return Vec::new() };
        node.children.iter().filter_map(|c| tree.groups.get(c)).map(|g| g.group.clone()).collect()
    }
    /// The children that a thread made, zombies included, in order of creation.
    pub fn children_of_thread(&self, task: &Task) -> Vec<Arc<ThreadGroup>> {
        let tree = self.tree.lock();
        let Some(node) = tree.group_of(task) else { return Vec::new() };
        let children = node.children.iter().filter_map(|c| tree.groups.get(c));
        children.filter(|c| c.parent == Some(task.id())).map(|c| c.group.clone()).collect()
    }
    /// What the parent of a process gets when it dies.
    pub fn exit_signal(&self, group: &ThreadGroup) -> Option<Signal> {
        self.tree.lock().groups.get(&group.id())?.exit_signal
    }
    /// The number that was given last in a namespace.
    pub fn last_pid(&self, ns: &PidNamespace) -> Pid {
        Pid(self.tree.lock().ns.get(&ns.id).map_or(0, NsNumbers::last))
    }
    /// The status of a process that is dead and not reaped.
    pub fn zombie_status(&self, group: &ThreadGroup) -> Option<ExitStatus> {
        self.tree.lock().groups.get(&group.id())?.dead
    }
    /// Whether a thread has ended (a leader can be dead while its group lives).
    pub fn is_dead(&self, task: &Task) -> bool {
        self.tree.lock().tasks.get(&task.id()).is_none_or(|t| t.zombie.is_some())
    }
    /// What all tasks used up to `now`, the ended ones too.
    pub fn usage(&self, now: u64) -> Rusage {
        let tree = self.tree.lock();
        let mut sum = tree.dead_usage;
        let live = tree.tasks.values().filter(|t| t.zombie.is_none());
        live.for_each(|t| sum.add(&Rusage::of_task(&t.task, now)));
        sum
    }
    /// How many tasks there have been.
    pub fn created(&self) -> u64 {
        self.tree.lock().created
    }
    /// How many threads have been using a processor since `at` or longer.
    pub fn running_since(&self, at: u64) -> usize {
        let runs = |t: &&TaskNode| {
            let (mode, since) = t.task.times.mode();
            mode != CpuMode::Idle && since <= at && t.zombie.is_none()
        };
        self.tree.lock().tasks.values().filter(runs).count()
    }
    /// How many threads `uid` has, for `RLIMIT_NPROC`.
    pub fn user_tasks(&self, uid: Uid) -> usize {
        self.tree.lock().tasks.values().filter(|t| t.task.cred().uid == uid).count()
    }
    /// How many signals are queued to tasks of `uid`.
    pub fn queued_signal_count(&self, uid: Uid) -> usize {
        self.queued_signals(uid).load(core::sync::atomic::Ordering::Relaxed)
    }
    pub(crate) fn queued_signals(&self, uid: Uid) -> Arc<AtomicUsize> {
        self.users.lock().entry(uid).or_default().clone()
    }
}
