//! One timer.

use alloc::boxed::Box;
use alloc::sync::Arc;

use kcore::host::Nanos;
use kcore::sync::{LockClass, Mutex};
use kcore::timer::{TimerKey, TimerQueue, TimerTarget};

use crate::signal::Signal;

static TIMER: LockClass = LockClass::new("process timer", 790);

/// Shortest time between two expirations whose signals nobody wants, so that they cost little.
const DISCARD_PAUSE: Nanos = 1_000_000;

/// The clock of a timer.
pub trait TimeBase: Send + Sync {
    /// The time on it. Takes locks of rank 200 and up.
    fn now(&self) -> Nanos;
    /// The monotonic time before which `deadline` cannot have come, later than now if it has not. Locks as [`TimeBase::now`].
    fn wake_at(&self, deadline: Nanos) -> Nanos;
}

/// What became of an expiration's signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notified {
    /// It is pending; the timer goes on when it is taken ([`Timer::delivered`]).
    Queued,
    /// The last one's is pending still, or none is waited for: the timer goes on at once.
    Pending,
    /// Nobody wants it.
    Discarded,
}

/// When a timer fires next and how often after that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimerSetting {
    /// Time until the next expiration; 0 is disarmed.
    pub value: Nanos,
    /// Time between the following ones; 0 for none.
    pub interval: Nanos,
}

#[derive(Default)]
struct State {
    /// On the timer's clock.
    deadline: Option<Nanos>,
    interval: Nanos,
    key: Option<TimerKey>,
    overrun: u64,
    last_overrun: u64,
    /// A signal is pending: nothing is armed until it is taken.
    waiting: bool,
    /// Counts settings, to find one that came while no lock was held.
    generation: u64,
}

impl State {
    /// Moves the deadline past `now` and counts the expirations that this passes over.
    fn catch_up(&mut self, now: Nanos) -> u64 {
        let Some(at) = self.deadline.filter(|at| *at <= now) else { return 0 };
        let passed = (now - at).checked_div(self.interval).map_or(0, |n| n + 1);
        self.deadline =
            (self.interval > 0).then(|| at.checked_add(passed.saturating_mul(self.interval))).flatten();
        passed
    }
}

/// One timer of a process. Its notification sends the signal, if there is one.
pub struct Timer {
    base: Box<dyn TimeBase>,
    queue: Arc<TimerQueue>,
    signal: Option<Signal>,
    state: Mutex<State>,
    notify: Box<dyn Fn() -> Notified + Send + Sync>,
}

impl Timer {
    /// A disarmed timer on the clock `base`. Without a `signal` (`SIGEV_NONE`) it is never armed and only tells the time.
    pub fn new(
        base: Box<dyn TimeBase>,
        queue: Arc<TimerQueue>,
        signal: Option<Signal>,
        notify: impl Fn() -> Notified + Send + Sync + 'static,
    ) -> Arc<Timer> {
        let state = Mutex::new(&TIMER, State::default());
        Arc::new(Timer { base, queue, signal, state, notify: Box::new(notify) })
    }
    /// The signal that it sends.
    pub fn signal(&self) -> Option<Signal> {
        self.signal
    }
    /// Arms or disarms it and returns what was set. With `absolute`, `new.value` is a point on its clock.
    pub fn set(self: &Arc<Self>, new: TimerSetting, absolute: bool) -> TimerSetting {
        let now = self.base.now();
        let deadline = match (new.value, absolute) {
            (0, _) => None,
            (at, true) => Some(at),
            (delay, false) => Some(now.saturating_add(delay)),
        };
        let wake = deadline.map(|at| self.base.wake_at(at));
        let mut s = self.state.lock();
        let old = Self::read(&s, now, self.signal.is_some());
        let key = s.key.take();
        *s = State { deadline, interval: new.interval, generation: s.generation + 1, ..State::default() };
        if let Some(key) = key {
            self.queue.cancel(key);
        }
        self.arm(&mut s, wake);
        old
    }
    /// Disarms it.
    pub fn disarm(self: &Arc<Self>) {
        self.set(TimerSetting::default(), false);
    }
    /// What is set.
    pub fn get(&self) -> TimerSetting {
        let now = self.base.now();
        Self::read(&self.state.lock(), now, self.signal.is_some())
    }
    fn read(s: &State, now: Nanos, signals: bool) -> TimerSetting {
        let value = match s.deadline {
            None => 0,
            Some(at) if at > now => at - now,
            // Behind: a signal waits to be taken, or there is none.
            Some(at) if s.interval > 0 => s.interval - (now - at) % s.interval,
            // It expires just now.
            Some(_) => u64::from(signals),
        };
        TimerSetting { value, interval: s.interval }
    }
    fn arm(self: &Arc<Self>, s: &mut State, wake: Option<Nanos>) {
        if let Some(at) = wake.filter(|_| self.signal.is_some()) {
            s.key = Some(self.queue.arm(at, self.clone()));
        }
    }
    /// Its signal was taken, or thrown away: it goes on. Returns the expirations missed meanwhile, which `timer_getoverrun(2)`
    /// reports from now on.
    pub fn delivered(self: &Arc<Self>) -> i32 {
        let now = self.base.now();
        let (generation, next) = {
            let mut s = self.state.lock();
            if s.waiting {
                let missed = s.catch_up(now);
                s.overrun = s.overrun.saturating_add(missed);
            }
            s.last_overrun = core::mem::take(&mut s.overrun);
            (s.generation, s.deadline.filter(|_| core::mem::take(&mut s.waiting)))
        };
        if let Some(at) = next {
            self.rearm(generation, self.base.wake_at(at));
        }
        self.overrun()
    }
    /// `timer_getoverrun(2)`.
    pub fn overrun(&self) -> i32 {
        i32::try_from(self.state.lock().last_overrun).unwrap_or(i32::MAX)
    }
    fn rearm(self: &Arc<Self>, generation: u64, wake: Nanos) {
        let mut s = self.state.lock();
        if s.generation == generation && s.key.is_none() && !s.waiting {
            self.arm(&mut s, Some(wake));
        }
    }
}

