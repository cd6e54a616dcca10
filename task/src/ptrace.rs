//! The mechanism of `ptrace(2)`: links, stops, and signals held for a tracer. Registers and memory are the kernel's.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;

use crate::exit::ExitStatus;
use crate::fork::{CloneFlags, CloneSpec};
use crate::signal::{SaFlags, SigInfo, Signal, Stop, code, send_kernel};
use crate::table::{ProcessTable, Tree};
use crate::task::{Task, TaskId};

/// Numbers of `ptrace(2)` events and options.
#[expect(missing_docs, reason = "the names are those of ptrace(2)")]
pub mod consts {
    pub const EVENT_FORK: u32 = 1;
    pub const EVENT_VFORK: u32 = 2;
    pub const EVENT_CLONE: u32 = 3;
    pub const EVENT_EXEC: u32 = 4;
    pub const EVENT_VFORK_DONE: u32 = 5;
    pub const EVENT_EXIT: u32 = 6;
    pub const EVENT_SECCOMP: u32 = 7;
    pub const EVENT_STOP: u32 = 128;
    pub const O_TRACESYSGOOD: u32 = 1;
    pub const O_EXITKILL: u32 = 1 << 20;
    pub const O_MASK: u32 = 0xff | 1 << 20 | 1 << 21;
}

/// Why a tracee stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopKind {
    /// A signal waits for the tracer's word.
    Signal,
    /// The group stopped.
    Group,
    /// `PTRACE_EVENT_*`.
    Event,
    /// At a system call's entry or exit.
    Syscall,
}

/// How a tracee goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Resume {
    /// Freely.
    #[default]
    Cont,
    /// To the next system-call stop.
    Syscall,
    /// One instruction.
    SingleStep,
    /// To the next system call, which is not run.
    Sysemu,
}

#[derive(Default)]
pub(crate) struct Trace {
    seized: bool,
    options: u32,
    stop: Option<(u32, StopKind, Option<SigInfo>)>,
    reported: bool,
    trap: bool,
    listening: bool,
    message: u64,
    resume: Resume,
    inject: Option<SigInfo>,
}

impl Trace {
    pub(crate) fn wants_dequeue(&self) -> bool {
        self.trap || self.inject.is_some() || self.stop.is_some()
    }
    pub(crate) fn in_stop(&self) -> bool {
        self.stop.is_some()
    }
    pub(crate) fn wake_for_kill(&mut self) {
        self.stop = None;
    }
    pub(crate) fn group_continued(&mut self) {
        // A listening tracee reports the end of the group stop by trapping once more.
        if self.listening {
            self.listening = false;
            self.stop = None;
            self.trap = true;
        }
    }
    pub(crate) fn take_injected(&mut self) -> Option<SigInfo> {
        self.inject.take()
    }
    pub(crate) fn take_trap(&mut self, stop: Stop) -> bool {
        if !core::mem::take(&mut self.trap) {
            return false;
        }
        match stop {
            Stop::Running => self.enter_stop(5 | consts::EVENT_STOP << 8, StopKind::Event, None, 0),
            Stop::Stopping(s) | Stop::Stopped(s) => {
                self.enter_group_stop(s);
            }
        }
        true
    }
    pub(crate) fn enter_group_stop(&mut self, s: Signal) {
        let event = if self.seized { consts::EVENT_STOP << 8 } else { 0 };
        self.enter_stop(s.number() as u32 | event, StopKind::Group, None, 0);
    }
    pub(crate) fn enter_stop(&mut self, code: u32, kind: StopKind, info: Option<SigInfo>, message: u64) {
        self.stop = Some((code, kind, info));
        self.message = message;
        self.reported = false;
        self.listening = false;
    }
    pub(crate) fn report(&mut self, take: bool) -> Option<u32> {
        let (code, ..) = self.stop?;
        if self.reported {
            return None;
        }
        self.reported = take;
        Some(code)
    }
}

