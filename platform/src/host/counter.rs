//! Clocks that go by the processor's time-stamp counter, kept close to the host's: guests can follow them without a system call.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use kcore::host::{Clock, ClockSource, CounterScale, Nanos, ScaleSink};

use super::HostClock;

/// How long the counter is watched before it is trusted, and how often its scale is looked at in the end.
const FIRST_LOOK: Nanos = 1_000_000;
const LAST_LOOK: Nanos = 1_000_000_000;
/// Looks that may be missed before the scale must not be used.
const MISSED: u64 = 3;
/// An error above this is no drift: the machine was suspended, or the counter was changed.
const STEP: i64 = 1_000_000;
/// How much a rate may differ from the true one to make an error good, in parts of 2^32: 0.05 %, and 10 % after a step back.
const SLEW: i64 = (1 << 32) / 2000;
const SLEW_BACK: i64 = (1 << 32) / 10;
/// The offset of the real-time clock is measured this well at least.
const OFFSET_MARGIN: i64 = 1_000;
/// Looks at a scale that is being changed before its change is waited for.
const TRIES: usize = 64;

/// Clocks by the time-stamp counter where the host itself goes by it, and else the host's.
///
/// The monotonic clock never steps back: each new scale begins where the old one ends, with a rate that makes the error good.
pub struct CounterClock {
    /// Odd while the scale changes. The words are those of [`CounterScale`], and the counter at which to look again.
    sequence: AtomicU32,
    words: [AtomicU64; 6],
    state: Mutex<State>,
    usable: bool,
}

struct State {
    last: Sample,
    /// Time until the next look.
    period: Nanos,
    sinks: Vec<Weak<dyn ScaleSink>>,
}

/// The counter and the host's clocks at about one moment.
#[derive(Clone, Copy)]
struct Sample {
    counter: u64,
    monotonic: Nanos,
    /// The real-time clock is ahead by at least and at most this.
    offset: (i64, i64),
}

impl Sample {
    fn take() -> Sample {
        let one = || {
            let counter = read_counter();
            let monotonic = HostClock.monotonic();
            let real = HostClock.realtime();
            let after = HostClock.monotonic();
            let ahead = |of: Nanos| real.wrapping_sub(of).cast_signed();
            (after - monotonic, Sample { counter, monotonic, offset: (ahead(after), ahead(monotonic)) })
        };
        // The quickest of a few: the others were interrupted.
        [one(), one(), one()].into_iter().min_by_key(|(took, _)| *took).map_or_else(|| one().1, |(_, s)| s)
    }
}

impl Default for CounterClock {
    fn default() -> CounterClock {
        CounterClock::new()
    }
}

