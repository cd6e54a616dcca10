//! How the sentry learns of traps: idle workers look at the running threads, and sleep at a doorbell that stubs ring.

use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use super::cpus::Cpus;
use super::host_thread::{ThreadShared, Told, Trapped};
use super::layout::*;
use super::lock;
use super::nursery::Stub;
use super::policy;
use super::shared::{SharedFile, futex_wait, futex_wake};

/// The doorbell, and the threads that may ring it.
pub(super) struct Bell {
    control: Arc<SharedFile>,
    running: Mutex<Vec<Arc<ThreadShared>>>,
    /// How many of them there are.
    count: AtomicUsize,
    /// What waits for a worker, as the scheduler counts it.
    backlog: AtomicUsize,
    sleepers: AtomicUsize,
    cpus: usize,
    allowed: Cpus,
    /// Those that wait and are to sleep as soon as the next one has been resumed, and how many they are.
    resting: Mutex<Vec<Weak<ThreadShared>>>,
    resting_count: AtomicUsize,
    /// Those that a thread was told to wake, since when, and how many they are.
    handed_over: Mutex<Vec<(Arc<ThreadShared>, Instant)>>,
    handed_over_count: AtomicUsize,
    /// How often in a row a worker was on the processor of its guest.
    together: AtomicI32,
}

/// What a worker has found that looked for a thread's trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Trap(Trapped),
    Nothing,
    /// Others have something to do, and it is their turn.
    Others,
}

impl Bell {
    pub(super) fn new(control: &Arc<SharedFile>, cpus: usize) -> Bell {
        Bell {
            control: control.clone(),
            running: Mutex::default(),
            count: AtomicUsize::new(0),
            backlog: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            cpus,
            allowed: Cpus::allowed(),
            resting: Mutex::default(),
            resting_count: AtomicUsize::new(0),
            handed_over: Mutex::default(),
            handed_over_count: AtomicUsize::new(0),
            together: AtomicI32::new(0),
        }
    }

    /// Looks for the trap of a thread that has just been resumed, as long as that pays, and meanwhile for the traps of others. What waits
    /// for the worker meanwhile has to be `patient` for a few looks: if the thread is about to wait for one of those, they can change
    /// places without the host.
    pub(super) fn look_for(&self, thread: &ThreadShared, patient: bool) -> Found {
        let mut patience = if patient { policy::looks(policy::PATIENT_SPIN) } else { 0 };
        let others = self.count.load(Ordering::Relaxed);
        let time = policy::resume_spin(self.cpus, others + 1);
        let spins = if self.is_apart(thread) { policy::looks(time) } else { 1 };
        if others > 0 {
            self.poll();
        }
        for spin in 0..spins {
            if self.backlog.load(Ordering::Relaxed) > 0 {
                if patience == 0 {
                    return Found::Others;
                }
                patience -= 1;
            }
            if let Some(how) = thread.trapped() {
                return Found::Trap(how);
            }
            core::hint::spin_loop();
            if spin % 16 == 15 && self.count.load(Ordering::Relaxed) > 0 {
                self.poll();
            }
        }
        Found::Nothing
    }

    /// Whether the thread runs on another processor than the caller; sees to it if that would be better.
    fn is_apart(&self, thread: &ThreadShared) -> bool {
        if !thread.shares_cpu() {
            if self.together.load(Ordering::Relaxed) > 0 {
                self.together.store(0, Ordering::Relaxed);
            }
            return true;
        }
        if self.together.fetch_add(1, Ordering::Relaxed) < policy::PART_AFTER {
            return false;
        }
        self.together.store(-policy::PART_PAUSE, Ordering::Relaxed);
        self.allowed.leave_this_one();
        !thread.shares_cpu()
    }

    /// See [`crate::Sleeper::backlog`].
    pub(super) fn backlog(&self) -> &AtomicUsize {
        &self.backlog
    }

    /// From now on the thread's waker is woken when it has trapped. Look at the thread once more after this.
    pub(super) fn watch(&self, thread: &Arc<ThreadShared>) {
        let mut running = lock(&self.running);
        running.push(thread.clone());
        self.count.store(running.len(), Ordering::Relaxed);
    }

    /// The thread has trapped, as its owner knows.
    pub(super) fn forget(&self, thread: &Arc<ThreadShared>) {
        let mut running = lock(&self.running);
        if let Some(i) = running.iter().position(|t| Arc::ptr_eq(t, thread)) {
            running.swap_remove(i);
        }
        self.count.store(running.len(), Ordering::Relaxed);
    }

    /// Wakes the owners of threads that have trapped. Returns whether there were any, and how many other threads run.
    pub(super) fn poll(&self) -> (bool, usize) {
        self.check_handed_over(policy::HAND_OVER);
        let mut running = lock(&self.running);
        let before = running.len();
        running.retain(|t| {
            let trapped = t.has_trapped();
            if trapped {
                t.wake();
            }
            !trapped
        });
        self.count.store(running.len(), Ordering::Relaxed);
        (running.len() < before, running.len())
    }

