//! System calls about what tasks used.

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::host::Nanos;
use kcore::id::Pid;
use task::rusage::Rusage;
use task::timers::TimeBase;

use super::SysResult;
use crate::current::CurrentTask;
use crate::timebase::{CpuBase, CpuOf, CpuPart};

const SECOND: u64 = 1_000_000_000;
/// Nanoseconds of a clock tick (`sysconf(_SC_CLK_TCK)` is 100).
pub(crate) const TICK: u64 = 10_000_000;

/// `struct rusage`, word by word.
pub(super) fn words(r: &Rusage) -> [u64; 18] {
    let mut w = [0; 18];
    w[..4].copy_from_slice(&[
        r.user_ns / SECOND,
        r.user_ns % SECOND / 1000,
        r.system_ns / SECOND,
        r.system_ns % SECOND / 1000,
    ]);
    w[4] = r.max_rss;
    w[8..10].copy_from_slice(&[r.min_flt, r.maj_flt]);
    w[16..].copy_from_slice(&[r.nvcsw, r.nivcsw]);
    w
}

/// What the caller's process used until now.
pub(crate) fn own_process(cx: &CurrentTask, now: Nanos) -> Rusage {
    let mut used = cx.task.core.group().rusage_self(now);
    used.max_rss = used.max_rss.max(cx.task.mm().peak_rss() >> 10);
    used
}

/// `getrusage(2)`. Errors: `EINVAL` for another `who`, `EFAULT`.
pub(super) fn getrusage(cx: &mut CurrentTask, who: i32, out: GuestAddr) -> SysResult {
    const RUSAGE_CHILDREN: i32 = -1;
    const RUSAGE_SELF: i32 = 0;
    const RUSAGE_THREAD: i32 = 1;
    let now = cx.kernel().host().clock.monotonic();
    let used = match who {
        RUSAGE_SELF => own_process(cx, now),
        RUSAGE_CHILDREN => cx.task.core.group().rusage_children(),
        RUSAGE_THREAD => {
            Rusage { max_rss: own_process(cx, now).max_rss, ..Rusage::of_task(&cx.task.core, now) }
        }
        _ => return Err(Errno::EINVAL),
    };
    cx.put(out, &words(&used)).map(|()| 0)
}

/// `times(2)`: ticks since some moment in the past. Errors: `EFAULT`.
pub(super) fn times(cx: &mut CurrentTask, out: GuestAddr) -> SysResult {
    let now = cx.kernel().host().clock.monotonic();
    if !out.is_null() {
        let group = cx.task.core.group();
        let (own, children) = (group.rusage_self(now), group.rusage_children());
        let ns = [own.user_ns, own.system_ns, children.user_ns, children.system_ns];
        cx.put(out, &ns.map(|n| n / TICK))?;
    }
    Ok(now / TICK)
}

/// The time of a CPU clock: the calling process's or thread's, or that of the one whose number is in `clock` as
/// `clock_getcpuclockid(3)` and `pthread_getcpuclockid(3)` put it there.
///
/// Errors: `EINVAL` for a clock that is none, a process that is not there, or a thread of another process.
pub(super) fn cpu_clock(cx: &CurrentTask, clock: i32) -> Result<Nanos, Errno> {
    Ok(cpu_base(cx, clock)?.now())
}

/// The same clock, for timers. Errors: as [`cpu_clock`].
pub(super) fn cpu_base(cx: &CurrentTask, clock: i32) -> Result<CpuBase, Errno> {
    const PROCESS_CPUTIME_ID: i32 = 2;
    const THREAD_CPUTIME_ID: i32 = 3;
    let core = &cx.task.core;
    let base = |of, part| CpuBase::new(cx.kernel().host().clock.clone(), of, part);
    let process = |g| CpuOf::Process(Arc::downgrade(g));
    match clock {
        PROCESS_CPUTIME_ID => return Ok(base(process(core.group()), CpuPart::All)),
        THREAD_CPUTIME_ID => return Ok(base(CpuOf::Thread(Arc::downgrade(core)), CpuPart::All)),
        _ => {}
    }
    // What is counted: user and system time, user time, or all of the time on a processor, which is the same as the first here.
    let part = match clock & 3 {
        0 | 2 => CpuPart::All,
        1 => CpuPart::User,
        _ => return Err(Errno::EINVAL),
    };
    let per_thread = clock & 4 != 0;
    let number = !(clock >> 3);
    if clock >= 0 {
        return Err(Errno::EINVAL);
    }
    let (processes, ns) = (cx.kernel().processes(), core.pid_ns());
    let of = match (per_thread, number) {
        (false, 0) => process(core.group()),
        (true, 0) => CpuOf::Thread(Arc::downgrade(core)),
        (false, n) => process(&processes.group(&ns, Pid(n)).ok_or(Errno::EINVAL)?),
        (true, n) => {
            let thread = processes.task(&ns, Pid(n)).ok_or(Errno::EINVAL)?;
            if thread.group().id() != core.group().id() {
                return Err(Errno::EINVAL);
            }
            CpuOf::Thread(Arc::downgrade(&thread))
        }
    };
    Ok(base(of, part))
}
