//! How tasks come to be, `clone(2)`.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::Ordering;

use abi::Errno;
use kcore::cred::{Cap, Credentials};
use kcore::id::{Pid, Uid};
use smallvec::SmallVec;

use crate::group::{GroupId, ThreadGroup};
use crate::pid::{PID_MAX, PidNamespace, PidNode, take_numbers};
use crate::rlimit::{Resource, Rlimits};
use crate::signal::{AltStack, SigHandlers, SigSet, Signal, ThreadSignals};
use crate::table::{GroupNode, ProcessTable, TaskNode, Tree};
use crate::task::{Sched, Task, TaskFields, TaskId};

bitflags::bitflags! {
    /// The flags of `clone(2)` that matter to processes; others are the kernel's business and are kept.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct CloneFlags: u64 {
        /// Share memory.
        const VM = 0x100;
        /// Share dispositions.
        const SIGHAND = 0x800;
        /// Let the tracer trace the child.
        const PTRACE = 0x2000;
        /// The parent waits until the child execs or exits.
        const VFORK = 0x4000;
        /// The caller's parent becomes the child's.
        const PARENT = 0x8000;
        /// A thread of the same process.
        const THREAD = 0x1_0000;
        /// Clear and wake the word at `ctid` when the child exits.
        const CHILD_CLEARTID = 0x20_0000;
        /// A tracer cannot force `PTRACE`.
        const UNTRACED = 0x80_0000;
        /// A new pid namespace.
        const NEWPID = 0x2000_0000;
        /// Handlers reset to the default.
        const CLEAR_SIGHAND = 0x1_0000_0000;
        const _ = !0;
    }
}

/// What `fork` shall make.
#[derive(Clone, Debug, Default)]
pub struct CloneSpec {
    /// `CLONE_*`.
    pub flags: CloneFlags,
    /// What the parent gets when the child dies; `None` for none.
    pub exit_signal: Option<Signal>,
    /// Wanted numbers, from the innermost namespace outwards (`clone3`'s `set_tid`).
    pub set_tid: Vec<Pid>,
    /// The pid namespace to make it in, if not the parent's: a new one (`CLONE_NEWPID`), or the one for children.
    pub ns: Option<Arc<PidNamespace>>,
    /// Its credentials, if not the parent's.
    pub cred: Option<Arc<Credentials>>,
    /// For `CLONE_CHILD_CLEARTID`.
    pub clear_child_tid: u64,
}

/// What a process without a parent starts with.
#[derive(Clone, Debug)]
pub struct InitSpec {
    /// Its pid namespace; the first process in one is its init.
    pub ns: Arc<PidNamespace>,
    /// Who it is.
    pub cred: Arc<Credentials>,
    /// Its limits.
    pub rlimits: Rlimits,
    /// Its name.
    pub comm: [u8; 16],
}

impl Tree {
    fn new_pid(
        &mut self,
        ns: &Arc<PidNamespace>,
        set_tid: &[Pid],
        cred: &Credentials,
    ) -> Result<Arc<PidNode>, Errno> {
        let mut numbers: SmallVec<[(Arc<PidNamespace>, Pid); 1]> = SmallVec::new();
        if set_tid.len() > ns.level() as usize + 1 {
            return Err(Errno::EINVAL);
        }
        if self.ns.get(&ns.id).is_some_and(|n| n.dying) {
            return Err(Errno::ENOMEM);
        }
        let mut at = Some(ns);
        let mut i = 0;
        while let Some(ns) = at {
            let space = self.ns.entry(ns.id).or_default();
            let n = match set_tid.get(i) {
                Some(&Pid(n)) => {
                    if !(1..PID_MAX).contains(&n) || n != 1 && space.init.is_none() {
                        return Err(Errno::EINVAL);
                    }
                    if !cred.has_cap_in(Cap::SysAdmin, ns.user_ns())
                        && !cred.has_cap_in(Cap::CheckpointRestore, ns.user_ns())
                    {
                        return Err(Errno::EPERM);
                    }
                    if !space.is_free(n) {
                        return Err(Errno::EEXIST);
                    }
                    n
                }
                None => space.next().ok_or(Errno::EAGAIN)?,
            };
            numbers.push((ns.clone(), Pid(n)));
            at = ns.parent();
            i += 1;
        }
        let id = self.id();
        Ok(take_numbers(id, numbers, &mut self.ns))
    }
    fn insert_task(&mut self, task: &Arc<Task>, group: GroupId) {
        self.created += 1;
        let pid = task.pid();
        self.by_pid.insert(pid.id, task.id());
        let mut at = Some(pid.ns());
        while let Some(ns) = at {
            self.ns.entry(ns.id).or_default().tasks += 1;
            at = ns.parent();
        }
        self.tasks.insert(
            task.id(),
            TaskNode { task: task.clone(), group, zombie: None, tracer: None, tracees: BTreeSet::new() },
        );
    }
    fn insert_group(&mut self, mut node: GroupNode) {
        let ns = node.group.pid().ns().clone();
        let space = self.ns.entry(ns.id).or_default();
        if space.init.is_none() {
            space.init = Some(node.group.id().0);
            node.init_of = Some(ns.id);
            node.group.signals.lock().unkillable = true;
        }
        self.groups.insert(node.group.id(), node);
    }
}