    /// As [`Bell::poll`]. Returns whether there were any, and whether a thread of this stub still runs.
    pub(super) fn poll_for(&self, stub: &Stub) -> (bool, bool) {
        let (found, _) = self.poll();
        (found, lock(&self.running).iter().any(|t| core::ptr::eq(&*t.stub, stub)))
    }

    /// Has a thread, which waits, sleep once the next one has been resumed, or when there is none to resume. Not sooner: the host would
    /// find its processor idle, and a wake-up of another thread there takes far longer than when the two change places.
    pub(super) fn rest_soon(&self, thread: &Arc<ThreadShared>) {
        let mut resting = lock(&self.resting);
        resting.push(Arc::downgrade(thread));
        self.resting_count.store(resting.len(), Ordering::Relaxed);
    }

    /// Sends those to sleep that are to, but not the one that was just resumed; sees to it that this one wakes up.
    pub(super) fn settle(&self, resumed: Option<(&Arc<ThreadShared>, Told)>) {
        if resumed.is_some_and(|(_, told)| told == Told::HandingOver) {
            self.check_handed_over(Duration::ZERO);
        }
        let resting = self.take_resting(resumed.map(|(t, _)| t));
        if let Some((sleeper, Told::Asleep)) = resumed {
            if resting.iter().any(|t| t.hand_over_to(sleeper)) {
                let mut handed_over = lock(&self.handed_over);
                handed_over.push((sleeper.clone(), Instant::now()));
                self.handed_over_count.store(handed_over.len(), Ordering::Relaxed);
            } else {
                sleeper.wake_host();
            }
        }
        // Not before the other is awake.
        resting.iter().for_each(|t| t.rest());
    }

    /// Those that are to sleep, but for one.
    fn take_resting(&self, but: Option<&Arc<ThreadShared>>) -> Vec<Arc<ThreadShared>> {
        if self.resting_count.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut resting = lock(&self.resting);
        self.resting_count.store(0, Ordering::Relaxed);
        let all = resting.drain(..).filter_map(|t| t.upgrade());
        all.filter(|t| !but.is_some_and(|b| Arc::ptr_eq(b, t))).collect()
    }

    /// Wakes those that were to be woken so long ago by a thread and have not trapped since: a guest's thread may do what it likes, and
    /// may end before it has done what it was told.
    fn check_handed_over(&self, patience: Duration) {
        if self.handed_over_count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut handed_over = lock(&self.handed_over);
        handed_over.retain(|(thread, since)| {
            let is_overdue = thread.is_awaited() && since.elapsed() >= patience;
            if is_overdue {
                thread.wake_host();
            }
            thread.is_awaited()
        });
        self.handed_over_count.store(handed_over.len(), Ordering::Relaxed);
    }

    fn want_ringing(&self, wanted: bool) {
        self.control.store(BELL_WANTED, u32::from(wanted));
    }

    /// Changes whenever somebody rings. Stubs can change it too: it says nothing that must be true.
    pub(super) fn epoch(&self) -> u32 {
        self.control.load(BELL_SEQ)
    }

    /// Ends all sleeps.
    pub(super) fn ring(&self) {
        let word = self.control.atomic(BELL_SEQ);
        word.fetch_add(1, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            futex_wake(word, i32::MAX);
        }
    }

    /// Sleeps until somebody has rung since `epoch` was read, a thread has trapped, or `timeout` has passed. May return early. Only the
    /// `last` worker that is awake watches threads first, and asks them to ring.
    pub(super) fn sleep(&self, epoch: u32, timeout: Option<Duration>, last: bool) {
        self.settle(None);
        if last && self.look_around(epoch) {
            return;
        }
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        if last {
            self.want_ringing(true);
        }
        // A thread that trapped before it could see the wish is found here.
        let (found, others) = self.poll();
        if !found && self.epoch() == epoch {
            self.check_handed_over(Duration::ZERO);
            let bounded = if others > 0 && last { Some(policy::TICK) } else { None };
            let timeout = timeout.into_iter().chain(bounded).min();
            futex_wait(self.control.atomic(BELL_SEQ), epoch, timeout);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        // Awake, and looks itself.
        self.want_ringing(false);
        self.poll();
    }

    /// Looks at running threads for a while, if there are any. Returns whether there is something to do.
    fn look_around(&self, epoch: u32) -> bool {
        let mut spin = 0;
        let shares = lock(&self.running).iter().any(|t| t.shares_cpu());
        loop {
            let (some, others) = self.poll();
            if some || self.epoch() != epoch || self.backlog.load(Ordering::Relaxed) > 0 {
                return true;
            }
            if shares || others == 0 || spin >= policy::looks(policy::idle_spin(self.cpus, others)) {
                return false;
            }
            spin += 1;
            core::hint::spin_loop();
        }
    }
}
