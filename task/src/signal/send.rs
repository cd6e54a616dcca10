//! How signals are sent, `kill(2)`.

use abi::Errno;
use kcore::cred::{Cap, Credentials};
use kcore::id::Pid;
use kcore::wait::Events;

use super::{Default as Dfl, GroupSignals, QueueSlot, SigAction, SigFields, SigInfo, SigSet, Signal, code};
use crate::exit::ExitStatus;
use crate::group::ThreadGroup;
use crate::rlimit::Resource;
use crate::table::ProcessTable;
use crate::task::{Task, TaskId};
use crate::timers::Notified;

fn ignored(sigs: &GroupSignals, action: &SigAction, target: Option<TaskId>, s: Signal, force: bool) -> bool {
    // What a thread blocks may be handled later, and a tracer sees also what is ignored.
    let id = target.or_else(|| sigs.threads.keys().next().copied());
    if let Some(t) = id.and_then(|id| sigs.threads.get(&id))
        && (t.blocked.has(s) || t.waiting.has(s) || t.trace.is_some() && s != Signal::KILL)
    {
        return false;
    }
    if sigs.unkillable && action.is_default() && !(force && s.is_uncatchable()) {
        return true;
    }
    action.ignores(s)
}

/// Sends under the group's lock. `target` is one thread, or `None` for the group. Returns whether it was queued.
pub(crate) fn send_locked(
    group: &ThreadGroup,
    sigs: &mut GroupSignals,
    target: Option<TaskId>,
    info: SigInfo,
    force: bool,
    slot: Option<QueueSlot>,
) -> Result<bool, Errno> {
    let s = info.signal;
    if sigs.exit.is_some() || sigs.threads.is_empty() {
        return Ok(false);
    }
    if SigSet::STOPS.has(s) {
        let cont = SigSet::of(&[Signal::CONT]);
        sigs.shared.flush(cont);
        sigs.threads.values_mut().for_each(|t| t.pending.flush(cont));
    } else if s == Signal::CONT {
        sigs.shared.flush(SigSet::STOPS);
        sigs.threads.values_mut().for_each(|t| t.pending.flush(SigSet::STOPS));
        sigs.continue_all();
        sigs.recalc_all(true);
    }
    let action = group.handlers().get(s);
    if ignored(sigs, &action, target, s, force) {
        return Ok(false);
    }
    let queued = match target {
        Some(id) => match sigs.threads.get_mut(&id) {
            Some(t) => t.pending.push(info, slot)?,
            None => return Ok(false),
        },
        None => sigs.shared.push(info, slot)?,
    };
    group.signal_queue.wake(Events::IN);
    if !queued {
        return Ok(false);
    }
    let wants = |id: &TaskId| {
        sigs.threads.get(id).is_some_and(|t| {
            !t.exiting
                && (!t.blocked.has(s) || t.waiting.has(s))
                && (s == Signal::KILL
                    || !t.stopped && !t.trace.as_ref().is_some_and(crate::ptrace::Trace::in_stop))
        })
    };
    let chosen = match target {
        Some(id) => wants(&id).then_some(id),
        None => sigs.threads.keys().copied().find(|id| wants(id)),
    };
    let Some(chosen) = chosen else {
        sigs.recalc_all(false);
        return Ok(true);
    };
    let t = &sigs.threads[&chosen];
    let fatal = action.is_default()
        && s.default_action() == Dfl::Term
        && !t.waiting.has(s)
        && (s == Signal::KILL || t.trace.is_none() && !sigs.unkillable);
    if fatal {
        sigs.start_exit(ExitStatus::Signaled { signal: s, core: false });
    } else {
        sigs.recalc_all(false);
        if let Some(task) = sigs.threads[&chosen].task.upgrade() {
            task.interrupt();
        }
    }
    Ok(true)
}

/// Sends one of the kernel's own signals to a group, whatever the limits.
pub(crate) fn send_kernel(table: &ProcessTable, group: &ThreadGroup, info: SigInfo) {
    let mut sigs = group.signals.lock();
    let slot = slot_for(table, group, &sigs, &info);
    let _ = send_locked(group, &mut sigs, None, info, true, slot);
}

