//! How a task takes its signals.

use abi::Errno;

use super::{Default as Dfl, SaFlags, SigAction, SigInfo, SigSet, Signal, Stop};
use crate::exit::ExitStatus;
use crate::table::ProcessTable;
use crate::task::Task;

/// What the task must do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing.
    Ignore,
    /// End: call [`ProcessTable::exit_thread`]. The group's status is set already.
    Terminate {
        /// With a core dump first.
        core: bool,
    },
    /// Stand still until [`Task::is_stopped`] is false.
    Stop,
    /// Go on.
    Continue,
    /// Enter a handler: build the frame, then [`Task::enter_handler`].
    Handler(SigAction),
    /// Stand still for the tracer: show it the registers, call [`ProcessTable::ptrace_announce`], wait until
    /// [`Task::is_stopped`] is false, then dequeue again.
    Traced,
}

/// A signal that a task took, and what to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// The signal.
    pub info: SigInfo,
    /// What to do.
    pub action: Action,
}

impl ProcessTable {
    /// Takes the next thing that the task must do before it returns to guest code; `None` if there is nothing more.
    pub fn dequeue(&self, task: &Task) -> Option<Delivery> {
        let mut delivery = self.next_delivery(task)?;
        task.group().timers.delivered(&mut delivery.info);
        Some(delivery)
    }
    fn next_delivery(&self, task: &Task) -> Option<Delivery> {
        let group = task.group();
        let id = task.id();
        loop {
            let mut sigs = group.signals.lock();
            if let Some(notice) = sigs.notice.take() {
                sigs.recalc_all(false);
                drop(sigs);
                self.notify_stop(group, notice);
                continue;
            }
            let (exit, stop) = (sigs.exit, sigs.stop);
            let t = sigs.threads.get_mut(&id)?;
            if t.killed || exit.is_some() {
                let s = match exit {
                    Some(ExitStatus::Signaled { signal, .. }) => signal,
                    _ => Signal::KILL,
                };
                return Some(Delivery {
                    info: SigInfo::kernel(s),
                    action: Action::Terminate { core: false },
                });
            }
            let mut injected = None;
            if let Some(trace) = &mut t.trace {
                if trace.in_stop() {
                    return Some(Delivery { info: SigInfo::kernel(Signal::TRAP), action: Action::Traced });
                }
                injected = trace.take_injected();
                if injected.is_none() && trace.take_trap(stop) {
                    t.stop_pending = false;
                    sigs.check_stop_complete();
                    sigs.recalc(id, false);
                    return Some(Delivery { info: SigInfo::kernel(Signal::TRAP), action: Action::Traced });
                }
            }
            if injected.is_none() && (t.stopped || t.stop_pending) {
                let sig = match stop {
                    Stop::Running => {
                        t.stop_pending = false;
                        t.stopped = false;
                        continue;
                    }
                    Stop::Stopping(s) | Stop::Stopped(s) => s,
                };
                t.stop_pending = false;
                let traced = t.trace.as_mut().map(|trace| trace.enter_group_stop(sig)).is_some();
                t.stopped = !traced;
                sigs.check_stop_complete();
                let notice = sigs.notice.take();
                sigs.recalc_all(false);
                drop(sigs);
                if let Some(notice) = notice {
                    self.notify_stop(group, notice);
                }
                let action = if traced { Action::Traced } else { Action::Stop };
                return Some(Delivery { info: SigInfo::kernel(sig), action });
            }
            let mut info = match injected {
                Some(info) if t.blocked.has(info.signal) => {
                    // One that is pending already stays as it is.
                    t.pending.push(info, None).ok();
                    continue;
                }
                Some(info) => info,
                None => {
                    let mask = SigSet::ALL.minus(t.blocked);
                    let Some(info) = sigs.pop(id, mask) else {
                        // What it took may have been marked with others, too.
                        sigs.recalc_all(false);
                        return None;
                    };
                    let t = sigs.threads.get_mut(&id)?;
                    if let Some(trace) = &mut t.trace
                        && info.signal != Signal::KILL
                    {
                        trace.enter_signal_stop(info);
                        return Some(Delivery { info, action: Action::Traced });
                    }
                    info
                }
            };
            let s = info.signal;
            let handlers = group.handlers();
            let action = handlers.get(s);
            if action.is_ignore() {
                drop(sigs);
                group.timers.delivered(&mut info);
                continue;
            }
            if !action.is_default() {
                if action.flags.contains(SaFlags::RESETHAND) {
                    handlers.set(s, SigAction { handler: 0, ..action });
                }
                sigs.recalc_all(false);
                return Some(Delivery { info, action: Action::Handler(action) });
            }
            let default = s.default_action();
            if matches!(default, Dfl::Ignore | Dfl::Cont) || sigs.unkillable && !s.is_uncatchable() {
                drop(sigs);
                group.timers.delivered(&mut info);
                continue;
            }
            if default == Dfl::Stop {
                let seq = sigs.cont_seq;
                if s != Signal::STOP {
                    drop(sigs);
                    // POSIX: nobody could continue a process of an orphaned group.
                    if self.is_orphaned_pgrp_of(group) {
                        continue;
                    }
                    sigs = group.signals.lock();
                    if sigs.cont_seq != seq || sigs.exit.is_some() {
                        continue;
                    }
                }
                if sigs.stop == Stop::Running {
                    sigs.stop = Stop::Stopping(s);
                }
                for (other, t) in &mut sigs.threads {
                    t.stop_pending = !t.exiting && !t.stopped;
                    if *other != id
                        && let Some(trace) = &mut t.trace
                    {
                        trace.group_changed();
                    }
                }
                sigs.recalc_all(true);
                continue;
            }
            let core = default == Dfl::Core && group.dumps_core();
            sigs.start_exit(ExitStatus::Signaled { signal: s, core });
            return Some(Delivery { info, action: Action::Terminate { core } });
        }
    }
}

impl Task {
    /// A handler was entered: blocks what it blocks.
    pub fn enter_handler(&self, signal: Signal, action: &SigAction) {
        let mut mask = action.mask;
        if !action.flags.contains(SaFlags::NODEFER) {
            mask.add(signal);
        }
        self.sigprocmask(super::SigmaskHow::Block, mask);
    }
    /// Takes a pending signal of `set` whether or not it is blocked: [`sigtimedwait(2)`], `signalfd(2)`.
    ///
    /// Errors: `EAGAIN` if none is pending; wait for an interrupt (after [`Task::set_sigwait`]) or on `group.signal_queue`.
    ///
    /// [`sigtimedwait(2)`]: https://man7.org/linux/man-pages/man2/sigtimedwait.2.html
    pub fn dequeue_mask(&self, set: SigSet) -> Result<SigInfo, Errno> {
        let mut info = {
            let mut sigs = self.group().signals.lock();
            let info = sigs.pop(self.id(), set.minus(SigSet::UNBLOCKABLE)).ok_or(Errno::EAGAIN)?;
            sigs.recalc_all(false);
            info
        };
        self.group().timers.delivered(&mut info);
        Ok(info)
    }
    /// What is pending of `set`; the readiness of a signalfd.
    pub fn pending_in(&self, set: SigSet) -> SigSet {
        let (own, shared) = self.pending_sets();
        own.or(shared).and(set)
    }
    /// Says that the task waits for `set`, so that such a signal interrupts it though it is blocked; the empty set ends that.
    pub fn set_sigwait(&self, set: SigSet) {
        if let Some(t) = self.group().signals.lock().threads.get_mut(&self.id()) {
            t.waiting = set.minus(SigSet::UNBLOCKABLE);
        }
    }
}
