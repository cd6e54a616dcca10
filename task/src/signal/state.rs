//! The signal state of a group and its threads, under one lock.

use alloc::collections::BTreeMap;
use alloc::sync::Weak;

use abi::Errno;

use super::{Pending, SigInfo, SigSet, Signal};
use crate::exit::ExitStatus;
use crate::ptrace::Trace;
use crate::task::{Task, TaskId};

/// `how` of `sigprocmask(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SigmaskHow {
    /// Add to the mask.
    Block,
    /// Remove from it.
    Unblock,
    /// Replace it.
    Set,
}

/// An alternate stack, `sigaltstack(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AltStack {
    /// Lowest address.
    pub sp: u64,
    /// Size in bytes.
    pub size: u64,
    /// `SS_DISABLE` (2) and `SS_AUTODISARM` (1 << 31).
    pub flags: u32,
}

impl AltStack {
    /// `SS_ONSTACK`.
    pub const ONSTACK: u32 = 1;
    /// `SS_DISABLE`.
    pub const DISABLE: u32 = 2;
    /// `SS_AUTODISARM`.
    pub const AUTODISARM: u32 = 1 << 31;
    /// `MINSIGSTKSZ` of x86-64.
    pub const MIN_SIZE: u64 = 2048;
    /// No alternate stack.
    pub const NONE: AltStack = AltStack { sp: 0, size: 0, flags: AltStack::DISABLE };

