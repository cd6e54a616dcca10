//! A process: what its threads share.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};

use abi::Errno;
use kcore::id::Pid;
use kcore::sync::{LockClass, Mutex};
use kcore::wait::WaitQueue;

use crate::exit::ExitStatus;
use crate::pid::{PidNamespace, PidNode};
use crate::rlimit::{Resource, Rlimit, Rlimits};
use crate::rusage::Rusage;
use crate::signal::{GroupSignals, SigAction, SigHandlers, SigSet, Signal};
use crate::task::TaskId;

static SIGNALS: LockClass = LockClass::new("group signals", 250);
static HANDLERS: LockClass = LockClass::new("group handlers", 252);
static LIMITS: LockClass = LockClass::new("group limits", 268);
static USAGE: LockClass = LockClass::new("group usage", 269);

/// Names a thread group for the life of its kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId(pub u64);

const ALIVE: u8 = 0;
const DEAD: u8 = 1;
const REAPED: u8 = 2;

/// What a group used: its dead threads, and the children it waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) dead_threads: Rusage,
    pub(crate) children: Rusage,
}

/// A process. Its relations (parent, children, threads, process group, session) are in the [`crate::ProcessTable`].
pub struct ThreadGroup {
    id: GroupId,
    pid: Arc<PidNode>,
    pub(crate) signals: Mutex<GroupSignals>,
    handlers: Mutex<Arc<SigHandlers>>,
    rlimits: Mutex<Rlimits>,
    /// The soft ones of them, which system calls look at without the lock.
    soft_limits: [AtomicU64; Resource::ALL.len()],
    pub(crate) usage: Mutex<Usage>,
    /// Woken when a child or tracee changes state; what `wait` waits on.
    pub child_queue: WaitQueue,
    /// Woken with `IN` when a signal arrives; what a signalfd waits on.
    pub signal_queue: WaitQueue,
    /// Woken when a thread ends, the group is dead, or reaped; what a pidfd waits on.
    pub exit_queue: WaitQueue,
    /// Woken when the threads that `begin_exec` kills are gone.
    pub exec_queue: WaitQueue,
    life: AtomicU8,
    wait_status: AtomicU32,
    subreaper: AtomicBool,
    dumpable: AtomicU32,
    oom_score_adj: AtomicI32,
    oom_score_adj_min: AtomicI32,
    /// `getitimer(2)` and POSIX timers.
    pub timers: crate::timers::GroupTimers,
}

