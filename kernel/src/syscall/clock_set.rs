//! Setting clocks: `clock_settime(2)`, `settimeofday(2)`, `adjtimex(2)`. A sandbox sees the host's clocks and cannot set them, so that
//! these calls answer as to a caller without `CAP_SYS_TIME`; what the clocks are can be asked.

use abi::Errno;
use abi::time::{ADJ_OFFSET_SS_READ, CLOCK_REALTIME, STA_NANO, STA_UNSYNC, TIME_ERROR, Timex};
use kcore::addr::GuestAddr;
use kcore::user::UserPtr;

use super::SysResult;
use super::time::read_timespec;
use crate::current::CurrentTask;

/// `clock_settime(2)`. Errors: `EINVAL` for clocks that cannot be set and times that are none; `EFAULT`; `EPERM`.
pub(super) fn clock_settime(cx: &mut CurrentTask, clock: i32, time: GuestAddr) -> SysResult {
    if clock != CLOCK_REALTIME {
        return Err(Errno::EINVAL);
    }
    read_timespec(cx, time)?;
    Err(Errno::EPERM)
}

/// `settimeofday(2)`. Errors: `EINVAL` for a time that is none; `EFAULT`; `EPERM`.
pub(super) fn settimeofday(cx: &mut CurrentTask, time: GuestAddr, zone: GuestAddr) -> SysResult {
    const MICROS: core::ops::Range<i64> = 0..1_000_000;
    let mm = &**cx.task.mm();
    if !time.is_null() {
        let [sec, usec] = UserPtr::<[i64; 2]>::new(time).read(mm)?;
        if sec < 0 || !MICROS.contains(&usec) {
            return Err(Errno::EINVAL);
        }
    }
    if !zone.is_null() {
        UserPtr::<[i32; 2]>::new(zone).read(mm)?;
    }
    Err(Errno::EPERM)
}

/// `adjtimex(2)`: says that nobody disciplines the clock. Errors: `EPERM` for any change; `EFAULT`.
pub(super) fn adjtimex(cx: &mut CurrentTask, buf: GuestAddr) -> SysResult {
    let mut t = UserPtr::<Timex>::new(buf).read(&**cx.task.mm())?;
    if t.modes != 0 && t.modes != ADJ_OFFSET_SS_READ {
        return Err(Errno::EPERM);
    }
    let now = cx.kernel().host().clock.realtime();
    t = Timex { modes: t.modes, ..Timex::default() };
    t.status = STA_UNSYNC | STA_NANO;
    (t.maxerror, t.esterror, t.constant, t.precision, t.tolerance) =
        (16_000_000, 16_000_000, 2, 1, 32_768_000);
    t.tick = 10_000;
    t.time.tv_sec = i64::try_from(now / 1_000_000_000).unwrap_or(i64::MAX);
    t.time.tv_usec = i64::try_from(now % 1_000_000_000).unwrap_or(0);
    cx.put(buf, &t)?;
    u64::try_from(TIME_ERROR).map_err(|_| Errno::EINVAL)
}

/// `clock_adjtime(2)`. Errors: `EOPNOTSUPP` for clocks without it; `EINVAL`; as `adjtimex(2)`.
pub(super) fn clock_adjtime(cx: &mut CurrentTask, clock: i32, buf: GuestAddr) -> SysResult {
    match clock {
        CLOCK_REALTIME => adjtimex(cx, buf),
        1..=9 | 11 => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EINVAL),
    }
}
