//! Timers of processes: `setitimer(2)`, `timer_create(2)`. Real ones are armed in a [`TimerQueue`]; those on CPU clocks are
//! checked by [`GroupTimers::tick`].

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::host::Nanos;
use kcore::sync::{LockClass, Mutex};
use kcore::timer::{TimerKey, TimerQueue, TimerTarget};

static TIMERS: LockClass = LockClass::new("process timers", 790);

/// The clock of a timer. A timer on the real-time clock is armed by its monotonic equivalent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerClock {
    /// Monotonic time.
    Monotonic,
    /// User time of the process (`ITIMER_VIRTUAL`).
    Virtual,
    /// User and system time of the process (`ITIMER_PROF`, `CLOCK_PROCESS_CPUTIME_ID`).
    Process,
}

/// When a timer fires next, on its clock, and how often after that (0: once).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimerSetting {
    /// The next expiration; `None` is disarmed.
    pub deadline: Option<Nanos>,
    /// The interval.
    pub interval: Nanos,
}

#[derive(Default)]
struct State {
    setting: TimerSetting,
    key: Option<TimerKey>,
    overrun: u64,
    last_overrun: u64,
}

/// One timer. Its notification sends the signal (`SIGEV_SIGNAL`, `SIGEV_THREAD_ID`) or does nothing (`SIGEV_NONE`), and says
/// whether one was queued: if not (it is pending still), the expiration counts as an overrun.
pub struct Timer {
    clock: TimerClock,
    queue: Arc<TimerQueue>,
    state: Mutex<State>,
    notify: alloc::boxed::Box<dyn Fn() -> bool + Send + Sync>,
}

impl Timer {
    /// A disarmed timer.
    pub fn new(
        clock: TimerClock,
        queue: Arc<TimerQueue>,
        notify: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Arc<Timer> {
        let state = Mutex::new(&TIMERS, State::default());
        Arc::new(Timer { clock, queue, state, notify: alloc::boxed::Box::new(notify) })
    }
    /// Arms or disarms it and returns what was set.
    pub fn set(self: &Arc<Self>, new: TimerSetting) -> TimerSetting {
        let mut s = self.state.lock();
        let old = core::mem::replace(&mut s.setting, new);
        (s.overrun, s.last_overrun) = (0, 0);
        if let Some(key) = s.key.take() {
            self.queue.cancel(key);
        }
        self.arm(&mut s);
        old
    }
    fn arm(self: &Arc<Self>, s: &mut State) {
        if let (TimerClock::Monotonic, Some(at)) = (self.clock, s.setting.deadline) {
            s.key = Some(self.queue.arm(at, self.clone()));
        }
    }
    /// What is set.
    pub fn get(&self) -> TimerSetting {
        self.state.lock().setting
    }
    /// Its signal was taken: the expirations missed since, which `timer_getoverrun(2)` reports from now on.
    pub fn delivered(&self) -> i32 {
        let mut s = self.state.lock();
        s.last_overrun = core::mem::take(&mut s.overrun);
        i32::try_from(s.last_overrun).unwrap_or(i32::MAX)
    }
    /// `timer_getoverrun(2)`.
    pub fn overrun(&self) -> i32 {
        i32::try_from(self.state.lock().last_overrun).unwrap_or(i32::MAX)
    }
    fn expire(self: &Arc<Self>, now: Nanos) {
        let missed = {
            let mut s = self.state.lock();
            let Some(at) = s.setting.deadline.filter(|at| *at <= now) else { return };
            s.key = None;
            let missed = (now - at).checked_div(s.setting.interval);
            s.setting.deadline =
                missed.and_then(|n| at.checked_add((n + 1).saturating_mul(s.setting.interval)));
            self.arm(&mut s);
            missed.unwrap_or(0)
        };
        let queued = (self.notify)();
        self.state.lock().overrun += missed + u64::from(!queued);
    }
}

impl TimerTarget for Timer {
    fn fire(self: Arc<Self>, now: Nanos) {
        self.expire(now);
    }
}

#[derive(Default)]
struct Slots {
    posix: BTreeMap<i32, Arc<Timer>>,
    next: i32,
    itimers: [Option<Arc<Timer>>; 3],
}

/// The timers of a process.
pub struct GroupTimers(Mutex<Slots>);

impl Default for GroupTimers {
    fn default() -> Self {
        GroupTimers(Mutex::new(&TIMERS, Slots::default()))
    }
}

impl GroupTimers {
    /// Adds a timer and names it; `make` gets the name. `make` runs without locks.
    pub fn create(&self, make: impl FnOnce(i32) -> Arc<Timer>) -> i32 {
        let id = {
            let mut s = self.0.lock();
            let id = s.next;
            s.next = id.wrapping_add(1) & i32::MAX;
            id
        };
        let timer = make(id);
        self.0.lock().posix.insert(id, timer);
        id
    }
    /// The timer named `id`.
    ///
    /// Errors: `EINVAL`.
    pub fn get(&self, id: i32) -> Result<Arc<Timer>, Errno> {
        self.0.lock().posix.get(&id).cloned().ok_or(Errno::EINVAL)
    }
    /// `timer_delete(2)`.
    ///
    /// Errors: `EINVAL`.
    pub fn delete(&self, id: i32) -> Result<(), Errno> {
        let t = self.0.lock().posix.remove(&id).ok_or(Errno::EINVAL)?;
        t.set(TimerSetting::default());
        Ok(())
    }
    /// The interval timer `which` (0 real, 1 virtual, 2 prof), made by `make` at its first use.
    ///
    /// Errors: `EINVAL`.
    pub fn itimer(&self, which: usize, make: impl FnOnce() -> Arc<Timer>) -> Result<Arc<Timer>, Errno> {
        if let Some(t) = self.0.lock().itimers.get(which).ok_or(Errno::EINVAL)? {
            return Ok(t.clone());
        }
        let new = make();
        Ok(self.0.lock().itimers[which].get_or_insert(new).clone())
    }
    /// Deletes the POSIX timers, as `execve(2)` does.
    pub fn clear(&self) {
        let all = core::mem::take(&mut self.0.lock().posix);
        for t in all.into_values() {
            t.set(TimerSetting::default());
        }
    }
    /// Disarms everything, at the process's end.
    pub fn disarm_all(&self) {
        self.clear();
        let all = core::mem::take(&mut self.0.lock().itimers);
        for t in all.into_iter().flatten() {
            t.set(TimerSetting::default());
        }
    }
    /// Fires the timers on CPU clocks that are due, given the process's user and system time.
    pub fn tick(&self, user: Nanos, system: Nanos) {
        let all: Vec<_> = {
            let s = self.0.lock();
            s.posix.values().chain(s.itimers.iter().flatten()).cloned().collect()
        };
        for t in all {
            match t.clock {
                TimerClock::Monotonic => {}
                TimerClock::Virtual => t.expire(user),
                TimerClock::Process => t.expire(user + system),
            }
        }
    }
}