impl TimerTarget for Timer {
    fn fire(self: Arc<Self>, monotonic: Nanos) {
        let now = self.base.now();
        let (generation, early) = {
            let mut s = self.state.lock();
            s.key = None;
            let Some(at) = s.deadline else { return };
            if at <= now {
                let missed = s.catch_up(now).saturating_sub(1);
                s.overrun = s.overrun.saturating_add(missed);
                // Before the signal is sent: it may be taken before this goes on.
                s.waiting = true;
            }
            (s.generation, (at > now).then_some(at))
        };
        if let Some(at) = early {
            self.rearm(generation, self.base.wake_at(at));
            return;
        }
        let sent = (self.notify)();
        if sent == Notified::Queued {
            return;
        }
        let next = {
            let mut s = self.state.lock();
            if s.generation != generation {
                return;
            }
            s.waiting = false;
            s.overrun += u64::from(sent == Notified::Pending);
            s.deadline
        };
        if let Some(at) = next {
            let wake = self.base.wake_at(at);
            let pause = if sent == Notified::Discarded { DISCARD_PAUSE } else { 0 };
            self.rearm(generation, wake.max(monotonic.saturating_add(pause)));
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;

    struct Base(Arc<AtomicU64>);
    impl TimeBase for Base {
        fn now(&self) -> Nanos {
            self.0.load(Ordering::SeqCst)
        }
        fn wake_at(&self, deadline: Nanos) -> Nanos {
            deadline
        }
    }
    struct Rig {
        now: Arc<AtomicU64>,
        queue: Arc<TimerQueue>,
        fired: Arc<AtomicUsize>,
        timer: Arc<Timer>,
    }
    fn rig(result: Notified) -> Rig {
        let (now, queue, fired) = (Arc::<AtomicU64>::default(), Arc::new(TimerQueue::new()), Arc::default());
        let count: Arc<AtomicUsize> = Arc::clone(&fired);
        let timer = Timer::new(Box::new(Base(now.clone())), queue.clone(), Some(Signal::ALRM), move || {
            count.fetch_add(1, Ordering::SeqCst);
            result
        });
        Rig { now, queue, fired, timer }
    }
    impl Rig {
        fn at(&self, now: u64) -> usize {
            self.now.store(now, Ordering::SeqCst);
            self.queue.fire_due(now);
            self.fired.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn expirations_before_the_signal_is_taken_are_overruns() {
        let r = rig(Notified::Queued);
        r.timer.set(TimerSetting { value: 10, interval: 5 }, false);
        assert_eq!((r.at(9), r.at(10), r.at(31)), (0, 1, 1));
        assert_eq!(r.timer.get(), TimerSetting { value: 4, interval: 5 });
        assert_eq!(r.timer.delivered(), 4);
        assert_eq!((r.at(34), r.at(35)), (1, 2));
        assert_eq!(r.timer.delivered(), 0);
    }
    #[test]
    fn late_expirations_count_at_once() {
        let r = rig(Notified::Queued);
        r.timer.set(TimerSetting { value: 10, interval: 5 }, false);
        assert_eq!(r.at(22), 1);
        assert_eq!(r.timer.delivered(), 2);
    }
    #[test]
    fn a_signal_that_nobody_wants_does_not_hold_the_timer() {
        let r = rig(Notified::Discarded);
        r.timer.set(TimerSetting { value: 10, interval: 5 }, true);
        assert_eq!((r.at(10), r.at(20)), (1, 1));
        assert_eq!(r.at(10 + DISCARD_PAUSE), 2);
        assert_eq!(r.timer.set(TimerSetting::default(), false).interval, 5);
        assert_eq!(r.queue.next_deadline(), None);
    }
    #[test]
    fn once_is_once() {
        let r = rig(Notified::Queued);
        r.timer.set(TimerSetting { value: 10, interval: 0 }, false);
        assert_eq!((r.at(50), r.timer.delivered(), r.at(100)), (1, 0, 1));
        assert_eq!(r.timer.get(), TimerSetting::default());
    }
}
