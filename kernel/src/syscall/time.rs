//! System calls about time.

use abi::Errno;
use abi::time::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME,
    CLOCK_REALTIME_COARSE, CLOCK_TAI, CLOCK_THREAD_CPUTIME_ID, TIMER_ABSTIME,
};
use kcore::addr::GuestAddr;
use kcore::host::{ClockSource, Nanos};
use kcore::io::{IoError, IoResult};
use kcore::user::UserPtr;
use kcore::wait::WaitSet;

use super::SysResult;
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;

const SECOND: u64 = 1_000_000_000;

fn source(clock: i32) -> Result<ClockSource, Errno> {
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE | CLOCK_TAI => Ok(ClockSource::Realtime),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
            Ok(ClockSource::Monotonic)
        }
        // The alarm clocks are there on machines with a clock that can wake them.
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn timespec(ns: Nanos) -> [u64; 2] {
    [ns / SECOND, ns % SECOND]
}

/// `clock_gettime(2)`.
pub(super) fn clock_gettime(cx: &mut CurrentTask, clock: i32, out: GuestAddr) -> SysResult {
    let now = match source(clock) {
        Ok(source) => cx.kernel().host().clock.now(source),
        Err(_) => super::rusage::cpu_clock(cx, clock)?,
    };
    cx.put(out, &timespec(now))?;
    Ok(0)
}

/// `clock_getres(2)`.
pub(super) fn clock_getres(cx: &mut CurrentTask, clock: i32, out: GuestAddr) -> SysResult {
    if source(clock).is_err() {
        super::rusage::cpu_clock(cx, clock)?;
    }
    let coarse = matches!(clock, 5 | 6);
    if !out.is_null() {
        cx.put(out, &[0u64, if coarse { 4_000_000 } else { 1 }])?;
    }
    Ok(0)
}

/// `gettimeofday(2)`.
pub(super) fn gettimeofday(cx: &mut CurrentTask, tv: GuestAddr, tz: GuestAddr) -> SysResult {
    let now = cx.kernel().host().clock.realtime();
    if !tv.is_null() {
        cx.put(tv, &[now / SECOND, now % SECOND / 1000])?;
    }
    if !tz.is_null() {
        cx.put(tz, &0u64)?;
    }
    Ok(0)
}

/// `time(2)`.
pub(super) fn time(cx: &mut CurrentTask, out: GuestAddr) -> SysResult {
    let now = cx.kernel().host().clock.realtime() / SECOND;
    if !out.is_null() {
        cx.put(out, &now)?;
    }
    Ok(now)
}

/// A duration or time of a guest, in nanoseconds. Errors: `EFAULT`; `EINVAL` for one that is none.
pub(super) fn read_timespec(cx: &CurrentTask, at: GuestAddr) -> Result<Nanos, Errno> {
    let [sec, nsec] = UserPtr::<[i64; 2]>::new(at).read(&**cx.task.mm())?;
    let sec = u64::try_from(sec).map_err(|_| Errno::EINVAL)?;
    let nsec = u64::try_from(nsec).ok().filter(|n| *n < SECOND).ok_or(Errno::EINVAL)?;
    Ok(sec.saturating_mul(SECOND).saturating_add(nsec))
}

/// `nanosleep(2)`. Errors: `EINVAL` for a time that is none, `EINTR` with what remains stored.
pub(super) async fn nanosleep(cx: &mut CurrentTask, req: GuestAddr, rem: GuestAddr) -> SysResult {
    clock_nanosleep(cx, CLOCK_MONOTONIC, 0, req, rem).await
}

/// `clock_nanosleep(2)`. Errors: `EINVAL` for a clock or a time that is none; `EOPNOTSUPP` for a clock to tell the time by only;
/// `EINTR` with what remains stored, unless the time was absolute.
pub(super) async fn clock_nanosleep(
    cx: &mut CurrentTask,
    clock: i32,
    flags: u32,
    req: GuestAddr,
    rem: GuestAddr,
) -> SysResult {
    let absolute = flags & TIMER_ABSTIME != 0;
    let base = match clock {
        CLOCK_THREAD_CPUTIME_ID => return Err(Errno::EOPNOTSUPP),
        // A duration does not change when the clock is set.
        CLOCK_REALTIME | CLOCK_TAI if !absolute => super::posix_timer::base(cx, CLOCK_MONOTONIC)?,
        _ => super::posix_timer::base(cx, clock)?,
    };
    let time = read_timespec(cx, req)?;
    let deadline = match (cx.resumed_deadline(), absolute) {
        (Some(deadline), _) => deadline,
        (None, true) => time,
        (None, false) => base.now().saturating_add(time),
    };
    let never = || -> IoResult<()> { Err(IoError::Again) };
    while base.now() < deadline {
        match cx.wait(&WaitSet::new(), Some(base.wake_at(deadline)), never).await {
            Ok(()) | Err(WaitEnd::TimedOut) => {}
            Err(WaitEnd::Interrupted) if absolute => return Err(cx.interrupted(Restart::NoHandler)),
            Err(WaitEnd::Interrupted) => {
                if !rem.is_null() {
                    cx.put(rem, &timespec(deadline.saturating_sub(base.now())))?;
                }
                return Err(cx.interrupted(Restart::Block(deadline)));
            }
            Err(WaitEnd::Failed(e)) => return Err(e),
        }
    }
    Ok(0)
}
