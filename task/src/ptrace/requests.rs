//! What a tracer asks of its tracee.

use alloc::vec::Vec;

use abi::Errno;
use abi::task::ptrace::PTRACE_EVENT_STOP;

use super::link::from_tracer;
use super::{OPTIONS, Resume, StopKind, Stopped, Trace};
use crate::signal::{SigInfo, Signal};
use crate::table::ProcessTable;
use crate::task::Task;

impl ProcessTable {
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
        if !running && (trace.visible().is_none() || trace.listening) {
            return Err(Errno::ESRCH);
        }
        let r = f(trace)?;
        sigs.recalc(task.id(), false);
        Ok(r)
    }
    /// Checks that `tracer` may look at `task` now: it traces it, and it stands still (or `running` is true).
    ///
    /// Errors: `ESRCH`.
    pub fn ptrace_check(&self, tracer: &Task, task: &Task, running: bool) -> Result<(), Errno> {
        self.with_trace(tracer, task, running, |_| Ok(()))
    }
    /// Sends the signal that a tracer gives at a system-call stop: an ordinary one, unlike at a stop for a signal.
    pub(super) fn give_at_syscall_stop(
        &self,
        tracer: &Task,
        task: &Task,
        signal: Option<Signal>,
    ) -> Result<(), Errno> {
        let stop = self.ptrace_stop(tracer, task)?;
        match signal {
            Some(s) if stop.kind == StopKind::Syscall => self.send_to_task(task, SigInfo::kernel(s), true),
            _ => Ok(()),
        }
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
        self.give_at_syscall_stop(tracer, task, signal)?;
        let given = signal.map(|s| from_tracer(tracer, task, s));
        self.with_trace(tracer, task, false, |t| {
            t.resume = how;
            t.inject = Trace::injected(t.stop.take(), given);
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
                t.leave_listening();
            }
            Ok(())
        })?;
        task.interrupt();
        Ok(())
    }
    /// `PTRACE_LISTEN`: a seized tracee stays in its group stop, and reports its end. If the group went on meanwhile, that is at
    /// once.
    ///
    /// Errors: `EIO` if it is not in a stop for its group or an interruption; `ESRCH`.
    pub fn ptrace_listen(&self, tracer: &Task, task: &Task) -> Result<(), Errno> {
        self.with_trace(tracer, task, false, |t| {
            if t.stop.is_none_or(|s| s.code >> 8 != PTRACE_EVENT_STOP) {
                return Err(Errno::EIO);
            }
            t.listening = true;
            if t.trap {
                t.leave_listening();
            }
            Ok(())
        })?;
        if !task.is_trace_stopped() {
            task.interrupt();
        }
        Ok(())
    }
    /// `PTRACE_SETOPTIONS`.
    ///
    /// Errors: `EINVAL` for unknown ones; `ESRCH`.
    pub fn ptrace_set_options(&self, tracer: &Task, task: &Task, options: u32) -> Result<(), Errno> {
        if options & !OPTIONS != 0 {
            return Err(Errno::EINVAL);
        }
        self.with_trace(tracer, task, false, |t| {
            t.options = options;
            Ok(())
        })
    }
    /// What a tracee stands still for.
    ///
    /// Errors: `ESRCH`.
    pub fn ptrace_stop(&self, tracer: &Task, task: &Task) -> Result<Stopped, Errno> {
        self.with_trace(tracer, task, false, |t| t.stop.ok_or(Errno::ESRCH))
    }
    /// `PTRACE_GETSIGINFO`, and `PTRACE_SETSIGINFO` with `new`.
    ///
    /// Errors: `EINVAL` in the group stop of an attached tracee; `ESRCH`.
    pub fn ptrace_siginfo(&self, tracer: &Task, task: &Task, new: Option<SigInfo>) -> Result<SigInfo, Errno> {
        let (pid, uid) = (task.tid(), task.cred().uid);
        self.with_trace(tracer, task, false, |t| {
            let seized = t.seized;
            let stop = t.stop.as_mut().ok_or(Errno::ESRCH)?;
            if stop.kind == StopKind::Group && !seized {
                return Err(Errno::EINVAL);
            }
            let trap = Signal::new((stop.code & 0x7f).cast_signed()).unwrap_or(Signal::TRAP);
            let made_up = SigInfo { code: stop.code.cast_signed(), ..SigInfo::user(trap, pid, uid) };
            let old = stop.info.unwrap_or(made_up);
            if new.is_some() {
                stop.info = new;
            }
            Ok(old)
        })
    }
    /// `PTRACE_PEEKSIGINFO`: at most `count` of the signals that wait for a tracee, or with `shared` for its process, from the
    /// one at `offset` on. They stay where they are.
    ///
    /// Errors: `ESRCH`.
    pub fn ptrace_peek_siginfo(
        &self,
        tracer: &Task,
        task: &Task,
        shared: bool,
        offset: usize,
        count: usize,
    ) -> Result<Vec<SigInfo>, Errno> {
        self.ptrace_check(tracer, task, false)?;
        let sigs = task.group().signals.lock();
        let queue =
            if shared { &sigs.shared } else { &sigs.threads.get(&task.id()).ok_or(Errno::ESRCH)?.pending };
        Ok(queue.iter().skip(offset).take(count).copied().collect())
    }
}