/// Ends the link between a tracee and its tracer.
pub(crate) fn unlink(tree: &mut Tree, tracee: TaskId) {
    if let Some(tracer) = tree.tasks.get_mut(&tracee).and_then(|t| t.tracer.take())
        && let Some(t) = tree.tasks.get_mut(&tracer)
    {
        t.tracees.remove(&tracee);
    }
}

fn release(task: &Task, inject: Option<SigInfo>) -> u32 {
    let group = task.group();
    let mut sigs = group.signals.lock();
    let stopped = sigs.stop;
    let Some(t) = sigs.threads.get_mut(&task.id()) else { return 0 };
    let Some(trace) = t.trace.take() else { return 0 };
    // A detached thread of a stopped group stops like the others.
    t.stop_pending = stopped != Stop::Running;
    if let Some(info) = inject {
        let _ = t.pending.push(info, None);
    }
    sigs.recalc(task.id(), false);
    task.interrupt();
    trace.options
}

pub(crate) fn tracer_exits(tree: &mut Tree, tracer: TaskId) {
    let Some(node) = tree.tasks.get_mut(&tracer) else { return };
    let tracees: Vec<TaskId> = core::mem::take(&mut node.tracees).into_iter().collect();
    for id in tracees {
        let Some(t) = tree.tasks.get_mut(&id) else { continue };
        t.tracer = None;
        let (task, zombie, gid) = (t.task.clone(), t.zombie.is_some(), t.group);
        let options = release(&task, None);
        if zombie {
            if tree.groups.get(&gid).is_none_or(|g| g.leader != id) {
                tree.release_task(id);
            }
        } else if options & consts::O_EXITKILL != 0
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

fn tell(tree: &Tree, tracer: TaskId, task: &Task, code: i32, status: i32) {
    let Some(t) = tree.tasks.get(&tracer) else { return };
    let to = t.task.group();
    let action = to.handlers().get(Signal::CHLD);
    if let Some(table) = task.table()
        && !action.is_ignore()
        && !(code == code::CLD_TRAPPED && action.flags.contains(SaFlags::NOCLDSTOP))
    {
        let fields = crate::signal::SigFields::Child {
            pid: task.tid_in(to.pid().ns()),
            uid: task.cred().uid,
            status,
            utime: 0,
            stime: 0,
        };
        send_kernel(&table, to, SigInfo::new(Signal::CHLD, code, fields));
    }
    to.child_queue.wake_all();
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
        let event = clone_event(spec);
        let inherited = {
            let sigs = parent.group().signals.lock();
            let Some(trace) = sigs.threads.get(&parent.id()).and_then(|t| t.trace.as_ref()) else { return };
            let asked = trace.options & 1 << event != 0 && !spec.flags.contains(CloneFlags::UNTRACED);
            if !asked && !spec.flags.contains(CloneFlags::PTRACE) {
                return;
            }
            Trace { seized: trace.seized, options: trace.options, trap: trace.seized, ..Trace::default() }
        };
        self.link(tracer, child.id());
        let mut sigs = child.group().signals.lock();
        if let Some(t) = sigs.threads.get_mut(&child.id()) {
            if !inherited.seized {
                let _ = t.pending.push(SigInfo::kernel(Signal::STOP), None);
            }
            t.trace = Some(inherited);
        }
        sigs.recalc(child.id(), false);
    }
}

fn clone_event(spec: &CloneSpec) -> u32 {
    if spec.flags.contains(CloneFlags::VFORK) {
        consts::EVENT_VFORK
    } else if spec.exit_signal != Some(Signal::CHLD) {
        consts::EVENT_CLONE
    } else {
        consts::EVENT_FORK
    }
}

impl ProcessTable {
    pub(crate) fn notify_tracer(&self, task: &Task) {
        let tree = self.tree.lock();
        let code = {
            let sigs = task.group().signals.lock();
            let trace = sigs.threads.get(&task.id()).and_then(|t| t.trace.as_ref());
            trace.and_then(|t| t.stop).map(|s| s.0)
        };
        if let (Some(tracer), Some(code)) = (tree.tasks.get(&task.id()).and_then(|t| t.tracer), code) {
            tell(&tree, tracer, task, code::CLD_TRAPPED, (code & 0x7f) as i32);
        }
    }
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
        if tracer.group().id() == task.group().id() {
            return Err(Errno::EPERM);
        }
        let options = seize.unwrap_or(0);
        if options & !consts::O_MASK != 0 {
            return Err(Errno::EIO);
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
        sigs.recalc(task.id(), true);
        Ok(())
    }
    /// Runs `f` on the trace state of a tracee that stands still.
    ///
    /// Errors: `ESRCH` if `tracer` does not trace it, or it does not stand still and `running` is false.
    fn with_trace<R>(
        &self,
        tracer: &Task,
        task: &Task,
        running: bool,
        f: impl FnOnce(&mut Trace) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let tree = self.tree.lock();
        if tree.tasks.get(&task.id()).and_then(|t| t.tracer) != Some(tracer.id()) {
            return Err(Errno::ESRCH);
        }
        let mut sigs = task.group().signals.lock();
        let t = sigs.threads.get_mut(&task.id()).ok_or(Errno::ESRCH)?;
        let trace = t.trace.as_mut().ok_or(Errno::ESRCH)?;
        if !running && (trace.stop.is_none() || trace.listening) {
            return Err(Errno::ESRCH);
        }
        let r = f(trace)?;
        sigs.recalc(task.id(), false);
        Ok(r)
    }
    /// Checks that `tracer` may look at `task` now: it traces it, and it stands still.
    ///
    /// Errors: `ESRCH`.
    pub fn ptrace_check(&self, tracer: &Task, task: &Task) -> Result<(), Errno> {
        self.with_trace(tracer, task, false, |_| Ok(()))
    }
    /// `PTRACE_DETACH`, giving `signal` to the tracee.
    ///
    /// Errors: `ESRCH`.
    pub fn ptrace_detach(&self, tracer: &Task, task: &Task, signal: Option<Signal>) -> Result<(), Errno> {
        self.ptrace_check(tracer, task)?;
        unlink(&mut self.tree.lock(), task.id());
        release(task, signal.map(SigInfo::kernel));
        Ok(())
    }
    /// `PTRACE_CONT`, `SYSCALL`, `SINGLESTEP`, `SYSEMU`: lets a tracee go on, with `signal` in place of the one it stopped for.
    ///
    /// Errors: `ESRCH`.
    pub fn ptrace_resume(
        &self,
        tracer: &Task,
        task: &Task,
        how: Resume,
        signal: Option<Signal>,
    ) -> Result<(), Errno> {
        self.with_trace(tracer, task, false, |t| {
            let stop = t.stop.take();
            t.resume = how;
            t.inject = match (signal, stop) {
                (Some(s), Some((_, StopKind::Signal, Some(info)))) if info.signal == s => Some(info),
                (Some(s), Some((_, StopKind::Signal | StopKind::Syscall, _))) => Some(SigInfo::kernel(s)),
                _ => None,
            };
            Ok(())
        })?;
        task.interrupt();
        Ok(())
    }
    /// `PTRACE_INTERRUPT`: a seized tracee stops.
    ///
    /// Errors: `EIO` if it was attached; `ESRCH`.
    pub fn ptrace_interrupt(&self, tracer: &Task, task: &Task) -> Result<(), Errno> {
        self.with_trace(tracer, task, true, |t| {
            if !t.seized {
                return Err(Errno::EIO);
            }
            t.trap = true;
            if t.listening {
                t.listening = false;
                t.stop = None;
            }
            Ok(())
        })?;
        task.interrupt();
        Ok(())
    }
    /// `PTRACE_LISTEN`: a seized tracee stays in its group stop, and reports its end.
    ///
    /// Errors: `EIO` if it is not in a group stop; `ESRCH`.
    pub fn ptrace_listen(&self, tracer: &Task, task: &Task) -> Result<(), Errno> {
        self.with_trace(tracer, task, false, |t| match t.stop {
            Some((_, StopKind::Group, _)) if t.seized => {
                t.listening = true;
                Ok(())
            }
            _ => Err(Errno::EIO),
        })
    }
    /// `PTRACE_SETOPTIONS`.
    ///
    /// Errors: `EINVAL` for unknown ones; `ESRCH`.
    pub fn ptrace_set_options(&self, tracer: &Task, task: &Task, options: u32) -> Result<(), Errno> {
        if options & !consts::O_MASK != 0 {
            return Err(Errno::EINVAL);
        }
        self.with_trace(tracer, task, false, |t| {
            t.options = options;
            Ok(())
        })
    }
    /// `PTRACE_GETEVENTMSG`.
    ///
    /// Errors: `ESRCH`.
    pub fn ptrace_message(&self, tracer: &Task, task: &Task) -> Result<u64, Errno> {
        self.with_trace(tracer, task, false, |t| Ok(t.message))
    }
    /// `PTRACE_GETSIGINFO`, and `PTRACE_SETSIGINFO` with `new`.
    ///
    /// Errors: `EINVAL` in a group stop; `ESRCH`.
    pub fn ptrace_siginfo(&self, tracer: &Task, task: &Task, new: Option<SigInfo>) -> Result<SigInfo, Errno> {
        self.with_trace(tracer, task, false, |t| match &mut t.stop {
            Some((_, StopKind::Group, _)) | None => Err(Errno::EINVAL),
            Some((code, _, info)) => {
                let old = info.unwrap_or_else(|| {
                    let fields = crate::signal::SigFields::None;
                    SigInfo::new(Signal::TRAP, *code as i32, fields)
                });
                if new.is_some() {
                    *info = new;
                }
                Ok(old)
            }
        })
    }
    /// Stops the calling task for `PTRACE_EVENT_*` if its tracer asked for that. Returns whether it must stand still.
    pub fn ptrace_event(&self, task: &Task, event: u32, message: u64) -> bool {
        self.stop_if(task, |t| {
            (t.options & 1 << event != 0).then_some((5 | event << 8, StopKind::Event, message))
        })
    }
    /// Stops the calling task at a system call's entry or exit if its tracer asked for that. Returns whether it must stand still.
    pub fn ptrace_syscall_stop(&self, task: &Task, entry: bool) -> bool {
        self.stop_if(task, |t| {
            let wanted = t.resume == Resume::Syscall || entry && t.resume == Resume::Sysemu;
            let good = if t.options & consts::O_TRACESYSGOOD != 0 { 0x80 } else { 0 };
            wanted.then_some((5 | good, StopKind::Syscall, if entry { 1 } else { 2 }))
        })
    }
    fn stop_if(&self, task: &Task, f: impl FnOnce(&Trace) -> Option<(u32, StopKind, u64)>) -> bool {
        {
            let mut sigs = task.group().signals.lock();
            let Some(t) = sigs.threads.get_mut(&task.id()) else { return false };
            let Some(trace) = t.trace.as_mut().filter(|_| !t.killed) else { return false };
            let Some((code, kind, message)) = f(trace) else { return false };
            trace.enter_stop(code, kind, None, message);
            sigs.recalc(task.id(), false);
        }
        self.notify_tracer(task);
        true
    }
    /// How the tracer let the task go on last; `None` if it is not traced.
    pub fn ptrace_mode(&self, task: &Task) -> Option<Resume> {
        task.group().signals.lock().threads.get(&task.id())?.trace.as_ref().map(|t| t.resume)
    }
}