impl ProcessTable {
    /// Makes a process without a parent: the init of a container, or one that joins a container from outside. It leads a
    /// session and a process group.
    ///
    /// Errors: `EAGAIN` if all numbers are taken; `ENOMEM` if the namespace's init is dead.
    pub fn spawn_init(
        &self,
        spec: InitSpec,
        resources: Arc<dyn Any + Send + Sync>,
    ) -> Result<Arc<Task>, Errno> {
        let mut tree = self.tree.lock();
        let pid = tree.new_pid(&spec.ns, &[], &spec.cred)?;
        let (gid, tid) = (GroupId(tree.id()), TaskId(tree.id()));
        let group =
            Arc::new(ThreadGroup::new(gid, pid.clone(), Arc::new(SigHandlers::default()), spec.rlimits));
        let fields = TaskFields { comm: spec.comm, ..TaskFields::default() };
        let task = Arc::new(Task::new(
            tid,
            self.me.clone(),
            group.clone(),
            pid.clone(),
            spec.cred,
            fields,
            resources,
        ));
        let sigs = ThreadSignals::new(Arc::downgrade(&task), SigSet::EMPTY, AltStack::NONE);
        group.signals.lock().threads.insert(tid, sigs);
        tree.insert_task(&task, gid);
        tree.insert_group(GroupNode {
            group,
            leader: tid,
            threads: alloc::vec![tid],
            live: 1,
            parent: None,
            children: BTreeSet::new(),
            pgrp: pid.clone(),
            session: pid,
            tty: None,
            old_foreground: None,
            did_exec: false,
            exit_signal: Some(Signal::CHLD),
            dead: None,
            deferred: false,
            init_of: None,
        });
        Ok(task)
    }
    /// Makes a child of `parent`, or a thread beside it, [`clone(2)`]. The child does not run until its future does. Signals to many
    /// processes since [`Task::begin_fork`] go to it too.
    ///
    /// Errors: `EINVAL` for flags that do not go together; `EAGAIN` at `RLIMIT_NPROC` or without numbers; `ENOMEM` if the
    /// namespace's init is dead; `EEXIST`, `EPERM` for `set_tid`; `ESRCH` if the parent is dying.
    ///
    /// [`clone(2)`]: https://man7.org/linux/man-pages/man2/clone.2.html
    #[expect(clippy::needless_pass_by_value, reason = "the caller has no more use for it")]
    pub fn fork(
        &self,
        parent: &Arc<Task>,
        spec: CloneSpec,
        resources: Arc<dyn Any + Send + Sync>,
    ) -> Result<Arc<Task>, Errno> {
        let f = spec.flags;
        let thread = f.contains(CloneFlags::THREAD);
        if thread && !f.contains(CloneFlags::SIGHAND)
            || f.contains(CloneFlags::SIGHAND) && !f.contains(CloneFlags::VM)
            || f.contains(CloneFlags::SIGHAND | CloneFlags::CLEAR_SIGHAND)
            || thread
                && (f.contains(CloneFlags::NEWPID)
                    || spec.ns.as_ref().is_some_and(|n| !Arc::ptr_eq(n, &parent.pid_ns())))
        {
            return Err(Errno::EINVAL);
        }
        // A process has credentials of its own even while they are the parent's: what it opens is told apart by them.
        let cred = match &spec.cred {
            Some(cred) => cred.clone(),
            None if thread => parent.cred(),
            None => Arc::new((*parent.cred()).clone()),
        };
        let nproc = parent.group().rlimit(Resource::Nproc).cur;
        if cred.uid != Uid::ROOT
            && !cred.has_cap_everywhere(Cap::SysResource)
            && !cred.has_cap_everywhere(Cap::SysAdmin)
            && self.user_tasks(cred.uid) as u64 >= nproc
        {
            return Err(Errno::EAGAIN);
        }
        let mut tree = self.tree.lock();
        let pnode = tree.group_of(parent).ok_or(Errno::ESRCH)?;
        if f.contains(CloneFlags::PARENT) && pnode.init_of.is_some() {
            return Err(Errno::EINVAL);
        }
        // With CLONE_PARENT the child is a sibling, and its exit signal is the caller's.
        let (parent_thread, exit_signal) = if f.contains(CloneFlags::PARENT) && !thread {
            (pnode.parent, pnode.exit_signal)
        } else {
            (Some(parent.id()), spec.exit_signal)
        };
        let (pgrp, session, tty) = (pnode.pgrp.clone(), pnode.session.clone(), pnode.tty.clone());
        if thread && pnode.group.signals.lock().exit.is_some() {
            return Err(Errno::ESRCH);
        }
        let ns = spec.ns.clone().unwrap_or_else(|| parent.pid_ns());
        let pid = tree.new_pid(&ns, &spec.set_tid, &parent.cred())?;
        let tid = TaskId(tree.id());

        let mut fields = parent.with_fields(|f| f.clone());
        fields.clear_child_tid =
            if f.contains(CloneFlags::CHILD_CLEARTID) { spec.clear_child_tid } else { 0 };
        fields.robust_list = 0;
        fields.pdeath_signal = None;
        fields.prctl.timer_slack = fields.prctl.timer_slack.inherited();
        if f.contains(CloneFlags::VM) {
            fields.rseq = Default::default();
        }
        if fields.sched.reset_on_fork {
            let nice = fields.sched.nice.max(0);
            fields.sched = Sched { nice, affinity: fields.sched.affinity, ..Sched::default() };
        }
        let (blocked, altstack) = (parent.sigmask(), parent.altstack());
        let shares_stack = f.contains(CloneFlags::VM) && !f.contains(CloneFlags::VFORK);
        let altstack = if shares_stack { AltStack::NONE } else { altstack };

        let group = if thread {
            parent.group().clone()
        } else {
            let handlers = parent.group().handlers();
            let handlers = if f.contains(CloneFlags::SIGHAND) {
                handlers
            } else if f.contains(CloneFlags::CLEAR_SIGHAND) {
                handlers.copy_reset(false)
            } else {
                handlers.copy()
            };
            let g = ThreadGroup::new(GroupId(tree.id()), pid.clone(), handlers, parent.group().rlimits());
            g.set_dumpable(parent.group().dumpable());
            g.set_oom_score_adj(parent.group().oom_score_adj());
            g.set_oom_score_adj_min(parent.group().oom_score_adj_min());
            Arc::new(g)
        };
        let gid = group.id();
        let task = Arc::new(Task::new(tid, self.me.clone(), group.clone(), pid, cred, fields, resources));
        if parent.no_new_privs() {
            task.set_no_new_privs();
        }
        let missed = parent.end_fork();
        task.vfork_pending.store(f.contains(CloneFlags::VFORK), Ordering::SeqCst);
        {
            let mut sigs = group.signals.lock();
            let mut t = ThreadSignals::new(Arc::downgrade(&task), blocked, altstack);
            if thread {
                // A thread that is born while its group stops, stops too; one born while the group dies, dies.
                t.stop_pending = sigs.stop != crate::signal::Stop::Running;
                t.killed = sigs.exit.is_some() || sigs.exec.is_some();
            }
            sigs.threads.insert(tid, t);
            if !thread {
                sigs.shared.mark(missed);
            }
            sigs.recalc(tid, false);
        }
        tree.insert_task(&task, gid);
        if thread {
            if let Some(node) = tree.groups.get_mut(&gid) {
                node.threads.push(tid);
                node.live += 1;
            }
        } else {
            tree.insert_group(GroupNode {
                group,
                leader: tid,
                threads: alloc::vec![tid],
                live: 1,
                parent: parent_thread,
                children: BTreeSet::new(),
                pgrp,
                session,
                tty,
                old_foreground: None,
                did_exec: false,
                exit_signal,
                dead: None,
                deferred: false,
                init_of: None,
            });
            if let Some(p) = parent_thread.and_then(|p| tree.tasks.get(&p)).map(|t| t.group)
                && let Some(p) = tree.groups.get_mut(&p)
            {
                p.children.insert(gid);
            }
        }
        tree.trace_child(parent, &task, &spec);
        Ok(task)
    }
}
