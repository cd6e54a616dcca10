//! How tasks end, `_exit(2)`, and what their end does to others.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::group::{GroupId, ThreadGroup};
use crate::ptrace;
use crate::rusage::Rusage;
use crate::signal::{SaFlags, SigFields, SigInfo, Signal, code, send_kernel};
use crate::table::{ProcessTable, Tree};
use crate::task::{Task, TaskId};
use kcore::job::ControllingTty;

/// How a process or thread ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// By `exit` with this code.
    Exited(u8),
    /// By a signal.
    Signaled {
        /// Which.
        signal: Signal,
        /// Whether core was dumped.
        core: bool,
    },
}

impl ExitStatus {
    /// The status word of `wait(2)`.
    pub fn wait_status(self) -> u32 {
        match self {
            ExitStatus::Exited(c) => u32::from(c) << 8,
            ExitStatus::Signaled { signal, core } => signal.number() as u32 | if core { 0x80 } else { 0 },
        }
    }
    /// `si_code` and `si_status` of the `SIGCHLD`.
    pub fn child_code(self) -> (i32, i32) {
        match self {
            ExitStatus::Exited(c) => (code::CLD_EXITED, i32::from(c)),
            ExitStatus::Signaled { signal, core: false } => (code::CLD_KILLED, signal.number()),
            ExitStatus::Signaled { signal, core: true } => (code::CLD_DUMPED, signal.number()),
        }
    }
}

/// What the kernel has to do after a thread's end.
#[derive(Default)]
pub struct ExitEffects {
    /// The thread was the last: the status of the process.
    pub group_dead: Option<ExitStatus>,
    /// The process led a session with this controlling terminal, which its foreground processes must be told to leave.
    pub tty: Option<ControllingTty>,
}

impl ProcessTable {
    /// Starts the end of the whole process, `exit_group(2)`: the other threads are told to die. The caller goes on to
    /// [`ProcessTable::exit_thread`]. Returns the status in force, which is another one if the end had begun already.
    pub fn exit_group(&self, task: &Task, status: ExitStatus) -> ExitStatus {
        task.group().signals.lock().start_exit(status)
    }
    /// Ends a thread; its own future calls it once, when the thread's CPU mode is idle for good. The last one ends the process: children go to a reaper, the parent is told.
    pub fn exit_thread(&self, task: &Arc<Task>, status: ExitStatus) -> ExitEffects {
        let mut fx = ExitEffects::default();
        let group = task.group();
        let mut guard = self.tree.lock();
        let tree = &mut *guard;
        if tree.tasks.get(&task.id()).is_none_or(|t| t.zombie.is_some()) {
            return fx;
        }
        let status = {
            let mut sigs = group.signals.lock();
            let status = sigs.exit.unwrap_or(status);
            sigs.threads.remove(&task.id());
            sigs.check_stop_complete();
            // Another thread takes what this one was to take.
            sigs.recalc_all(true);
            status
        };
        let used = Rusage::at_rest(task);
        group.usage.lock().dead_threads.add(&used);
        tree.dead_usage.add(&used);
        ptrace::tracer_exits(tree, task.id());
        let Some(node) = tree.tasks.get_mut(&task.id()) else { return fx };
        node.zombie = Some(status);
        task.set_ended();
        let traced = node.tracer;
        let Some(g) = tree.groups.get_mut(&group.id()) else { return fx };
        g.live -= 1;
        let (last, leader, live) = (g.live == 0, g.leader, g.threads.clone());
        let heir = live.into_iter().find(|t| tree.tasks.get(t).is_some_and(|t| t.zombie.is_none()));
        self.reparent_children(tree, task, heir);
        if task.id() != leader {
            if let Some(tracer) = traced {
                ptrace::notify_exit(tree, tracer, task, status);
            } else {
                tree.release_task(task.id());
            }
        }
        if group.exec_thread().is_some() {
            group.exec_queue.wake_all();
        }
        if last {
            let status = match group.exiting() {
                Some(s) => s,
                None => tree.tasks.get(&leader).and_then(|t| t.zombie).unwrap_or(status),
            };
            fx.group_dead = Some(status);
            self.group_dies(tree, group, status, &mut fx);
        }
        drop(guard);
        if !last {
            group.exit_queue.wake_all();
        }
        task.complete_vfork();
        fx
    }

