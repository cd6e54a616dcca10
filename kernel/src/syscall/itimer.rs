//! Interval timers: `setitimer(2)`, `alarm(2)`; and the signals of `RLIMIT_CPU`.

use alloc::boxed::Box;
use alloc::sync::Arc;

use abi::Errno;
use abi::time::{ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL};
use kcore::addr::GuestAddr;
use kcore::host::{ClockSource, Nanos};
use kcore::user::UserPtr;
use task::ThreadGroup;
use task::rlimit::{INFINITY, Resource};
use task::signal::{SigInfo, Signal};
use task::timers::{Notified, TimeBase, Timer, TimerSetting};

use super::SysResult;
use crate::current::CurrentTask;
use crate::kernel::Kernel;
use crate::timebase::{CpuBase, CpuOf, CpuPart, HostBase};

const SECOND: u64 = 1_000_000_000;
const MICRO: u64 = 1000;

/// Errors: `EINVAL` for a timer that is none.
fn timer(cx: &CurrentTask, which: i32) -> Result<Arc<Timer>, Errno> {
    let group = cx.task.core.group();
    let index = usize::try_from(which).map_err(|_| Errno::EINVAL)?;
    group.timers.itimer(index, || new_timer(cx.kernel(), group, which))
}

fn new_timer(kernel: &Arc<Kernel>, group: &Arc<ThreadGroup>, which: i32) -> Arc<Timer> {
    let clock = kernel.host().clock.clone();
    let of = || CpuOf::Process(Arc::downgrade(group));
    let (signal, base): (Signal, Box<dyn TimeBase>) = match which {
        ITIMER_VIRTUAL => (Signal::VTALRM, Box::new(CpuBase::new(clock, of(), CpuPart::User))),
        ITIMER_PROF => (Signal::PROF, Box::new(CpuBase::new(clock, of(), CpuPart::All))),
        _ => (Signal::ALRM, Box::new(HostBase::new(clock, ClockSource::Monotonic))),
    };
    let (processes, target) = (kernel.processes().clone(), Arc::downgrade(group));
    Timer::new(base, kernel.timers().clone(), Some(signal), move || {
        let Some(group) = target.upgrade() else { return Notified::Discarded };
        let sent = processes.send_timer(&group, None, SigInfo::kernel(signal));
        // The other two are bound by the processor time that is used: they do not wait for their signal to be taken.
        if signal == Signal::ALRM { sent } else { Notified::Pending }
    })
}

fn timeval(ns: Nanos) -> [u64; 2] {
    // What is armed never looks as if it were not.
    let us = ns.div_ceil(MICRO);
    [us / (SECOND / MICRO), us % (SECOND / MICRO)]
}

/// Stores `struct itimerval`.
fn put(cx: &CurrentTask, at: GuestAddr, s: TimerSetting) -> Result<(), Errno> {
    let ([a, b], [c, d]) = (timeval(s.interval), timeval(s.value));
    cx.put(at, &[a, b, c, d])
}

/// `getitimer(2)`. Errors: `EINVAL`, `EFAULT`.
pub(super) fn getitimer(cx: &mut CurrentTask, which: i32, out: GuestAddr) -> SysResult {
    let index = usize::try_from(which).map_err(|_| Errno::EINVAL)?;
    let timer = cx.task.core.group().timers.used_itimer(index)?;
    put(cx, out, timer.map_or(TimerSetting::default(), |t| t.get()))?;
    Ok(0)
}

/// `setitimer(2)`. Errors: `EINVAL` for a timer or time that is none, `EFAULT`.
pub(super) fn setitimer(cx: &mut CurrentTask, which: i32, new: GuestAddr, old: GuestAddr) -> SysResult {
    let setting = if new.is_null() {
        TimerSetting::default()
    } else {
        let [a, b, c, d] = UserPtr::<[i64; 4]>::new(new).read(&**cx.task.mm())?;
        TimerSetting { interval: nanos(a, b)?, value: nanos(c, d)? }
    };
    if !matches!(which, ITIMER_REAL | ITIMER_VIRTUAL | ITIMER_PROF) {
        return Err(Errno::EINVAL);
    }
    let was = timer(cx, which)?.set(setting, false);
    if !old.is_null() {
        put(cx, old, was)?;
    }
    Ok(0)
}

fn nanos(sec: i64, usec: i64) -> Result<Nanos, Errno> {
    let sec = u64::try_from(sec).map_err(|_| Errno::EINVAL)?;
    let usec = u64::try_from(usec).ok().filter(|n| *n < SECOND / MICRO).ok_or(Errno::EINVAL)?;
    Ok(sec.saturating_mul(SECOND).saturating_add(usec * MICRO))
}

/// `alarm(2)`: returns the seconds that were left, rounded, and at least one if there was an alarm.
pub(super) fn alarm(cx: &mut CurrentTask, seconds: u32) -> SysResult {
    let value = u64::from(seconds) * SECOND;
    let was = timer(cx, ITIMER_REAL)?.set(TimerSetting { value, interval: 0 }, false);
    let rounded = (was.value + SECOND / 2) / SECOND;
    Ok(if was.value > 0 { rounded.max(1) } else { 0 })
}

/// Watches the processor time of a process whose `RLIMIT_CPU` has been set, or which has just inherited one: `SIGXCPU` each second
/// from the soft limit on, `SIGKILL` at the hard one.
pub(crate) fn watch_cpu_limit(kernel: &Arc<Kernel>, group: &Arc<ThreadGroup>) {
    let soft = group.rlimit(Resource::Cpu).cur;
    if soft == INFINITY {
        group.timers.set_cpu_limit(None);
        return;
    }
    let base =
        || CpuBase::new(kernel.host().clock.clone(), CpuOf::Process(Arc::downgrade(group)), CpuPart::All);
    let (processes, target, look) = (kernel.processes().clone(), Arc::downgrade(group), base());
    let timer = Timer::new(Box::new(base()), kernel.timers().clone(), Some(Signal::XCPU), move || {
        let Some(group) = target.upgrade() else { return Notified::Discarded };
        let hard = group.rlimit(Resource::Cpu).max;
        let signal = if look.now() / SECOND >= hard { Signal::KILL } else { Signal::XCPU };
        processes.send_to_group(&group, SigInfo::kernel(signal), true).ok();
        Notified::Pending
    });
    // A limit of zero means one second, as on Linux.
    let value = soft.max(1).saturating_mul(SECOND);
    timer.set(TimerSetting { value, interval: SECOND }, true);
    group.timers.set_cpu_limit(Some(timer));
}