impl CounterClock {
    /// Looks at the counter for the first time, if the host's clock goes by it.
    pub fn new() -> CounterClock {
        let state = State { last: Sample::take(), period: 4 * FIRST_LOOK, sinks: Vec::new() };
        CounterClock {
            sequence: AtomicU32::new(0),
            words: Default::default(),
            state: Mutex::new(state),
            usable: is_invariant() && host_uses_it(),
        }
    }
    /// The monotonic clock, and what the real-time clock is ahead.
    #[inline]
    fn read(&self, counter: fn() -> u64) -> (Nanos, u64) {
        let sequence = self.sequence.load(Ordering::Acquire);
        let (scale, look) = self.load();
        let now = counter();
        fence(Ordering::Acquire);
        // Nearly always: the scale is there, stays as it is, and is good for longer.
        let is_good = sequence & 1 == 0 && scale.rate != 0 && now < look;
        if is_good && self.sequence.load(Ordering::Relaxed) == sequence {
            return (scale.monotonic(now), scale.realtime);
        }
        self.read_again()
    }
    #[cold]
    fn read_again(&self) -> (Nanos, u64) {
        for _ in 0..TRIES {
            let before = self.sequence.load(Ordering::Acquire);
            if before & 1 == 0 {
                let (scale, look) = self.load();
                let counter = read_counter();
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == before {
                    if scale.rate == 0 {
                        return self.uncalibrated();
                    }
                    if counter >= look {
                        self.look_again();
                    } else {
                        return (scale.monotonic(counter), scale.realtime);
                    }
                }
            }
            std::hint::spin_loop();
        }
        let _guard = self.lock();
        let scale = self.load().0;
        (scale.monotonic(read_counter()), scale.realtime)
    }
    fn load(&self) -> (CounterScale, u64) {
        let [base, nanos, rate, limit, realtime, look] =
            self.words.each_ref().map(|w| w.load(Ordering::Relaxed));
        (CounterScale { base, nanos, rate, limit, realtime }, look)
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The host's clocks, until the counter is known.
    fn uncalibrated(&self) -> (Nanos, u64) {
        let mut state = self.lock();
        let scale = self.load().0;
        if scale.rate != 0 {
            return (scale.monotonic(read_counter()), scale.realtime);
        }
        let now = Sample::take();
        let passed = now.monotonic.saturating_sub(state.last.monotonic);
        if self.usable && passed >= FIRST_LOOK && now.counter > state.last.counter {
            self.change(&mut state, now);
            let scale = self.load().0;
            return (scale.monotonic(read_counter()), scale.realtime);
        }
        (now.monotonic, now.offset.1.cast_unsigned())
    }
    /// Follows the host's clocks, unless somebody else is at it.
    fn look_again(&self) {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(p)) => p.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        // Somebody else may just have been.
        if read_counter() >= self.load().1 {
            let sample = Sample::take();
            self.change(&mut state, sample);
        }
    }
    /// Puts a new scale in force, which begins where the old one ends.
    fn change(&self, state: &mut State, sample: Sample) {
        let old = self.load().0;
        let rate = measured_rate(&state.last, &sample).unwrap_or(old.rate);
        let host =
            CounterScale { base: sample.counter, nanos: sample.monotonic, rate, ..CounterScale::default() };
        state.sinks.retain(|s| s.strong_count() > 0);
        let sinks: Vec<Arc<dyn ScaleSink>> = state.sinks.iter().filter_map(Weak::upgrade).collect();

        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::SeqCst);
        sinks.iter().for_each(|s| s.open());
        let base = read_counter();
        let target = host.monotonic(base);
        let mut scale = CounterScale { base, nanos: target, rate, ..CounterScale::default() };
        if old.rate != 0 {
            let shown = old.monotonic(base).max(old.nanos);
            let error = target.wrapping_sub(shown).cast_signed();
            scale.nanos = if error > STEP { target } else { shown };
            scale.rate = slewed(rate, target.wrapping_sub(scale.nanos).cast_signed(), state.period);
        }
        scale.realtime = followed(old.realtime, sample.offset, old.rate == 0);
        let steps = steps_in(state.period, rate);
        scale.limit = steps.saturating_mul(1 + MISSED);
        self.store(&scale, base.saturating_add(steps));
        sinks.iter().for_each(|s| s.set(&scale));
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);

        state.last = sample;
        state.period = (state.period * 4).min(LAST_LOOK);
    }
    fn store(&self, scale: &CounterScale, look: u64) {
        let values = [scale.base, scale.nanos, scale.rate, scale.limit, scale.realtime, look];
        for (word, value) in self.words.iter().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

impl Clock for CounterClock {
    fn now(&self, source: ClockSource) -> Nanos {
        if !self.usable {
            return HostClock.now(source);
        }
        let (monotonic, ahead) = self.read(read_counter);
        match source {
            ClockSource::Monotonic => monotonic,
            ClockSource::Realtime => monotonic.wrapping_add(ahead),
        }
    }
    fn stamp(&self) -> Nanos {
        if self.usable { self.read(glance_at_counter).0 } else { HostClock.monotonic() }
    }
    fn share(&self, sink: Weak<dyn ScaleSink>) {
        if !self.usable {
            return;
        }
        let mut state = self.lock();
        let scale = self.load().0;
        if scale.rate != 0
            && let Some(sink) = sink.upgrade()
        {
            sink.open();
            sink.set(&scale);
        }
        state.sinks.push(sink);
    }
}

/// Nanoseconds for each step of the counter, in units of 2^-32; `None` if it did not advance, or hardly.
fn measured_rate(from: &Sample, to: &Sample) -> Option<u64> {
    let steps = to.counter.checked_sub(from.counter).filter(|s| *s > 0)?;
    let nanos = to.monotonic.checked_sub(from.monotonic).filter(|n| *n >= FIRST_LOOK / 2)?;
    u64::try_from((u128::from(nanos) << 32) / u128::from(steps)).ok().filter(|r| *r > 0)
}

/// A rate that makes `error` good within `period`, as far as that is not too fast or too slow.
fn slewed(rate: u64, error: i64, period: Nanos) -> u64 {
    let wanted = (i128::from(error) << 32) / i128::from(period.max(1));
    let slowest = if error < -STEP { -SLEW_BACK } else { -SLEW };
    let by = wanted.clamp(slowest.into(), SLEW.into());
    let change = (i128::from(rate) * by) >> 32;
    u64::try_from(i128::from(rate) + change).unwrap_or(rate)
}

/// What the real-time clock is ahead: as before unless it was set.
fn followed(old: u64, (least, most): (i64, i64), first: bool) -> u64 {
    let known = old.cast_signed();
    let agrees = known >= least.saturating_sub(OFFSET_MARGIN) && known <= most.saturating_add(OFFSET_MARGIN);
    if !first && agrees { old } else { most.cast_unsigned() }
}

fn steps_in(period: Nanos, rate: u64) -> u64 {
    u64::try_from((u128::from(period) << 32) / u128::from(rate.max(1))).unwrap_or(u64::MAX)
}

/// The host goes by the counter: so it keeps step on all processors.
fn host_uses_it() -> bool {
    let current = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read_to_string(current).is_ok_and(|name| name.trim() == "tsc")
}

#[cfg(target_arch = "x86_64")]
fn is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;
    __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & 1 << 8 != 0
}

