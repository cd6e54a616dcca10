//! Timers as descriptors, [`timerfd_create(2)`](https://man7.org/linux/man-pages/man2/timerfd_create.2.html).
//!
//! Expirations are counted when they are asked for, from the time that passed; the armed deadline only wakes who waits.

use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};

use kcore::host::{Clock, ClockSource, Nanos};
use kcore::io::{IoError, IoResult, IoSink};
use kcore::sync::{LockClass, Mutex};
use kcore::timer::{TimerKey, TimerQueue, TimerTarget};
use kcore::wait::{Events, WaitQueue};

use crate::Errno;
use crate::file::FileOps;
use crate::open_file::OpenFile;

static TIMERFD: LockClass = LockClass::new("timerfd", 361);

/// The time given to [`TimerFd::set`] is a point on the clock.
pub const TFD_TIMER_ABSTIME: u32 = 1;
/// Reads fail once with `ECANCELED` when the realtime clock is set.
pub const TFD_TIMER_CANCEL_ON_SET: u32 = 2;

/// `struct itimerspec`, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerSetting {
    /// Time to the first expiration; zero if disarmed.
    pub value: Nanos,
    /// Time between the following ones; zero for none.
    pub interval: Nanos,
}

#[derive(Default)]
struct State {
    /// The next expiration, on the monotonic clock.
    next: Option<Nanos>,
    /// The same on the realtime clock, if it was given absolutely there.
    realtime: Option<Nanos>,
    interval: Nanos,
    cancel_on_set: bool,
    cancelled: bool,
    key: Option<TimerKey>,
    generation: u64,
    flags: u32,
}

impl State {
    fn due(&self, now: Nanos) -> bool {
        self.next.is_some_and(|n| n <= now)
    }
}

/// A timer that can be waited for.
pub struct TimerFd {
    clock: Arc<dyn Clock>,
    timers: Arc<TimerQueue>,
    source: ClockSource,
    state: Mutex<State>,
    queue: WaitQueue,
    this: Weak<TimerFd>,
}

/// What the deadline wakes: weak, so that an armed timer does not keep a closed file.
struct Alarm(Weak<TimerFd>);

impl TimerTarget for Alarm {
    fn fire(self: Arc<Self>, _now: Nanos) {
        if let Some(t) = self.0.upgrade() {
            t.queue.wake(Events::READABLE);
        }
    }
}

impl TimerFd {
    /// A disarmed timer on the clock `source`.
    pub fn new(clock: Arc<dyn Clock>, timers: Arc<TimerQueue>, source: ClockSource) -> Arc<TimerFd> {
        Arc::new_cyclic(|this| TimerFd {
            clock,
            timers,
            source,
            state: Mutex::new(&TIMERFD, State::default()),
            queue: WaitQueue::new(),
            this: this.clone(),
        })
    }
    /// `timerfd_settime(2)`: arms, or disarms if `new.value` is zero. Says what was set before.
    ///
    /// Errors: `EINVAL` for unknown flags.
    pub fn set(&self, flags: u32, new: TimerSetting) -> Result<TimerSetting, Errno> {
        if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
            return Err(Errno::EINVAL);
        }
        let now = self.clock.monotonic();
        let absolute = flags & TFD_TIMER_ABSTIME != 0;
        let old;
        {
            let mut s = self.state.lock();
            old = setting(&s, now);
            let realtime =
                (absolute && self.source == ClockSource::Realtime && new.value > 0).then_some(new.value);
            s.next = match (new.value, absolute) {
                (0, _) => None,
                (v, false) => Some(now.saturating_add(v)),
                (v, true) if self.source == ClockSource::Monotonic => Some(v),
                (v, true) => Some(self.monotonic_of(now, v)),
            };
            s.realtime = realtime;
            s.interval = if new.value == 0 { 0 } else { new.interval };
            s.cancel_on_set =
                flags & TFD_TIMER_CANCEL_ON_SET != 0 && absolute && self.source == ClockSource::Realtime;
            s.cancelled = false;
            s.flags = flags;
        }
        self.rearm();
        Ok(old)
    }
    /// `timerfd_gettime(2)`.
    pub fn get(&self) -> TimerSetting {
        let now = self.clock.monotonic();
        setting(&self.state.lock(), now)
    }
    /// To be called when the realtime clock was set: moves deadlines that were given on it and cancels those that asked for it.
    pub fn clock_was_set(&self) {
        {
            let now = self.clock.monotonic();
            let mut s = self.state.lock();
            let Some(at) = s.realtime else { return };
            s.next = Some(self.monotonic_of(now, at));
            s.cancelled |= s.cancel_on_set;
        }
        self.rearm();
        self.queue.wake(Events::READABLE);
    }
    fn monotonic_of(&self, now: Nanos, at: Nanos) -> Nanos {
        let realtime = self.clock.realtime();
        if at >= realtime { now.saturating_add(at - realtime) } else { now.saturating_sub(realtime - at) }
    }
    /// Arms what the state says. The queue is called without the lock, since it may call out.
    fn rearm(&self) {
        let (old, next, generation) = {
            let mut s = self.state.lock();
            s.generation += 1;
            (s.key.take(), s.next, s.generation)
        };
        if let Some(key) = old {
            self.timers.cancel(key);
        }
        let Some(deadline) = next else { return };
        let key = self.timers.arm(deadline, Arc::new(Alarm(self.this.clone())));
        let stale = {
            let mut s = self.state.lock();
            let stale = s.generation != generation;
            if !stale {
                s.key = Some(key);
            }
            stale
        };
        if stale {
            self.timers.cancel(key);
        }
    }
}

