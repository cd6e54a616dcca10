//! The stops that a tracee makes of its own.

use abi::task::ptrace::*;

use super::link::tell;
use super::{Resume, StopKind, Stopped, Trace};
use crate::exit::ExitStatus;
use crate::signal::{SigInfo, Signal, code};
use crate::table::ProcessTable;
use crate::task::Task;

/// The signal of all stops that are not for a signal or the group.
const TRAP: u32 = 5;

impl ProcessTable {
    /// Tells the tracer that the calling task stands still, if it does: its registers are where the tracer finds them.
    pub fn ptrace_announce(&self, task: &Task) {
        let tree = self.tree.lock();
        let (code, kind) = {
            let mut sigs = task.group().signals.lock();
            let Some(trace) = sigs.threads.get_mut(&task.id()).and_then(|t| t.trace.as_mut()) else { return };
            let Some(stop) = trace.stop else { return };
            trace.announced = true;
            (stop.code, stop.kind)
        };
        if let Some(tracer) = tree.tasks.get(&task.id()).and_then(|t| t.tracer) {
            let why = if kind == StopKind::Group || code >> 8 == PTRACE_EVENT_STOP {
                code::CLD_STOPPED
            } else {
                code::CLD_TRAPPED
            };
            tell(&tree, tracer, task, why, (code & 0x7f).cast_signed());
        }
    }
    /// The calling task executed a program; `message` is the number that it had before. Returns whether it must stand still for
    /// `PTRACE_EVENT_EXEC`; an attached one whose tracer did not ask for that gets `SIGTRAP`.
    pub fn ptrace_exec(&self, task: &Task, message: u64) -> bool {
        if self.ptrace_event(task, PTRACE_EVENT_EXEC, message) {
            return true;
        }
        let mut sigs = task.group().signals.lock();
        if let Some(t) = sigs.threads.get_mut(&task.id())
            && t.trace.as_ref().is_some_and(|t| !t.seized && t.options & PTRACE_O_TRACEEXEC == 0)
        {
            let info = SigInfo::user(Signal::TRAP, task.tid(), task.cred().uid);
            // One that is pending already does as well.
            t.pending.push(info, None).ok();
            sigs.recalc(task.id(), false);
        }
        false
    }
    /// Stops the calling task for `PTRACE_EVENT_*` if its tracer asked for that. Returns whether it must stand still.
    pub fn ptrace_event(&self, task: &Task, event: u32, message: u64) -> bool {
        self.stop_if(task, |t| {
            let stop = Stopped { code: TRAP | event << 8, kind: StopKind::Event, info: None, message };
            (t.options & 1 << event != 0).then_some(stop)
        })
    }
    /// Whether the tracer of a task wants to know of `PTRACE_EVENT_*`.
    pub fn ptrace_wants(&self, task: &Task, event: u32) -> bool {
        let sigs = task.group().signals.lock();
        let trace = sigs.threads.get(&task.id()).and_then(|t| t.trace.as_ref());
        trace.is_some_and(|t| t.options & 1 << event != 0)
    }
    /// Stops the calling task before it ends, `PTRACE_EVENT_EXIT`, if its tracer asked for that. Returns whether it must stand
    /// still, until [`Task::in_last_stop`] is false.
    pub fn ptrace_exit(&self, task: &Task, status: ExitStatus) -> bool {
        {
            let mut sigs = task.group().signals.lock();
            let status = sigs.exit.unwrap_or(status);
            let Some(trace) = sigs.threads.get_mut(&task.id()).and_then(|t| t.trace.as_mut()) else {
                return false;
            };
            if trace.options & PTRACE_O_TRACEEXIT == 0 {
                return false;
            }
            let code = TRAP | PTRACE_EVENT_EXIT << 8;
            let message = status.wait_status().into();
            trace.enter_stop(Stopped { code, kind: StopKind::Event, info: None, message });
            trace.last = true;
        }
        true
    }
    /// Stops the calling task at a system call's entry or exit if its tracer asked for that. Returns whether it must stand still.
    pub fn ptrace_syscall_stop(&self, task: &Task, entry: bool) -> bool {
        self.stop_if(task, |t| {
            let wanted = t.resume == Resume::Syscall || entry && t.resume.emulates();
            let good = if t.options & PTRACE_O_TRACESYSGOOD != 0 { 0x80 } else { 0 };
            let message = if entry { PTRACE_EVENTMSG_SYSCALL_ENTRY } else { PTRACE_EVENTMSG_SYSCALL_EXIT };
            let stop =
                Stopped { code: TRAP | good, kind: StopKind::Syscall, info: None, message: message.into() };
            wanted.then_some(stop)
        })
    }
    /// How the tracer let the task go on last; `None` if it is not traced.
    pub fn ptrace_mode(&self, task: &Task) -> Option<Resume> {
        task.group().signals.lock().threads.get(&task.id())?.trace.as_ref().map(|t| t.resume)
    }
    fn stop_if(&self, task: &Task, f: impl FnOnce(&Trace) -> Option<Stopped>) -> bool {
        let mut sigs = task.group().signals.lock();
        let Some(t) = sigs.threads.get_mut(&task.id()) else { return false };
        let Some(trace) = t.trace.as_mut().filter(|_| !t.killed) else { return false };
        let Some(stop) = f(trace) else { return false };
        trace.enter_stop(stop);
        sigs.recalc(task.id(), false);
        true
    }
}
