//! Who traces whom: how a link begins, is inherited and ends.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use abi::task::ptrace::*;

use super::{OPTIONS, Trace};
use crate::exit::ExitStatus;
use crate::fork::{CloneFlags, CloneSpec};
use crate::signal::{SaFlags, SigFields, SigInfo, Signal, Stop, code, send_kernel};
use crate::table::{ProcessTable, Tree};
use crate::task::{Task, TaskId};

/// Ends the link between a tracee and its tracer.
pub(crate) fn unlink(tree: &mut Tree, tracee: TaskId) {
    if let Some(tracer) = tree.tasks.get_mut(&tracee).and_then(|t| t.tracer.take())
        && let Some(t) = tree.tasks.get_mut(&tracer)
    {
        t.tracees.remove(&tracee);
    }
}

/// Lets a tracee go that has no tracer any more. Returns the options that it was traced with.
fn release(task: &Task, signal: Option<SigInfo>) -> u32 {
    let mut sigs = task.group().signals.lock();
    let stopped = sigs.stop;
    let Some(t) = sigs.threads.get_mut(&task.id()) else { return 0 };
    let Some(mut trace) = t.trace.take() else { return 0 };
    task.set_traced(false);
    // A detached thread of a stopped group stops like the others.
    t.stop_pending = stopped != Stop::Running && !t.killed;
    if let Some(info) = Trace::injected(trace.stop.take(), signal) {
        // A tracer's signal needs no slot of its own, and one that is pending already stays as it is.
        t.pending.push(info, None).ok();
    }
    sigs.recalc(task.id(), false);
    task.interrupt();
    trace.options
}

/// A tracer is dead: its tracees go on, or die with it if it asked for that.
pub(crate) fn tracer_exits(tree: &mut Tree, tracer: TaskId) {
    let Some(node) = tree.tasks.get_mut(&tracer) else { return };
    let own = Some(node.group);
    let tracees: Vec<TaskId> = core::mem::take(&mut node.tracees).into_iter().collect();
    for id in tracees {
        let Some(t) = tree.tasks.get_mut(&id) else { continue };
        t.tracer = None;
        let (task, zombie, gid) = (t.task.clone(), t.zombie.is_some(), t.group);
        let options = release(&task, None);
        if zombie {
            if tree.groups.get(&gid).is_none_or(|g| g.leader != id) {
                tree.release_task(id);
            } else if tree.groups.get(&gid).and_then(|g| tree.parent_group(g)).map(|p| p.group.id()) != own
                && let Some(table) = task.table()
            {
                // Its parent has not been told yet.
                table.notify_death(tree, gid);
            }
        } else if options & PTRACE_O_EXITKILL != 0
            && let Some(table) = task.table()
        {
            send_kernel(&table, task.group(), SigInfo::kernel(Signal::KILL));
        }
    }
}

pub(crate) fn notify_exit(tree: &Tree, tracer: TaskId, task: &Task, status: ExitStatus) {
    let (code, st) = status.child_code();
    tell(tree, tracer, task, code, st);
}

/// Tells a tracer of a change of its tracee: `SIGCHLD`, and a wake-up of `wait`.
pub(super) fn tell(tree: &Tree, tracer: TaskId, task: &Task, code: i32, status: i32) {
    let Some(t) = tree.tasks.get(&tracer) else { return };
    let to = t.task.group();
    let action = to.handlers().get(Signal::CHLD);
    let is_stop = matches!(code, code::CLD_TRAPPED | code::CLD_STOPPED);
    if let Some(table) = task.table()
        && !action.is_ignore()
        && !(is_stop && action.flags.contains(SaFlags::NOCLDSTOP))
    {
        let pid = task.tid_in(to.pid().ns());
        let fields = SigFields::Child { pid, uid: task.cred().uid, status, utime: 0, stime: 0 };
        send_kernel(&table, to, SigInfo::new(Signal::CHLD, code, fields));
    }
    to.child_queue.wake_all();
}

/// The event that a tracer may want to stop for when its tracee makes a child, `PTRACE_EVENT_*`.
pub fn clone_event(spec: &CloneSpec) -> u32 {
    if spec.flags.contains(CloneFlags::VFORK) {
        PTRACE_EVENT_VFORK
    } else if spec.exit_signal != Some(Signal::CHLD) {
        PTRACE_EVENT_CLONE
    } else {
        PTRACE_EVENT_FORK
    }
}