    fn group_dies(
        &self,
        tree: &mut Tree,
        group: &Arc<ThreadGroup>,
        status: ExitStatus,
        fx: &mut ExitEffects,
    ) {
        let gid = group.id();
        let Some(g) = tree.groups.get_mut(&gid) else { return };
        g.dead = Some(status);
        group.set_dead(status);
        let (session, init_of) = (g.session.clone(), g.init_of);
        let parent = tree.groups.get(&gid).and_then(|g| tree.parent_group(g)).map(|p| p.group.id());
        if session.id == group.pid().id {
            fx.tty = self.leader_leaves_tty(tree, gid);
        }
        self.hup_if_orphaned(tree, gid, parent, true);
        if let Some(ns) = init_of {
            let space = tree.ns.entry(ns).or_default();
            space.dying = true;
            let others: Vec<_> = tree
                .groups
                .values()
                .filter(|o| o.dead.is_none() && o.group.pid().ids().any(|n| n == ns))
                .map(|o| o.group.clone())
                .collect();
            for o in &others {
                send_kernel(self, o, SigInfo::kernel(Signal::KILL));
            }
            if !others.is_empty()
                && let Some(g) = tree.groups.get_mut(&gid)
            {
                g.deferred = true;
            }
        }
        group.exit_queue.wake_all();
        if !tree.groups.get(&gid).is_some_and(|g| g.deferred) {
            self.notify_death(tree, gid);
        }
    }
    /// Tells the tracer or the parent that a group is dead, or reaps it if nobody wants to know.
    pub(crate) fn notify_death(&self, tree: &mut Tree, gid: GroupId) {
        let Some(g) = tree.groups.get(&gid) else { return };
        let Some(status) = g.dead else { return };
        let leader = g.leader;
        if let Some(tracer) = tree.tasks.get(&leader).and_then(|t| t.tracer)
            && tree.tasks.get(&tracer).map(|t| t.group) != tree.parent_group(g).map(|p| p.group.id())
            && let Some(task) = tree.tasks.get(&leader).map(|t| t.task.clone())
        {
            ptrace::notify_exit(tree, tracer, &task, status);
            return;
        }
        let mut reap = true;
        if let Some(parent) = tree.parent_group(g).map(|p| p.group.clone()) {
            let action = parent.handlers().get(Signal::CHLD);
            let chld = g.exit_signal == Some(Signal::CHLD);
            reap = chld && (action.is_ignore() || action.flags.contains(SaFlags::NOCLDWAIT));
            if let Some(s) = g.exit_signal
                && !(chld && action.is_ignore())
            {
                let (code, st) = status.child_code();
                let info = self.child_info(tree, gid, &parent, s, code, st);
                send_kernel(self, &parent, info);
            }
            if !reap {
                parent.child_queue.wake_all();
            }
            if reap {
                self.reap(tree, gid);
                parent.child_queue.wake_all();
            }
            return;
        }
        if reap {
            self.reap(tree, gid);
        }
    }
    pub(crate) fn child_info(
        &self,
        tree: &Tree,
        gid: GroupId,
        to: &ThreadGroup,
        s: Signal,
        code: i32,
        status: i32,
    ) -> SigInfo {
        let Some(g) = tree.groups.get(&gid) else { return SigInfo::kernel(s) };
        let u = g.group.usage.lock().dead_threads;
        let uid = tree.tasks.get(&g.leader).map_or(kcore::id::Uid::ROOT, |t| t.task.cred().uid);
        let pid = g.group.tgid_in(to.pid().ns());
        // Clock ticks of 10 ms.
        let ticks = |ns: u64| (ns / 10_000_000) as i64;
        SigInfo::new(
            s,
            code,
            SigFields::Child { pid, uid, status, utime: ticks(u.user_ns), stime: ticks(u.system_ns) },
        )
    }
    /// Forgets a dead group; what it used has been added to the parent by `wait`.
    pub(crate) fn reap(&self, tree: &mut Tree, gid: GroupId) {
        let Some(g) = tree.groups.get(&gid) else { return };
        let parent = tree.parent_group(g).map(|p| p.group.id());
        let spaces: Vec<u64> = g.group.pid().ids().collect();
        for t in g.threads.clone() {
            tree.release_task(t);
        }
        if let Some(p) = parent.and_then(|p| tree.groups.get_mut(&p)) {
            p.children.remove(&gid);
        }
        if let Some(node) = tree.groups.remove(&gid) {
            node.group.set_reaped();
            node.group.exit_queue.wake_all();
        }
        // An init is told to its parent once its namespace is empty.
        for ns in spaces {
            let Some(space) = tree.ns.get(&ns) else { continue };
            let Some(init) = space.init.map(GroupId) else { continue };
            let Some(node) = tree.groups.get_mut(&init) else { continue };
            if node.deferred && tree.ns.get(&ns).is_some_and(|s| s.tasks <= 1) {
                if let Some(node) = tree.groups.get_mut(&init) {
                    node.deferred = false;
                }
                self.notify_death(tree, init);
            }
        }
    }
    fn reparent_children(&self, tree: &mut Tree, task: &Task, heir: Option<TaskId>) {
        let Some(g) = tree.group_of(task) else { return };
        let mine: Vec<GroupId> = g
            .children
            .iter()
            .copied()
            .filter(|c| tree.groups.get(c).is_some_and(|c| c.parent == Some(task.id())))
            .collect();
        let reaper = match heir {
            Some(t) => Some(t),
            None => tree.find_reaper(g.group.id()),
        };
        for c in mine {
            let Some(child) = tree.groups.get_mut(&c) else { continue };
            child.parent = reaper;
            let threads = child.threads.clone();
            let (dead, deferred) = (child.dead.is_some(), child.deferred);
            if heir.is_none() {
                // A new parent knows SIGCHLD only.
                child.exit_signal = Some(Signal::CHLD);
                if let Some(g) = tree.group_of_mut(task) {
                    g.children.remove(&c);
                }
                if let Some(r) = reaper.and_then(|r| tree.tasks.get(&r)).map(|r| r.group)
                    && let Some(r) = tree.groups.get_mut(&r)
                {
                    r.children.insert(c);
                }
            }
            for t in threads.iter().filter_map(|t| tree.tasks.get(t)) {
                t.task.identity_changed();
                if let Some(s) = t.task.with_fields(|f| f.pdeath_signal) {
                    let _ = self.send_to_task(&t.task, SigInfo::kernel(s), true);
                }
            }
            if heir.is_none() {
                if dead && !deferred {
                    self.notify_death(tree, c);
                } else if !dead {
                    self.hup_if_orphaned(tree, c, Some(task.group().id()), false);
                }
            }
        }
    }
}

