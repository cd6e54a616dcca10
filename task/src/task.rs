//! A thread, as everything but its own future sees it.

use alloc::sync::{Arc, Weak};
use core::any::Any;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering};
use core::task::Waker;

use abi::Errno;
use kcore::cred::Credentials;
use kcore::id::Pid;
use kcore::sync::{LockClass, Mutex};
use kcore::wait::WaitQueue;

use crate::group::ThreadGroup;
use crate::pid::{PidNamespace, PidNode};
use crate::prctl::Prctl;
use crate::rusage::{Counters, CpuTimes};
use crate::seccomp::Seccomp;
use crate::signal::{AltStack, SigSet, SigmaskHow, Signal};
use crate::table::ProcessTable;

static PID: LockClass = LockClass::new("task pid", 262);
static CRED: LockClass = LockClass::new("task credentials", 264);
static TASK: LockClass = LockClass::new("task fields", 266);
static WAKER: LockClass = LockClass::new("task waker", 910);

/// Names a task for the life of its kernel; never used again, and not what guests see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId(pub u64);

/// Scheduling parameters, `sched(7)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sched {
    /// `SCHED_*`.
    pub policy: u32,
    /// Real-time priority.
    pub priority: i32,
    /// -20 to 19.
    pub nice: i32,
    /// `SCHED_FLAG_RESET_ON_FORK`.
    pub reset_on_fork: bool,
    /// Processors it may run on, bit per processor.
    pub affinity: [u64; 16],
    /// `ioprio_set(2)`.
    pub ioprio: u16,
}

impl Default for Sched {
    fn default() -> Self {
        Sched { policy: 0, priority: 0, nice: 0, reset_on_fork: false, affinity: [!0; 16], ioprio: 0 }
    }
}

/// A registration of `rseq(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rseq {
    /// Address of the area, or 0.
    pub addr: u64,
    /// Its length.
    pub len: u32,
    /// The signature before abort handlers.
    pub signature: u32,
}

/// Who logged in, for audits: the user and a number of the login, `u32::MAX` before anybody did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Login {
    /// The user.
    pub uid: u32,
    /// A number for each login.
    pub session: u32,
}

impl Default for Login {
    fn default() -> Self {
        Login { uid: u32::MAX, session: u32::MAX }
    }
}

/// Plain fields of a thread that only system calls of its own change.
#[derive(Clone, Debug, Default)]
pub struct TaskFields {
    /// `comm`, padded with zeros.
    pub comm: [u8; 16],
    /// `set_tid_address(2)`.
    pub clear_child_tid: u64,
    /// `set_robust_list(2)`.
    pub robust_list: u64,
    /// `rseq(2)`.
    pub rseq: Rseq,
    /// Scheduling.
    pub sched: Sched,
    /// Who logged in.
    pub login: Login,
    /// The signal when the parent thread dies, `PR_SET_PDEATHSIG`.
    pub pdeath_signal: Option<Signal>,
    /// What `prctl(2)` sets per thread.
    pub prctl: Prctl,
    /// `personality(2)`.
    pub personality: u32,
    /// Seccomp state.
    pub seccomp: Seccomp,
}