/// What is left at `now`; a periodic timer shows the time to its next expiration.
fn setting(s: &State, now: Nanos) -> TimerSetting {
    let value = match s.next {
        None => 0,
        Some(n) if n > now => n - now,
        Some(_) if s.interval == 0 => 0,
        Some(n) => s.interval - (now - n) % s.interval,
    };
    TimerSetting { value, interval: s.interval }
}

impl Drop for TimerFd {
    fn drop(&mut self) {
        if let Some(key) = self.state.get_mut().key.take() {
            self.timers.cancel(key);
        }
    }
}

impl FileOps for TimerFd {
    fn takes_nowait(&self) -> bool {
        true
    }
    fn lseeks(&self) -> bool {
        true
    }
    fn can_write(&self) -> bool {
        false
    }
    fn read(&self, _f: &OpenFile, _at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        if dst.remaining() < 8 {
            return Err(Errno::EINVAL.into());
        }
        let now = self.clock.monotonic();
        let (ticks, periodic) = {
            let mut s = self.state.lock();
            if core::mem::take(&mut s.cancelled) {
                return Err(Errno::ECANCELED.into());
            }
            let Some(next) = s.next.filter(|n| *n <= now) else { return Err(IoError::Again) };
            match (now - next).checked_div(s.interval) {
                None => {
                    s.next = None;
                    s.realtime = None;
                    (1, false)
                }
                Some(more) => {
                    let step = (more + 1).saturating_mul(s.interval);
                    s.next = Some(next.saturating_add(step));
                    s.realtime = s.realtime.map(|r| r.saturating_add(step));
                    (more + 1, true)
                }
            }
        };
        if periodic {
            self.rearm();
        }
        super::put(dst, &ticks.to_ne_bytes())?;
        Ok(8)
    }
    fn ready(&self, _f: &OpenFile, want: Events) -> Events {
        let now = self.clock.monotonic();
        let s = self.state.lock();
        if s.cancelled || s.due(now) { want & Events::READABLE } else { Events::empty() }
    }
    fn queue(&self, _f: &OpenFile) -> Option<WaitQueue> {
        Some(self.queue.clone())
    }
    fn on_close(&self, _f: &OpenFile) {
        self.state.lock().next = None;
        self.rearm();
    }
    fn name(&self) -> String {
        String::from("anon_inode:[timerfd]")
    }
    fn fdinfo(&self, _f: &OpenFile) -> String {
        let clock = if self.source == ClockSource::Realtime { 0 } else { 1 };
        let now = self.clock.monotonic();
        let (v, flags, due) = {
            let s = self.state.lock();
            (setting(&s, now), s.flags, s.due(now))
        };
        const S: u64 = 1_000_000_000;
        format!(
            "clockid: {clock}\nticks: {}\nsettime flags: 0{flags:o}\nit_value: ({}, {})\nit_interval: ({}, {})\n",
            u32::from(due),
            v.value / S,
            v.value % S,
            v.interval / S,
            v.interval % S
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicU64, Ordering};
    use kcore::io::VecSink;

    struct Fake(AtomicU64, AtomicU64);
    impl Clock for Fake {
        fn now(&self, source: ClockSource) -> Nanos {
            let m = self.0.load(Ordering::Relaxed);
            if source == ClockSource::Monotonic { m } else { m + self.1.load(Ordering::Relaxed) }
        }
    }
    struct Rig(Arc<Fake>, Arc<TimerQueue>, Arc<TimerFd>, Arc<OpenFile>);
    fn rig(source: ClockSource) -> Rig {
        let clock = Arc::new(Fake(100.into(), 1_000_000.into()));
        let timers = Arc::new(TimerQueue::new());
        let t = TimerFd::new(clock.clone(), timers.clone(), source);
        let f = OpenFile::new(t.clone(), 2, None);
        Rig(clock, timers, t, f)
    }
    fn read(f: &OpenFile) -> IoResult<u64> {
        let mut s = VecSink::new(8);
        f.read(&mut s)?;
        Ok(u64::from_ne_bytes(s.into_vec().try_into().unwrap()))
    }

    #[test]
    fn one_shot_and_overrun() {
        let Rig(clock, timers, t, f) = rig(ClockSource::Monotonic);
        t.set(0, TimerSetting { value: 50, interval: 0 }).unwrap();
        assert_eq!(timers.next_deadline(), Some(150));
        assert_eq!(read(&f), Err(IoError::Again));
        clock.0.store(400, Ordering::Relaxed);
        assert_eq!(read(&f), Ok(1));
        assert_eq!(read(&f), Err(IoError::Again));
        t.set(TFD_TIMER_ABSTIME, TimerSetting { value: 500, interval: 10 }).unwrap();
        clock.0.store(535, Ordering::Relaxed);
        assert_eq!(t.get(), TimerSetting { value: 5, interval: 10 });
        assert_eq!(f.ready(Events::IN), Events::IN);
        assert_eq!(read(&f), Ok(4));
        timers.fire_due(535);
        assert_eq!(timers.next_deadline(), Some(540));
        drop(f);
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn cancel_on_set() {
        let Rig(clock, timers, t, f) = rig(ClockSource::Realtime);
        let flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
        t.set(flags, TimerSetting { value: 1_000_200, interval: 0 }).unwrap();
        assert_eq!(timers.next_deadline(), Some(200));
        clock.1.store(1_000_050, Ordering::Relaxed);
        t.clock_was_set();
        assert_eq!(timers.next_deadline(), Some(150));
        assert_eq!(read(&f), Err(Errno::ECANCELED.into()));
        assert_eq!(read(&f), Err(IoError::Again));
    }
}