impl ThreadGroup {
    pub(crate) fn new(
        id: GroupId,
        pid: Arc<PidNode>,
        handlers: Arc<SigHandlers>,
        rlimits: Rlimits,
    ) -> ThreadGroup {
        ThreadGroup {
            id,
            pid,
            signals: Mutex::new(&SIGNALS, GroupSignals::default()),
            handlers: Mutex::new(&HANDLERS, handlers),
            soft_limits: Resource::ALL.map(|r| AtomicU64::new(rlimits.get(r).cur)),
            rlimits: Mutex::new(&LIMITS, rlimits),
            usage: Mutex::new(&USAGE, Usage::default()),
            child_queue: WaitQueue::new(),
            signal_queue: WaitQueue::new(),
            exit_queue: WaitQueue::new(),
            exec_queue: WaitQueue::new(),
            life: AtomicU8::new(ALIVE),
            wait_status: AtomicU32::new(0),
            subreaper: AtomicBool::new(false),
            dumpable: AtomicU32::new(1),
            oom_score_adj: AtomicI32::new(0),
            oom_score_adj_min: AtomicI32::new(0),
            timers: crate::timers::GroupTimers::default(),
        }
    }
    /// Its name for the life of the kernel.
    pub fn id(&self) -> GroupId {
        self.id
    }
    /// Its identity in all pid namespaces.
    pub fn pid(&self) -> &Arc<PidNode> {
        &self.pid
    }
    /// Its number in its own namespace, `getpid(2)`.
    pub fn tgid(&self) -> Pid {
        self.pid.number()
    }
    /// Its number in `ns`; `Pid(0)` if it cannot be seen there.
    pub fn tgid_in(&self, ns: &Arc<PidNamespace>) -> Pid {
        self.pid.in_ns(ns)
    }
    /// The dispositions in force.
    pub fn handlers(&self) -> Arc<SigHandlers> {
        self.handlers.lock().clone()
    }
    /// Replaces the table: `execve(2)` with a copy that is reset.
    pub fn set_handlers(&self, handlers: Arc<SigHandlers>) {
        let old = core::mem::replace(&mut *self.handlers.lock(), handlers);
        drop(old);
    }
    /// Sets a disposition and returns the old one, [`sigaction(2)`]. Signals that become ignored are no longer pending.
    ///
    /// Errors: `EINVAL` for `SIGKILL` and `SIGSTOP` if `new` is given.
    ///
    /// [`sigaction(2)`]: https://man7.org/linux/man-pages/man2/sigaction.2.html
    pub fn sigaction(&self, s: Signal, new: Option<SigAction>) -> Result<SigAction, Errno> {
        let handlers = self.handlers();
        let Some(mut new) = new else { return Ok(handlers.get(s)) };
        if s.is_uncatchable() {
            return Err(Errno::EINVAL);
        }
        new.mask = new.mask.minus(SigSet::UNBLOCKABLE);
        let mut sigs = self.signals.lock();
        let old = handlers.set(s, new);
        if new.ignores(s) {
            let mask = SigSet::of(&[s]);
            sigs.shared.flush(mask);
            for t in sigs.threads.values_mut() {
                t.pending.flush(mask);
            }
            sigs.recalc_all(false);
            drop(sigs);
            self.timers.flushed(mask);
        }
        Ok(old)
    }
    /// The limits of one resource, `getrlimit(2)`.
    pub fn rlimit(&self, r: Resource) -> Rlimit {
        self.rlimits.lock().get(r)
    }
    /// What is enforced of one resource. Needs no lock.
    pub fn soft_limit(&self, r: Resource) -> u64 {
        self.soft_limits[r as usize].load(Ordering::Relaxed)
    }
    /// All limits.
    pub fn rlimits(&self) -> Rlimits {
        *self.rlimits.lock()
    }
    /// Sets limits and returns the old ones, `prlimit(2)`.
    ///
    /// Errors: as [`Rlimits::set`].
    pub fn set_rlimit(&self, r: Resource, new: Rlimit, may_raise: bool) -> Result<Rlimit, Errno> {
        let mut limits = self.rlimits.lock();
        let old = limits.set(r, new, may_raise)?;
        self.soft_limits[r as usize].store(new.cur, Ordering::Relaxed);
        Ok(old)
    }
    /// What waited-for children used, `RUSAGE_CHILDREN`.
    pub fn rusage_children(&self) -> Rusage {
        self.usage.lock().children
    }
    /// What all threads used up to `now`, monotonic, `RUSAGE_SELF`; live threads are counted through their tasks.
    pub fn rusage_self(&self, now: u64) -> Rusage {
        let mut sum = self.usage.lock().dead_threads;
        let live: smallvec::SmallVec<[_; 8]> =
            self.signals.lock().threads.values().filter_map(|t| t.task.upgrade()).collect();
        for t in live {
            sum.add(&Rusage::of_task(&t, now));
        }
        sum
    }
    /// User and system time of all threads up to `now`, what `CLOCK_PROCESS_CPUTIME_ID` counts together.
    pub fn cpu_times(&self, now: u64) -> (u64, u64) {
        let r = self.rusage_self(now);
        (r.user_ns, r.system_ns)
    }
    /// Notes the largest resident size, in KiB; the kernel calls it at exit and exec.
    pub fn note_max_rss(&self, kib: u64) {
        let mut u = self.usage.lock();
        u.dead_threads.max_rss = u.dead_threads.max_rss.max(kib);
    }
    /// Live threads.
    pub fn thread_count(&self) -> usize {
        self.signals.lock().threads.values().filter(|t| !t.exiting).count()
    }
    /// Whether it has one thread only, and none that is ending.
    pub fn is_single(&self) -> bool {
        self.signals.lock().threads.len() == 1
    }
    /// The status the group dies with, once it does.
    pub fn exiting(&self) -> Option<ExitStatus> {
        self.signals.lock().exit
    }
    pub(crate) fn exec_thread(&self) -> Option<TaskId> {
        self.signals.lock().exec
    }
    /// Whether signals that it does not handle leave it alone, as is the case for the first process of a pid namespace; the kernel and
    /// senders outside the namespace can still send it `SIGKILL` and `SIGSTOP`.
    pub fn set_unkillable(&self, on: bool) {
        self.signals.lock().unkillable = on;
    }
    /// Whether orphans below it become its children, `PR_SET_CHILD_SUBREAPER`.
    pub fn is_subreaper(&self) -> bool {
        self.subreaper.load(Ordering::Relaxed)
    }
    /// Sets that.
    pub fn set_subreaper(&self, on: bool) {
        self.subreaper.store(on, Ordering::Relaxed);
    }
    /// Whether all its threads have ended. Needs no lock.
    pub fn is_dead(&self) -> bool {
        self.life.load(Ordering::SeqCst) != ALIVE
    }
    /// Whether its status has been taken by its parent. Needs no lock.
    pub fn is_reaped(&self) -> bool {
        self.life.load(Ordering::SeqCst) == REAPED
    }
    /// How it ended, for `wait(2)`; 0 while it lives. Known even when nobody can wait for it any more.
    pub fn wait_status(&self) -> u32 {
        self.wait_status.load(Ordering::SeqCst)
    }
    pub(crate) fn set_dead(&self, status: ExitStatus) {
        self.wait_status.store(status.wait_status(), Ordering::SeqCst);
        self.life.store(DEAD, Ordering::SeqCst);
    }
    pub(crate) fn set_reaped(&self) {
        self.life.store(REAPED, Ordering::SeqCst);
    }
    /// `PR_GET_DUMPABLE`: 0, 1 or 2.
    pub fn dumpable(&self) -> u32 {
        self.dumpable.load(Ordering::Relaxed)
    }
    /// Sets that; `execve` and changes of credentials do, too.
    pub fn set_dumpable(&self, v: u32) {
        self.dumpable.store(v, Ordering::Relaxed);
    }
    /// Whether its death by a signal such as `SIGSEGV` is reported with a core dump: `RLIMIT_CORE` leaves room for one, and
    /// `PR_SET_DUMPABLE` allows it. Takes locks of rank 268.
    pub fn dumps_core(&self) -> bool {
        const LEAST: u64 = 4096;
        self.dumpable() == 1 && self.rlimit(Resource::Core).cur >= LEAST
    }
    /// `/proc/pid/oom_score_adj`.
    pub fn oom_score_adj(&self) -> i32 {
        self.oom_score_adj.load(Ordering::Relaxed)
    }
    /// How low `oom_score_adj` may be set without privilege.
    pub fn oom_score_adj_min(&self) -> i32 {
        self.oom_score_adj_min.load(Ordering::Relaxed)
    }
    /// Sets that.
    pub fn set_oom_score_adj_min(&self, v: i32) {
        self.oom_score_adj_min.store(v, Ordering::Relaxed);
    }
    /// Sets the adjustment.
    pub fn set_oom_score_adj(&self, v: i32) {
        self.oom_score_adj.store(v, Ordering::Relaxed);
    }
}

impl fmt::Debug for ThreadGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadGroup({})", self.tgid())
    }
}