    /// Whether `sp` is on this stack (never so if it disarms itself).
    pub fn contains(&self, sp: u64) -> bool {
        self.flags & Self::AUTODISARM == 0 && sp > self.sp && sp - self.sp <= self.size
    }
    /// What `sigaltstack` reports when the stack pointer is `sp`.
    pub fn report(&self, sp: u64) -> AltStack {
        let state = if self.size == 0 {
            Self::DISABLE
        } else if self.contains(sp) {
            Self::ONSTACK
        } else {
            0
        };
        AltStack { flags: state | self.flags & Self::AUTODISARM, ..*self }
    }
    /// What follows from asking for `new` while the stack pointer is `sp`, [`sigaltstack(2)`].
    ///
    /// Errors: `EPERM` while running on it; `EINVAL` for unknown flags; `ENOMEM` if too small.
    ///
    /// [`sigaltstack(2)`]: https://man7.org/linux/man-pages/man2/sigaltstack.2.html
    pub fn replace(&self, new: AltStack, sp: u64) -> Result<AltStack, Errno> {
        if self.size != 0 && self.contains(sp) {
            return Err(Errno::EPERM);
        }
        match new.flags & !Self::AUTODISARM {
            Self::DISABLE => Ok(AltStack { sp: 0, size: 0, flags: new.flags }),
            0 | Self::ONSTACK if new.size < Self::MIN_SIZE => Err(Errno::ENOMEM),
            0 | Self::ONSTACK => Ok(AltStack { flags: new.flags & Self::AUTODISARM, ..new }),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// Whether a group is stopped, as its parent sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Stop {
    #[default]
    Running,
    /// Some threads have yet to stop.
    Stopping(Signal),
    Stopped(Signal),
}

/// What a parent has to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notice {
    Stopped(Signal),
    Continued,
}

#[derive(Default)]
pub(crate) struct GroupSignals {
    pub(crate) shared: Pending,
    pub(crate) threads: BTreeMap<TaskId, ThreadSignals>,
    pub(crate) stop: Stop,
    /// The stop that `wait` has not reported yet.
    pub(crate) stop_report: Option<Signal>,
    /// A continuation that `wait` has not reported yet.
    pub(crate) cont_report: bool,
    pub(crate) notice: Option<Notice>,
    /// Counts `SIGCONT`s, to find those that come while the lock is not held.
    pub(crate) cont_seq: u64,
    /// Set once the group must die.
    pub(crate) exit: Option<ExitStatus>,
    /// The thread that runs `execve` and waits for the others to die.
    pub(crate) exec: Option<TaskId>,
    /// Init of a pid namespace: only handled signals arrive from inside it.
    pub(crate) unkillable: bool,
}

pub(crate) struct ThreadSignals {
    pub(crate) task: Weak<Task>,
    pub(crate) blocked: SigSet,
    /// What to go back to when a handler was not entered (`sigsuspend`).
    pub(crate) saved: Option<SigSet>,
    /// What `sigtimedwait` waits for, though it is blocked.
    pub(crate) waiting: SigSet,
    pub(crate) pending: Pending,
    pub(crate) altstack: AltStack,
    /// The thread must stop with its group.
    pub(crate) stop_pending: bool,
    pub(crate) stopped: bool,
    /// It was told to die by `exit_group` or another thread's `execve`.
    pub(crate) killed: bool,
    pub(crate) exiting: bool,
    /// What was sent to many processes since the thread began to make a child, for that child.
    pub(crate) for_child: Option<SigSet>,
    pub(crate) trace: Option<Trace>,
}

impl ThreadSignals {
    pub(crate) fn new(task: Weak<Task>, blocked: SigSet, altstack: AltStack) -> ThreadSignals {
        ThreadSignals {
            task,
            blocked,
            saved: None,
            waiting: SigSet::EMPTY,
            pending: Pending::default(),
            altstack,
            stop_pending: false,
            stopped: false,
            killed: false,
            exiting: false,
            for_child: None,
            trace: None,
        }
    }
    /// Whether the thread has anything to do in `dequeue`.
    fn wants_dequeue(&self, shared: SigSet, notice: bool) -> bool {
        let ready = self.pending.set().or(shared).minus(self.blocked);
        let trace = self.trace.as_ref().is_some_and(Trace::wants_dequeue);
        !ready.is_empty() || self.killed || self.stop_pending || self.stopped || notice || trace
    }
}

impl GroupSignals {
    /// Brings the "signal pending" mark of one thread up to date, and interrupts it if it was set anew.
    pub(crate) fn recalc(&self, id: TaskId, interrupt: bool) {
        let Some(t) = self.threads.get(&id) else { return };
        let Some(task) = t.task.upgrade() else { return };
        let wants = !t.exiting && t.wants_dequeue(self.shared.set(), self.notice.is_some());
        task.set_signal_pending(wants);
        if wants && interrupt {
            task.interrupt();
        }
    }
    pub(crate) fn recalc_all(&self, interrupt: bool) {
        for id in self.threads.keys() {
            self.recalc(*id, interrupt);
        }
    }
    /// Tells all threads but `except` to die.
    pub(crate) fn kill_threads(&mut self, except: Option<TaskId>) {
        for (id, t) in &mut self.threads {
            if Some(*id) != except {
                t.killed = true;
                t.stop_pending = false;
                t.stopped = false;
                if let Some(trace) = &mut t.trace {
                    trace.wake_for_kill();
                }
            }
        }
        self.recalc_all(true);
    }
    /// Starts the death of the group with `status` if it does not die already.
    pub(crate) fn start_exit(&mut self, status: ExitStatus) -> ExitStatus {
        let status = *self.exit.get_or_insert(status);
        self.stop = Stop::Running;
        self.kill_threads(None);
        status
    }
    pub(crate) fn continue_all(&mut self) {
        self.cont_seq += 1;
        let was = core::mem::take(&mut self.stop);
        match was {
            Stop::Running => {}
            Stop::Stopping(s) => self.notice = Some(Notice::Stopped(s)),
            Stop::Stopped(_) => {
                self.notice = Some(Notice::Continued);
                self.cont_report = true;
            }
        }
        self.stop_report = None;
        for t in self.threads.values_mut() {
            t.stop_pending = false;
            t.stopped = false;
            if let Some(trace) = &mut t.trace {
                trace.group_changed();
            }
        }
        // A thread that only stood still has nothing to dequeue, but must run.
        for t in self.threads.values() {
            if was != Stop::Running
                && let Some(task) = t.task.upgrade()
            {
                task.interrupt();
            }
        }
    }
    /// The group stop is complete when no thread that lives has yet to stop.
    pub(crate) fn check_stop_complete(&mut self) {
        let Stop::Stopping(sig) = self.stop else { return };
        if self.threads.values().any(|t| t.stop_pending && !t.exiting) {
            return;
        }
        self.stop = Stop::Stopped(sig);
        self.stop_report = Some(sig);
        self.cont_report = false;
        self.notice = Some(Notice::Stopped(sig));
    }
    pub(crate) fn fatal_pending(&self, id: TaskId) -> bool {
        self.exit.is_some()
            || self.threads.get(&id).is_some_and(|t| t.killed || t.pending.has(Signal::KILL))
            || self.shared.has(Signal::KILL)
    }
    pub(crate) fn pop(&mut self, id: TaskId, mask: SigSet) -> Option<SigInfo> {
        let t = self.threads.get_mut(&id)?;
        t.pending.pop(mask).or_else(|| self.shared.pop(mask))
    }
}