impl Tree {
    /// Who gets the children of a dying group: the nearest subreaper in its ancestry, else init of its namespace.
    fn find_reaper(&self, dying: GroupId) -> Option<TaskId> {
        let g = self.groups.get(&dying)?;
        let ns = g.group.pid().ns();
        let live = |g: &crate::table::GroupNode| {
            g.threads.iter().copied().find(|t| self.tasks.get(t).is_some_and(|t| t.zombie.is_none()))
        };
        if g.init_of != Some(ns.id) {
            let mut at = self.parent_group(g);
            while let Some(p) = at {
                if !alloc::sync::Arc::ptr_eq(p.group.pid().ns(), ns) {
                    break;
                }
                if p.group.is_subreaper()
                    && let Some(t) = live(p)
                {
                    return Some(t);
                }
                at = self.parent_group(p);
            }
            let init = self.ns.get(&ns.id)?.init?;
            return live(self.groups.get(&GroupId(init))?);
        }
        None
    }
    pub(crate) fn release_task(&mut self, id: TaskId) {
        ptrace::unlink(self, id);
        let Some(node) = self.tasks.remove(&id) else { return };
        let pid = node.task.pid();
        if self.by_pid.get(&pid.id) == Some(&id) {
            self.by_pid.remove(&pid.id);
        }
        for ns in pid.ids() {
            if let Some(space) = self.ns.get_mut(&ns) {
                space.tasks = space.tasks.saturating_sub(1);
            }
        }
        if let Some(g) = self.groups.get_mut(&node.group) {
            g.threads.retain(|t| *t != id);
        }
    }
}