pub(crate) fn slot_for(
    table: &ProcessTable,
    group: &ThreadGroup,
    sigs: &GroupSignals,
    info: &SigInfo,
) -> Option<QueueSlot> {
    let task = sigs.threads.values().next()?.task.upgrade()?;
    let count = table.queued_signals(task.cred().uid);
    if info.from_user() && (info.signal.is_realtime() || info.code == code::SI_QUEUE) {
        QueueSlot::take(&count, group.rlimit(Resource::Sigpending).cur)
    } else {
        Some(QueueSlot::force(&count))
    }
}

/// Whether `sender` may signal `target`, [`kill(2)`](https://man7.org/linux/man-pages/man2/kill.2.html); `same_session` lets
/// `SIGCONT` through.
pub fn may_signal(
    sender: &Credentials,
    target: &Credentials,
    signal: Option<Signal>,
    same_session: bool,
) -> bool {
    sender.euid == target.suid
        || sender.euid == target.uid
        || sender.uid == target.suid
        || sender.uid == target.uid
        || sender.has_cap_in(Cap::Kill, &target.user_ns)
        || signal == Some(Signal::CONT) && same_session
}

impl ProcessTable {
    /// Sends to one thread. `force` is for senders outside the receiver's pid namespace and the kernel itself: their
    /// `SIGKILL` and `SIGSTOP` reach even an init.
    ///
    /// Errors: `EAGAIN` at `RLIMIT_SIGPENDING` for real-time signals.
    pub fn send_to_task(&self, task: &Task, info: SigInfo, force: bool) -> Result<(), Errno> {
        let group = task.group();
        let mut sigs = group.signals.lock();
        let slot = slot_for(self, group, &sigs, &info);
        send_locked(group, &mut sigs, Some(task.id()), info, force, slot).map(|_| ())
    }
    /// Sends to a process; one of its threads takes it. `force` as in [`ProcessTable::send_to_task`].
    ///
    /// Errors: `EAGAIN` at `RLIMIT_SIGPENDING` for real-time signals.
    pub fn send_to_group(&self, group: &ThreadGroup, info: SigInfo, force: bool) -> Result<(), Errno> {
        let mut sigs = group.signals.lock();
        let slot = slot_for(self, group, &sigs, &info);
        send_locked(group, &mut sigs, None, info, force, slot).map(|_| ())
    }
    /// What `sender`'s signal carries for `to`, and whether it comes from outside `to`'s pid namespace.
    pub fn from_sender(
        &self,
        sender: &Task,
        to: &Task,
        s: Signal,
        code: i32,
        value: Option<u64>,
    ) -> (SigInfo, bool) {
        let pid = sender.group().tgid_in(&to.pid_ns());
        let uid = sender.cred().uid;
        let fields = match value {
            Some(value) => SigFields::Rt { pid, uid, value },
            None => SigFields::Kill { pid, uid },
        };
        (SigInfo::new(s, code, fields), pid == Pid(0))
    }
    /// Whether `sender` may signal `to`, which `None` asks for a check only.
    pub fn may_send(&self, sender: &Task, to: &Task, s: Option<Signal>) -> bool {
        self.tree.lock().may_send(sender, to, s)
    }
    /// [`tgkill(2)`](https://man7.org/linux/man-pages/man2/tgkill.2.html); without `tgid` it is `tkill`.
    ///
    /// Errors: `EINVAL` for numbers that are not positive; `ESRCH`; `EPERM`; `EAGAIN`.
    pub fn tgkill(&self, sender: &Task, tgid: Option<Pid>, tid: Pid, s: Option<Signal>) -> Result<(), Errno> {
        if tid.0 <= 0 || tgid.is_some_and(|t| t.0 <= 0) {
            return Err(Errno::EINVAL);
        }
        let ns = sender.pid_ns();
        let to = self.task(&ns, tid).ok_or(Errno::ESRCH)?;
        if tgid.is_some_and(|g| to.group().tgid_in(&ns) != g) {
            return Err(Errno::ESRCH);
        }
        if !self.may_send(sender, &to, s) {
            return Err(Errno::EPERM);
        }
        let Some(s) = s else { return Ok(()) };
        let (info, force) = self.from_sender(sender, &to, s, code::SI_TKILL, None);
        self.send_to_task(&to, info, force)
    }
    /// [`rt_sigqueueinfo(2)`](https://man7.org/linux/man-pages/man2/rt_sigqueueinfo.2.html): sends what the sender made up to a
    /// process, or with `tgid` to the thread `pid` of that process. `None` only checks.
    ///
    /// Errors: `EPERM` for a code that only the kernel and `tkill` use, to others than the sender; `EINVAL` for numbers that
    /// are not positive with `tgid`; `ESRCH`; `EAGAIN` at `RLIMIT_SIGPENDING`.
    pub fn sigqueue(
        &self,
        sender: &Task,
        tgid: Option<Pid>,
        pid: Pid,
        info: SigInfo,
        check_only: bool,
    ) -> Result<(), Errno> {
        let ns = sender.pid_ns();
        let own = if tgid.is_some() { sender.tid_in(&ns) } else { sender.group().tgid_in(&ns) };
        if tgid.is_some_and(|t| t.0 <= 0) || tgid.is_some() && pid.0 <= 0 {
            return Err(Errno::EINVAL);
        }
        if (info.code >= 0 || info.code == code::SI_TKILL) && own != pid {
            return Err(Errno::EPERM);
        }
        let to = self.task(&ns, pid).ok_or(Errno::ESRCH)?;
        if tgid.is_some_and(|t| to.group().tgid_in(&ns) != t) {
            return Err(Errno::ESRCH);
        }
        // As Linux has it, what claims to come from the kernel (only to the sender itself) needs no permission.
        if info.from_user() && !self.may_send(sender, &to, (!check_only).then_some(info.signal)) {
            return Err(Errno::EPERM);
        }
        if check_only {
            return Ok(());
        }
        let force = sender.group().tgid_in(&to.pid_ns()) == Pid(0);
        match tgid {
            Some(_) => self.send_to_task(&to, info, force),
            None => self.send_to_group(to.group(), info, force),
        }
    }
    /// Sends a timer's signal to a process, or to the one thread `target`, unless it is pending still.
    pub fn send_timer(&self, group: &ThreadGroup, target: Option<TaskId>, info: SigInfo) -> Notified {
        let mut sigs = group.signals.lock();
        let s = info.signal;
        if target.is_some_and(|t| !sigs.threads.contains_key(&t))
            || ignored(&sigs, &group.handlers().get(s), target, s, false)
        {
            return Notified::Discarded;
        }
        let pending = match target.and_then(|t| sigs.threads.get(&t)) {
            Some(t) => &t.pending,
            None => &sigs.shared,
        };
        if let SigFields::Timer { id, .. } = info.fields
            && pending.has_timer(id)
        {
            return Notified::Pending;
        }
        let was_pending = pending.has(s);
        // A timer holds its slot from its creation on, so it cannot lack one now.
        let slot = sigs.threads.values().next().and_then(|t| t.task.upgrade());
        let slot = slot.map(|t| QueueSlot::force(&self.queued_signals(t.cred().uid)));
        match send_locked(group, &mut sigs, target, info, false, slot) {
            Ok(true) => Notified::Queued,
            Ok(false) if was_pending => Notified::Queued,
            Ok(false) | Err(_) => Notified::Discarded,
        }
    }
    /// Sends a fault that the task cannot escape: if it is blocked or ignored, the disposition goes back to the default.
    ///
    /// See [`ProcessTable::force_fatal`] for one that must end the process.
    pub fn force_fault(&self, task: &Task, info: SigInfo) {
        let s = info.signal;
        let group = task.group();
        let mut sigs = group.signals.lock();
        let handlers = group.handlers();
        let action = handlers.get(s);
        let Some(t) = sigs.threads.get_mut(&task.id()) else { return };
        if t.blocked.has(s) || action.is_ignore() {
            handlers.set(s, SigAction::default());
            t.blocked.remove(s);
        }
        // Even an init dies of its own faults.
        if handlers.get(s).is_default() && t.trace.is_none() {
            sigs.unkillable = false;
        }
        let slot = Some(QueueSlot::force(&self.queued_signals(task.cred().uid)));
        let _ = send_locked(group, &mut sigs, Some(task.id()), info, true, slot);
    }
    /// As [`ProcessTable::force_fault`], but the process ends: whatever it has chosen for the signal is forgotten.
    pub fn force_fatal(&self, task: &Task, signal: Signal) {
        task.group().handlers().set(signal, SigAction::default());
        self.force_fault(task, SigInfo::kernel(signal));
    }
}
