//! POSIX timers: `timer_create(2)` and its relatives.

use alloc::boxed::Box;
use alloc::sync::Arc;

use abi::Errno;
use abi::signal::info::SigEvent;
use abi::signal::number::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID};
use abi::time::{
    CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_REALTIME, CLOCK_REALTIME_ALARM, CLOCK_REALTIME_COARSE, CLOCK_TAI, Itimerspec, TIMER_ABSTIME,
    Timespec,
};
use kcore::addr::GuestAddr;
use kcore::host::{ClockSource, Nanos};
use kcore::id::Pid;
use kcore::user::UserPtr;
use task::rlimit::Resource;
use task::signal::{SigFields, SigInfo, Signal, code};
use task::timers::{Notified, TimeBase, Timer, TimerSetting};

use super::SysResult;
use crate::current::CurrentTask;
use crate::timebase::HostBase;

const SECOND: u64 = 1_000_000_000;

/// The clock of a new timer or of a sleep.
///
/// Errors: `EOPNOTSUPP` for clocks that have no timers, or none without a clock that wakes the machine; `EINVAL` for others.
pub(super) fn base(cx: &CurrentTask, clock: i32) -> Result<Box<dyn TimeBase>, Errno> {
    let source = match clock {
        CLOCK_REALTIME | CLOCK_TAI => ClockSource::Realtime,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => ClockSource::Monotonic,
        CLOCK_MONOTONIC_RAW | CLOCK_REALTIME_COARSE | CLOCK_MONOTONIC_COARSE => {
            return Err(Errno::EOPNOTSUPP);
        }
        CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM => return Err(Errno::EOPNOTSUPP),
        _ => return Ok(Box::new(super::rusage::cpu_base(cx, clock)?)),
    };
    Ok(Box::new(HostBase::new(cx.kernel().host().clock.clone(), source)))
}

/// What `struct sigevent` asks for: the signal, its value, and the one thread that gets it.
#[derive(Clone, Copy)]
struct Event {
    signal: Option<Signal>,
    value: Option<u64>,
    thread: Option<task::TaskId>,
}

/// Errors: `EFAULT`; `EINVAL` for a kind, signal or thread that is none.
fn read_event(cx: &CurrentTask, at: GuestAddr) -> Result<Event, Errno> {
    if at.is_null() {
        // The value is then the timer's name.
        return Ok(Event { signal: Some(Signal::ALRM), value: None, thread: None });
    }
    let raw = UserPtr::<SigEvent>::new(at).read(&**cx.task.mm())?;
    let signal = Signal::new(raw.sigev_signo).ok_or(Errno::EINVAL);
    let value = Some(raw.sigev_value);
    match raw.sigev_notify {
        SIGEV_NONE => Ok(Event { signal: None, value, thread: None }),
        // A thread is the C library's business.
        SIGEV_SIGNAL | SIGEV_THREAD => Ok(Event { signal: Some(signal?), value, thread: None }),
        SIGEV_THREAD_ID => {
            let core = &cx.task.core;
            let thread = cx.kernel().processes().task(&core.pid_ns(), Pid(raw.sigev_notify_thread_id));
            let thread = thread.filter(|t| t.group().id() == core.group().id()).ok_or(Errno::EINVAL)?;
            Ok(Event { signal: Some(signal?), value, thread: Some(thread.id()) })
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `timer_create(2)`. Errors: `EINVAL`, `EOPNOTSUPP`, `EFAULT`; `EAGAIN` at `RLIMIT_SIGPENDING`.
pub(super) fn timer_create(cx: &mut CurrentTask, clock: i32, event: GuestAddr, out: GuestAddr) -> SysResult {
    let event = read_event(cx, event)?;
    let base = base(cx, clock)?;
    let group = cx.task.core.group().clone();
    if group.timers.count() as u64 >= group.rlimit(Resource::Sigpending).cur {
        return Err(Errno::EAGAIN);
    }
    let kernel = cx.kernel().clone();
    let (processes, target) = (kernel.processes().clone(), Arc::downgrade(&group));
    let id = group.timers.create(|id| {
        let fields =
            SigFields::Timer { id, overrun: 0, value: event.value.unwrap_or(id.cast_unsigned().into()) };
        Timer::new(base, kernel.timers().clone(), event.signal, move || {
            let (Some(group), Some(signal)) = (target.upgrade(), event.signal) else {
                return Notified::Discarded;
            };
            processes.send_timer(&group, event.thread, SigInfo::new(signal, code::SI_TIMER, fields))
        })
    });
    if let Err(e) = cx.put(out, &id) {
        group.timers.delete(id)?;
        return Err(e);
    }
    Ok(0)
}

/// Errors: `EINVAL` for a time that is none.
pub(super) fn nanos(t: Timespec) -> Result<Nanos, Errno> {
    let sec = u64::try_from(t.tv_sec).map_err(|_| Errno::EINVAL)?;
    let nsec = u64::try_from(t.tv_nsec).ok().filter(|n| *n < SECOND).ok_or(Errno::EINVAL)?;
    Ok(sec.saturating_mul(SECOND).saturating_add(nsec))
}

fn put(cx: &CurrentTask, at: GuestAddr, s: TimerSetting) -> Result<(), Errno> {
    let parts = |ns: Nanos| [ns / SECOND, ns % SECOND];
    let ([a, b], [c, d]) = (parts(s.interval), parts(s.value));
    cx.put(at, &[a, b, c, d])
}

/// `timer_settime(2)`. Errors: `EINVAL` for a timer or time that is none, `EFAULT`.
pub(super) fn timer_settime(
    cx: &mut CurrentTask,
    id: i32,
    flags: u32,
    new: GuestAddr,
    old: GuestAddr,
) -> SysResult {
    if new.is_null() {
        return Err(Errno::EINVAL);
    }
    let spec = UserPtr::<Itimerspec>::new(new).read(&**cx.task.mm())?;
    let setting = TimerSetting { interval: nanos(spec.it_interval)?, value: nanos(spec.it_value)? };
    let was = cx.task.core.group().timers.get(id)?.set(setting, flags & TIMER_ABSTIME != 0);
    if !old.is_null() {
        put(cx, old, was)?;
    }
    Ok(0)
}

/// `timer_gettime(2)`. Errors: `EINVAL`, `EFAULT`.
pub(super) fn timer_gettime(cx: &mut CurrentTask, id: i32, out: GuestAddr) -> SysResult {
    put(cx, out, cx.task.core.group().timers.get(id)?.get())?;
    Ok(0)
}

/// `timer_getoverrun(2)`. Errors: `EINVAL`.
pub(super) fn timer_getoverrun(cx: &mut CurrentTask, id: i32) -> SysResult {
    u64::try_from(cx.task.core.group().timers.get(id)?.overrun()).map_err(|_| Errno::EINVAL)
}

/// `timer_delete(2)`. Errors: `EINVAL`.
pub(super) fn timer_delete(cx: &mut CurrentTask, id: i32) -> SysResult {
    cx.task.core.group().timers.delete(id).map(|()| 0)
}