#[cfg(target_arch = "x86_64")]
fn read_counter() -> u64 {
    use core::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: both instructions are there on all x86-64 processors, and touch no memory.
    unsafe {
        _mm_lfence();
        _rdtsc()
    }
}

/// As [`read_counter`], which the processor may do a little earlier or later than the program says: it need not wait for loads that are
/// under way, of which the one that brings a system call takes long.
#[cfg(target_arch = "x86_64")]
fn glance_at_counter() -> u64 {
    // SAFETY: the instruction is there on all x86-64 processors, and touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn glance_at_counter() -> u64 {
    0
}

#[cfg(not(target_arch = "x86_64"))]
fn is_invariant() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn read_counter() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn threads_see_it_go_forward_and_near_the_hosts() {
        let clock = Arc::new(CounterClock::new());
        let latest = AtomicU64::new(0);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    let end = HostClock.monotonic() + 60_000_000;
                    while HostClock.monotonic() < end {
                        let before = latest.load(Ordering::SeqCst);
                        let now = clock.monotonic();
                        assert!(now >= before, "{now} after {before}");
                        latest.fetch_max(now, Ordering::SeqCst);
                    }
                });
            }
        });
        let (before, now, after) = (HostClock.monotonic(), clock.monotonic(), HostClock.monotonic());
        assert!(clock.stamp().abs_diff(now) < 1_000_000_000);
        let slack = 1_000_000;
        assert!(now + slack > before && now < after + slack, "{before} {now} {after}");
        assert!(clock.realtime().abs_diff(HostClock.realtime()) < 100_000_000);
    }
    #[test]
    fn errors_are_made_good_gently() {
        let rate = 1 << 31;
        assert_eq!(slewed(rate, 0, LAST_LOOK), rate);
        assert_eq!(slewed(rate, 1_000, LAST_LOOK), rate + rate / 1_000_000);
        assert!(slewed(rate, -1_000, LAST_LOOK) < rate);
        assert!(slewed(rate, i64::MAX, 1) <= rate + rate / 2000);
        assert!(slewed(rate, i64::MIN, 1) >= rate - rate / 10 - 1);
    }
    #[test]
    fn a_set_real_time_clock_is_followed_and_noise_is_not() {
        assert_eq!(followed(5_000, (4_500, 4_900), false), 5_000);
        assert_eq!(followed(5_000, (14_500, 14_900), false), 14_900);
        assert_eq!(followed(0, (14_500, 14_900), true), 14_900);
    }
    #[test]
    fn sinks_get_the_scale_in_force() {
        #[derive(Default)]
        struct Sink(AtomicU32, Mutex<CounterScale>);
        impl ScaleSink for Sink {
            fn open(&self) {
                assert_eq!(self.0.fetch_add(1, Ordering::SeqCst) % 2, 0);
            }
            fn set(&self, scale: &CounterScale) {
                assert_eq!(self.0.fetch_add(1, Ordering::SeqCst) % 2, 1);
                *self.1.lock().unwrap() = *scale;
            }
        }
        let clock = CounterClock::new();
        let sink = Arc::new(Sink::default());
        clock.share(Arc::downgrade(&(sink.clone() as Arc<dyn ScaleSink>)));
        std::thread::sleep(Duration::from_millis(2));
        let now = clock.monotonic();
        let scale = *sink.1.lock().unwrap();
        assert_eq!(scale, clock.load().0);
        if clock.usable {
            assert!(scale.monotonic(read_counter()) >= now);
        }
    }
}