#[derive(Default)]
struct Wakers {
    waker: Option<Waker>,
    kick: Option<Arc<dyn Fn() + Send + Sync>>,
    forget: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Bits of [`Task::has_entry_work`].
const TRACED: u8 = 1;
const FILTERED: u8 = 2;

/// A thread. Shared; what only its own future may touch is the kernel's.
pub struct Task {
    id: TaskId,
    table: Weak<ProcessTable>,
    group: Arc<ThreadGroup>,
    pid: Mutex<Arc<PidNode>>,
    tid: AtomicI32,
    resources: Arc<dyn Any + Send + Sync>,
    cred: Mutex<Arc<Credentials>>,
    fields: Mutex<TaskFields>,
    wakers: Mutex<Wakers>,
    interrupt: AtomicBool,
    signal_pending: AtomicBool,
    no_new_privs: AtomicBool,
    ended: AtomicBool,
    left_futexes: AtomicBool,
    entry_work: AtomicU8,
    /// CPU time.
    pub times: CpuTimes,
    /// What it did.
    pub counters: Counters,
    /// Woken when a child of `CLONE_VFORK` lets its parent go on.
    pub vfork_done: WaitQueue,
    pub(crate) vfork_pending: AtomicBool,
    pub(crate) start_time: AtomicU64,
}

impl Task {
    pub(crate) fn new(
        id: TaskId,
        table: Weak<ProcessTable>,
        group: Arc<ThreadGroup>,
        pid: Arc<PidNode>,
        cred: Arc<Credentials>,
        fields: TaskFields,
        resources: Arc<dyn Any + Send + Sync>,
    ) -> Task {
        let entry_work = if fields.seccomp.mode() == 0 { 0 } else { FILTERED };
        Task {
            id,
            table,
            group,
            tid: AtomicI32::new(pid.number().0),
            pid: Mutex::new(&PID, pid),
            resources,
            cred: Mutex::new(&CRED, cred),
            fields: Mutex::new(&TASK, fields),
            wakers: Mutex::new(&WAKER, Wakers::default()),
            interrupt: AtomicBool::new(false),
            signal_pending: AtomicBool::new(false),
            no_new_privs: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            left_futexes: AtomicBool::new(false),
            entry_work: AtomicU8::new(entry_work),
            times: CpuTimes::default(),
            counters: Counters::default(),
            vfork_done: WaitQueue::new(),
            vfork_pending: AtomicBool::new(false),
            start_time: AtomicU64::new(0),
        }
    }
    /// Its name for the life of the kernel.
    pub fn id(&self) -> TaskId {
        self.id
    }
    /// The table it is in; `None` once the kernel is gone.
    pub fn table(&self) -> Option<Arc<ProcessTable>> {
        self.table.upgrade()
    }
    /// Its process.
    pub fn group(&self) -> &Arc<ThreadGroup> {
        &self.group
    }
    /// Its identity in all pid namespaces.
    pub fn pid(&self) -> Arc<PidNode> {
        self.pid.lock().clone()
    }
    pub(crate) fn set_pid(&self, pid: Arc<PidNode>) {
        self.tid.store(pid.number().0, Ordering::Relaxed);
        let old = core::mem::replace(&mut *self.pid.lock(), pid);
        drop(old);
        self.identity_changed();
    }
    /// Its thread number in its own namespace, `gettid(2)`.
    pub fn tid(&self) -> Pid {
        Pid(self.tid.load(Ordering::Relaxed))
    }
    /// Its thread number as `ns` sees it; `Pid(0)` if it does not.
    pub fn tid_in(&self, ns: &Arc<PidNamespace>) -> Pid {
        self.pid.lock().in_ns(ns)
    }
    /// The pid namespace it lives in.
    pub fn pid_ns(&self) -> Arc<PidNamespace> {
        self.pid.lock().ns().clone()
    }
    /// Whether it is the leader of its group.
    pub fn is_leader(&self) -> bool {
        self.group.pid().id == self.pid.lock().id
    }
    /// What the kernel attached at creation, if it is a `T`.
    pub fn resources<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.resources.downcast_ref()
    }
    /// As [`Task::resources`], shared.
    pub fn resources_arc<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.resources.clone().downcast().ok()
    }
    /// Who it is now.
    pub fn cred(&self) -> Arc<Credentials> {
        self.cred.lock().clone()
    }
    /// Makes it somebody else. The rules are in [`crate::cred_ops`].
    pub fn set_cred(&self, cred: Arc<Credentials>) {
        let old = core::mem::replace(&mut *self.cred.lock(), cred);
        drop(old);
        self.identity_changed();
    }
    /// Its plain fields, under their lock (rank 266): do not touch guest memory inside `f`.
    pub fn with_fields<R>(&self, f: impl FnOnce(&mut TaskFields) -> R) -> R {
        f(&mut self.fields.lock())
    }
    /// Its name, `PR_GET_NAME`.
    pub fn comm(&self) -> [u8; 16] {
        self.fields.lock().comm
    }
    /// Names it; what is past 15 bytes is cut off.
    pub fn set_comm(&self, name: &[u8]) {
        let mut comm = [0; 16];
        let n = name.len().min(15);
        comm[..n].copy_from_slice(&name[..n]);
        self.fields.lock().comm = comm;
    }
    /// Whether `execve` gives it no privileges, `PR_SET_NO_NEW_PRIVS`.
    pub fn no_new_privs(&self) -> bool {
        self.no_new_privs.load(Ordering::Relaxed)
    }
    /// Whether it has ended. Needs no lock.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
    pub(crate) fn set_ended(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }
    /// Sets that for good.
    pub fn set_no_new_privs(&self) {
        self.no_new_privs.store(true, Ordering::Relaxed);
    }
    /// Whether it has begun to give up its locks: nobody may wait for it any more.
    pub fn has_left_futexes(&self) -> bool {
        self.left_futexes.load(Ordering::SeqCst)
    }
    /// Sets that, before [`FutexTable::owner_died`](crate::futex::FutexTable::owner_died); a thread that goes on (`execve`) clears
    /// it afterwards.
    pub fn set_left_futexes(&self, left: bool) {
        self.left_futexes.store(left, Ordering::SeqCst);
    }
    /// Whether its system calls are anybody's business, a tracer's or a filter's: one load, for the path that everybody takes.
    pub fn has_entry_work(&self) -> bool {
        self.entry_work.load(Ordering::SeqCst) != 0
    }
    /// Whether a tracer watches it. Needs no lock.
    pub fn is_traced(&self) -> bool {
        self.entry_work.load(Ordering::SeqCst) & TRACED != 0
    }
    pub(crate) fn set_traced(&self, on: bool) {
        self.set_entry_work(TRACED, on);
    }
    fn set_entry_work(&self, bit: u8, on: bool) {
        if on {
            self.entry_work.fetch_or(bit, Ordering::SeqCst);
        } else {
            self.entry_work.fetch_and(!bit, Ordering::SeqCst);
        }
        self.identity_changed();
    }
    /// Whether seccomp has a say in its system calls. Needs no lock.
    pub fn is_filtered(&self) -> bool {
        self.entry_work.load(Ordering::SeqCst) & FILTERED != 0
    }
    /// Its seccomp state.
    pub fn seccomp(&self) -> Seccomp {
        self.fields.lock().seccomp.clone()
    }
    pub(crate) fn set_seccomp(&self, seccomp: Seccomp) {
        let on = seccomp.mode() != 0;
        let old = core::mem::replace(&mut self.fields.lock().seccomp, seccomp);
        drop(old);
        self.set_entry_work(FILTERED, on);
    }
    /// When it was made, monotonic nanoseconds; the kernel stores it.
    pub fn start_time(&self) -> u64 {
        self.start_time.load(Ordering::Relaxed)
    }
    /// Says when it was made.
    pub fn set_start_time(&self, now: u64) {
        self.start_time.store(now, Ordering::Relaxed);
    }

    /// Sets who is woken when the task is interrupted: the waker of its future, while it sleeps.
    pub fn set_waker(&self, waker: Option<Waker>) {
        let old = core::mem::replace(&mut self.wakers.lock().waker, waker);
        drop(old);
    }
    /// Wakes its future for nothing: whatever it waits for, it looks again.
    pub fn wake(&self) {
        let waker = self.wakers.lock().waker.clone();
        if let Some(w) = waker {
            w.wake();
        }
    }
    /// Sets what makes a guest thread leave its code (a platform's kicker). It and the waker may take only locks of rank
    /// above 910.
    pub fn set_kick(&self, kick: Arc<dyn Fn() + Send + Sync>) {
        let old = self.wakers.lock().kick.replace(kick);
        drop(old);
    }
    /// Sets what makes a platform forget the identity that it answers system calls by. It may take only locks of rank above 910.
    pub fn set_forget(&self, forget: Arc<dyn Fn() + Send + Sync>) {
        let old = self.wakers.lock().forget.replace(forget);
        drop(old);
    }
    /// What `getpid(2)`, `getuid(2)` and the like return has changed, or whose business these calls are.
    pub(crate) fn identity_changed(&self) {
        let forget = self.wakers.lock().forget.clone();
        if let Some(f) = forget {
            f();
        }
    }
    /// Marks the task as interrupted, wakes its future, and kicks it out of guest code.
    pub fn interrupt(&self) {
        self.interrupt.store(true, Ordering::SeqCst);
        let (waker, kick) = {
            let w = self.wakers.lock();
            (w.waker.clone(), w.kick.clone())
        };
        if let Some(w) = waker {
            w.wake();
        }
        if let Some(k) = kick {
            k();
        }
    }
    /// Whether it was interrupted since the mark was cleared.
    pub fn interrupted(&self) -> bool {
        self.interrupt.load(Ordering::SeqCst)
    }
    /// Clears the mark and says whether it was set.
    pub fn take_interrupt(&self) -> bool {
        self.interrupt.load(Ordering::SeqCst) && self.interrupt.swap(false, Ordering::SeqCst)
    }
    /// Whether `ProcessTable::dequeue` has something to do: a deliverable signal, a stop, a kill.
    pub fn signal_pending(&self) -> bool {
        self.signal_pending.load(Ordering::SeqCst)
    }
    pub(crate) fn set_signal_pending(&self, on: bool) {
        self.signal_pending.store(on, Ordering::SeqCst);
    }
    /// Whether it must die at once: its group exits or it got `SIGKILL`.
    pub fn fatal_pending(&self) -> bool {
        self.signal_pending() && self.group.signals.lock().fatal_pending(self.id)
    }

    /// What it blocks.
    pub fn sigmask(&self) -> SigSet {
        self.group.signals.lock().threads.get(&self.id).map_or(SigSet::EMPTY, |t| t.blocked)
    }
    /// Changes what it blocks and returns the old mask, [`sigprocmask(2)`]. `SIGKILL` and `SIGSTOP` stay unblocked.
    ///
    /// [`sigprocmask(2)`]: https://man7.org/linux/man-pages/man2/sigprocmask.2.html
    pub fn sigprocmask(&self, how: SigmaskHow, set: SigSet) -> SigSet {
        let mut sigs = self.group.signals.lock();
        let Some(t) = sigs.threads.get_mut(&self.id) else { return SigSet::EMPTY };
        let old = t.blocked;
        t.blocked = match how {
            SigmaskHow::Block => old.or(set),
            SigmaskHow::Unblock => old.minus(set),
            SigmaskHow::Set => set,
        }
        .minus(SigSet::UNBLOCKABLE);
        let newly = t.blocked.minus(old);
        if !sigs.shared.set().and(newly).is_empty() {
            // Another thread may take what this one no longer does.
            sigs.recalc_all(true);
        } else {
            sigs.recalc(self.id, false);
        }
        old
    }
    /// Blocks `mask` until a handler ran, then goes back: `sigsuspend(2)`, `ppoll(2)`, `epoll_pwait(2)`. The old mask is kept and
    /// goes into the signal frame, or comes back with [`Task::restore_mask`].
    pub fn suspend_mask(&self, mask: SigSet) {
        let old = self.sigprocmask(SigmaskHow::Set, mask);
        if let Some(t) = self.group.signals.lock().threads.get_mut(&self.id) {
            t.saved = Some(old);
        }
    }
    /// Goes back to the mask before [`Task::suspend_mask`], if no handler is entered.
    pub fn restore_mask(&self) {
        let saved = self.group.signals.lock().threads.get_mut(&self.id).and_then(|t| t.saved.take());
        if let Some(mask) = saved {
            self.sigprocmask(SigmaskHow::Set, mask);
        }
    }
    /// What a signal frame must restore: takes the saved mask, or the present one.
    pub fn take_saved_mask(&self) -> SigSet {
        let mut sigs = self.group.signals.lock();
        let t = sigs.threads.get_mut(&self.id);
        t.map_or(SigSet::EMPTY, |t| t.saved.take().unwrap_or(t.blocked))
    }
    /// What is pending for it and blocked, `sigpending(2)`.
    pub fn sigpending(&self) -> SigSet {
        let sigs = self.group.signals.lock();
        sigs.threads
            .get(&self.id)
            .map_or(SigSet::EMPTY, |t| t.pending.set().or(sigs.shared.set()).and(t.blocked))
    }
    /// What is pending for the thread alone and for its group, as `/proc/pid/status` shows them.
    pub fn pending_sets(&self) -> (SigSet, SigSet) {
        let sigs = self.group.signals.lock();
        (sigs.threads.get(&self.id).map_or(SigSet::EMPTY, |t| t.pending.set()), sigs.shared.set())
    }
    /// The alternate stack.
    pub fn altstack(&self) -> AltStack {
        self.group.signals.lock().threads.get(&self.id).map_or(AltStack::NONE, |t| t.altstack)
    }
    /// Replaces the alternate stack, `sigaltstack(2)`; `sp` is the present stack pointer.
    ///
    /// Errors: as [`AltStack::replace`].
    pub fn set_altstack(&self, new: AltStack, sp: u64) -> Result<(), Errno> {
        let mut sigs = self.group.signals.lock();
        let t = sigs.threads.get_mut(&self.id).ok_or(Errno::ESRCH)?;
        t.altstack = t.altstack.replace(new, sp)?;
        Ok(())
    }
    /// Replaces the alternate stack without checks: a handler with `SS_AUTODISARM` starts, or a program.
    pub fn reset_altstack(&self, new: AltStack) {
        if let Some(t) = self.group.signals.lock().threads.get_mut(&self.id) {
            t.altstack = new;
        }
    }
    /// Whether it stands still in a group stop or a ptrace stop. It runs on when it is interrupted and this is false.
    pub fn is_stopped(&self) -> bool {
        let sigs = self.group.signals.lock();
        sigs.threads.get(&self.id).is_some_and(|t| {
            !t.killed && (t.stopped || t.trace.as_ref().is_some_and(crate::ptrace::Trace::in_stop))
        })
    }
    /// Whether it is about to stand still for its tracer, which it tells when it does.
    pub fn moves_to_tracer(&self) -> bool {
        let sigs = self.group.signals.lock();
        let thread = sigs.threads.get(&self.id).filter(|t| !t.killed);
        thread.is_some_and(|t| t.trace.as_ref().is_some_and(crate::ptrace::Trace::is_moving))
    }
    /// Whether it stands still for its tracer before it ends.
    pub fn in_last_stop(&self) -> bool {
        let sigs = self.group.signals.lock();
        sigs.threads
            .get(&self.id)
            .is_some_and(|t| t.trace.as_ref().is_some_and(crate::ptrace::Trace::in_last_stop))
    }
    /// Whether it stands still for its tracer.
    pub fn is_trace_stopped(&self) -> bool {
        let sigs = self.group.signals.lock();
        sigs.threads
            .get(&self.id)
            .is_some_and(|t| t.trace.as_ref().is_some_and(crate::ptrace::Trace::in_stop))
    }
    /// Whether the `CLONE_VFORK` child still holds its parent back; the parent waits on the child's `vfork_done`.
    pub fn vfork_pending(&self) -> bool {
        self.vfork_pending.load(Ordering::SeqCst)
    }
    /// Lets the `CLONE_VFORK` parent go on; `execve` calls it, and exit does.
    pub fn complete_vfork(&self) {
        if self.vfork_pending.swap(false, Ordering::SeqCst) {
            self.vfork_done.wake_all();
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({})", self.tid())
    }
}