impl Tree {
    fn link(&mut self, tracer: TaskId, tracee: TaskId) {
        if let Some(t) = self.tasks.get_mut(&tracee) {
            t.tracer = Some(tracer);
        }
        if let Some(t) = self.tasks.get_mut(&tracer) {
            t.tracees.insert(tracee);
        }
    }
    /// A new child is traced as its parent is, if the tracer asked for that.
    pub(crate) fn trace_child(&mut self, parent: &Task, child: &Arc<Task>, spec: &CloneSpec) {
        let Some(tracer) = self.tasks.get(&parent.id()).and_then(|t| t.tracer) else { return };
        let inherited = {
            let sigs = parent.group().signals.lock();
            let Some(trace) = sigs.threads.get(&parent.id()).and_then(|t| t.trace.as_ref()) else { return };
            let asked =
                trace.options & 1 << clone_event(spec) != 0 && !spec.flags.contains(CloneFlags::UNTRACED);
            if !asked && !spec.flags.contains(CloneFlags::PTRACE) {
                return;
            }
            Trace { seized: trace.seized, options: trace.options, trap: trace.seized, ..Trace::default() }
        };
        self.link(tracer, child.id());
        let mut sigs = child.group().signals.lock();
        if let Some(t) = sigs.threads.get_mut(&child.id()) {
            if !inherited.seized {
                // The first signal of its life, so that it cannot be pending already.
                t.pending.push(SigInfo::kernel(Signal::STOP), None).ok();
            }
            t.trace = Some(inherited);
            child.set_traced(true);
        }
        sigs.recalc(child.id(), false);
    }
}

impl ProcessTable {
    /// The tracer of a task.
    pub fn tracer(&self, task: &Task) -> Option<Arc<Task>> {
        let tree = self.tree.lock();
        tree.tasks.get(&tree.tasks.get(&task.id())?.tracer?).map(|t| t.task.clone())
    }
    /// `PTRACE_TRACEME`: the parent becomes the tracer.
    ///
    /// Errors: `EPERM` if it is traced or has no parent.
    pub fn ptrace_traceme(&self, task: &Arc<Task>) -> Result<(), Errno> {
        let parent = self.tree.lock().group_of(task).and_then(|g| g.parent).ok_or(Errno::EPERM)?;
        self.start_trace(parent, task, Trace::default())
    }
    /// `PTRACE_ATTACH`, or `PTRACE_SEIZE` with `seize` options. The kernel has checked who may.
    ///
    /// Errors: `EPERM` for the tracer's own threads, and for tasks that are traced or dead; `EIO` for unknown options.
    pub fn ptrace_attach(&self, tracer: &Task, task: &Arc<Task>, seize: Option<u32>) -> Result<(), Errno> {
        let options = seize.unwrap_or(0);
        if options & !OPTIONS != 0 {
            return Err(if options & !(OPTIONS | PTRACE_O_SUSPEND_SECCOMP) == 0 {
                Errno::EINVAL
            } else {
                Errno::EIO
            });
        }
        if tracer.group().id() == task.group().id() {
            return Err(Errno::EPERM);
        }
        let trace = Trace { seized: seize.is_some(), options, ..Trace::default() };
        self.start_trace(tracer.id(), task, trace)?;
        if seize.is_none() {
            self.send_to_task(task, SigInfo::kernel(Signal::STOP), true)?;
        }
        Ok(())
    }
    fn start_trace(&self, tracer: TaskId, task: &Arc<Task>, mut trace: Trace) -> Result<(), Errno> {
        let mut tree = self.tree.lock();
        if tree.tasks.get(&task.id()).is_none_or(|t| t.tracer.is_some() || t.zombie.is_some()) {
            return Err(Errno::EPERM);
        }
        tree.link(tracer, task.id());
        let mut sigs = task.group().signals.lock();
        let Some(t) = sigs.threads.get_mut(&task.id()) else { return Err(Errno::ESRCH) };
        // A thread that stands still in a group stop moves over to a ptrace stop.
        if core::mem::take(&mut t.stopped) {
            trace.trap = true;
        }
        t.trace = Some(trace);
        task.set_traced(true);
        sigs.recalc(task.id(), true);
        Ok(())
    }
    /// `PTRACE_DETACH`, giving `signal` to the tracee.
    ///
    /// Errors: `ESRCH`.
    pub fn ptrace_detach(&self, tracer: &Task, task: &Task, signal: Option<Signal>) -> Result<(), Errno> {
        self.give_at_syscall_stop(tracer, task, signal)?;
        unlink(&mut self.tree.lock(), task.id());
        release(task, signal.map(|s| from_tracer(tracer, task, s)));
        Ok(())
    }
}

/// A signal of the tracer's own making.
pub(super) fn from_tracer(tracer: &Task, task: &Task, signal: Signal) -> SigInfo {
    SigInfo::user(signal, tracer.tid_in(&task.pid_ns()), tracer.cred().uid)
}
