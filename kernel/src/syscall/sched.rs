//! Scheduling policies and processor affinity, [`sched(7)`](https://man7.org/linux/man-pages/man7/sched.7.html). They are kept and reported; the executor
//! serves all tasks alike.

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::cred::Cap;
use kcore::id::Pid;
use kcore::user::{UserMemory, UserPtr};
use task::Task;
use task::rlimit::Resource;
use task::task::Sched;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::SysResult;
use super::priority::nice_allowed;
use super::target::may_schedule;
use crate::current::CurrentTask;

const SCHED_NORMAL: u32 = 0;
const SCHED_FIFO: u32 = 1;
const SCHED_RR: u32 = 2;
const SCHED_BATCH: u32 = 3;
const SCHED_IDLE: u32 = 5;
const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;
const MAX_RT_PRIORITY: i32 = 99;

const FLAG_RESET_ON_FORK: u64 = 1;
const FLAG_KEEP_POLICY: u64 = 8;
const FLAG_KEEP_PARAMS: u64 = 0x10;
const FLAG_UTIL_CLAMP: u64 = 0x60;
const FLAG_ALL: u64 = 0x7f;

/// `struct sched_attr`, `include/uapi/linux/sched/types.h`.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    util_min: u32,
    util_max: u32,
}

const ATTR_SIZE: usize = size_of::<SchedAttr>();
const ATTR_SIZE_V0: usize = 48;
const _: () = assert!(ATTR_SIZE == 56);

fn is_realtime(policy: u32) -> bool {
    matches!(policy, SCHED_FIFO | SCHED_RR)
}

/// Numbers of tasks are not negative in these calls. Errors: `EINVAL`, `ESRCH`.
fn target(cx: &CurrentTask, pid: Pid) -> Result<alloc::sync::Arc<Task>, Errno> {
    if pid.0 < 0 { Err(Errno::EINVAL) } else { cx.other_task(pid) }
}

/// Gives a task a policy. Errors: `EINVAL`, `EPERM`.
fn apply(cx: &CurrentTask, t: &Task, new: Sched) -> Result<(), Errno> {
    if !matches!(new.policy, SCHED_NORMAL | SCHED_FIFO | SCHED_RR | SCHED_BATCH | SCHED_IDLE)
        || !(0..=MAX_RT_PRIORITY).contains(&new.priority)
        || is_realtime(new.policy) != (new.priority != 0)
    {
        return Err(Errno::EINVAL);
    }
    let old = t.with_fields(|f| f.sched);
    let (me, it) = (cx.task.cred(), t.cred());
    let rtprio = t.group().rlimit(Resource::Rtprio).cur;
    let too_urgent = if is_realtime(new.policy) {
        new.policy != old.policy && rtprio == 0
            || new.priority > old.priority && u64::try_from(new.priority).is_ok_and(|p| p > rtprio)
    } else {
        new.nice < old.nice && !nice_allowed(t, new.nice)
    };
    let leaves_idle = old.policy == SCHED_IDLE && new.policy != SCHED_IDLE && !nice_allowed(t, old.nice);
    let foreign = me.euid != it.euid && me.euid != it.uid;
    let privileged = too_urgent || leaves_idle || foreign || old.reset_on_fork && !new.reset_on_fork;
    if privileged && !me.has_cap_in(Cap::SysNice, cx.kernel().user_ns()) {
        return Err(Errno::EPERM);
    }
    t.with_fields(|f| f.sched = Sched { affinity: f.sched.affinity, ioprio: f.sched.ioprio, ..new });
    Ok(())
}

fn set_policy(cx: &CurrentTask, pid: Pid, policy: Option<u32>, param: GuestAddr) -> SysResult {
    if param.is_null() || pid.0 < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = UserPtr::<i32>::new(param).read(&**cx.task.mm())?;
    let t = target(cx, pid)?;
    let old = t.with_fields(|f| f.sched);
    let new = match policy {
        Some(p) => Sched {
            policy: p & !SCHED_RESET_ON_FORK,
            reset_on_fork: p & SCHED_RESET_ON_FORK != 0,
            priority,
            ..old
        },
        None => Sched { priority, ..old },
    };
    apply(cx, &t, new)?;
    Ok(0)
}

/// `sched_setscheduler(2)`. Errors: `EINVAL`, `EFAULT`, `ESRCH`, `EPERM`.
pub(super) fn sched_setscheduler(cx: &mut CurrentTask, pid: Pid, policy: i32, param: GuestAddr) -> SysResult {
    let policy = u32::try_from(policy).map_err(|_| Errno::EINVAL)?;
    set_policy(cx, pid, Some(policy), param)
}

/// `sched_setparam(2)`. Errors: as [`sched_setscheduler`].
pub(super) fn sched_setparam(cx: &mut CurrentTask, pid: Pid, param: GuestAddr) -> SysResult {
    set_policy(cx, pid, None, param)
}

/// `sched_getscheduler(2)`. Errors: `EINVAL`, `ESRCH`.
pub(super) fn sched_getscheduler(cx: &mut CurrentTask, pid: Pid) -> SysResult {
    let s = target(cx, pid)?.with_fields(|f| f.sched);
    Ok((s.policy | if s.reset_on_fork { SCHED_RESET_ON_FORK } else { 0 }).into())
}

/// `sched_getparam(2)`. Errors: `EINVAL`, `ESRCH`, `EFAULT`.
pub(super) fn sched_getparam(cx: &mut CurrentTask, pid: Pid, param: GuestAddr) -> SysResult {
    if param.is_null() {
        return Err(Errno::EINVAL);
    }
    let s = target(cx, pid)?.with_fields(|f| f.sched);
    cx.put(param, &s.priority)?;
    Ok(0)
}

/// `sched_setattr(2)`. Errors: `EINVAL`, `E2BIG`, `EFAULT`, `ESRCH`, `EPERM`, `EOPNOTSUPP` for utilization clamps.
pub(super) fn sched_setattr(cx: &mut CurrentTask, pid: Pid, at: GuestAddr, flags: u32) -> SysResult {
    if at.is_null() || pid.0 < 0 || flags != 0 {
        return Err(Errno::EINVAL);
    }
    let attr = read_attr(cx, at)?;
    if i32::try_from(attr.policy).is_err() || attr.flags & !FLAG_ALL != 0 {
        return Err(Errno::EINVAL);
    }
    let t = target(cx, pid)?;
    if attr.flags & FLAG_UTIL_CLAMP != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let old = t.with_fields(|f| f.sched);
    let mut new = Sched {
        policy: if attr.flags & FLAG_KEEP_POLICY != 0 { old.policy } else { attr.policy },
        reset_on_fork: attr.flags & FLAG_RESET_ON_FORK != 0,
        ..old
    };
    if attr.flags & FLAG_KEEP_PARAMS == 0 {
        new.priority = i32::try_from(attr.priority).map_err(|_| Errno::EINVAL)?;
        if !is_realtime(new.policy) {
            new.nice = attr.nice.clamp(-20, 19);
        }
    }
    apply(cx, &t, new)?;
    Ok(0)
}

fn read_attr(cx: &CurrentTask, at: GuestAddr) -> Result<SchedAttr, Errno> {
    let mm = &**cx.task.mm();
    let size = match UserPtr::<u32>::new(at).read(mm)? {
        0 => ATTR_SIZE_V0,
        n => usize::try_from(n).map_err(|_| Errno::E2BIG)?,
    };
    let too_big = || cx.put(at, &56u32).err().unwrap_or(Errno::E2BIG);
    if size < ATTR_SIZE_V0 || size as u64 > PAGE_SIZE {
        return Err(too_big());
    }
    let bytes = UserPtr::<u8>::new(at).read_vec(mm, size)?;
    let (known, rest) = bytes.split_at(size.min(ATTR_SIZE));
    if rest.iter().any(|b| *b != 0) {
        return Err(too_big());
    }
    let mut attr = SchedAttr::default();
    attr.as_mut_bytes()[..known.len()].copy_from_slice(known);
    if attr.flags & FLAG_UTIL_CLAMP != 0 && size < ATTR_SIZE {
        return Err(Errno::EINVAL);
    }
    Ok(attr)
}

/// `sched_getattr(2)`. Errors: `EINVAL`, `ESRCH`, `EFAULT`.
pub(super) fn sched_getattr(
    cx: &mut CurrentTask,
    pid: Pid,
    at: GuestAddr,
    size: u32,
    flags: u32,
) -> SysResult {
    let room = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    if at.is_null() || flags != 0 || room < ATTR_SIZE_V0 || room as u64 > PAGE_SIZE {
        return Err(Errno::EINVAL);
    }
    let s = target(cx, pid)?.with_fields(|f| f.sched);
    let n = room.min(ATTR_SIZE);
    let attr = SchedAttr {
        size: u32::try_from(n).map_err(|_| Errno::EINVAL)?,
        policy: s.policy,
        flags: if s.reset_on_fork { FLAG_RESET_ON_FORK } else { 0 },
        nice: if is_realtime(s.policy) { 0 } else { s.nice },
        priority: u32::try_from(s.priority).unwrap_or(0),
        ..SchedAttr::default()
    };
    if cx.task.mm().copy_out(at, &attr.as_bytes()[..n]) < n { Err(Errno::EFAULT) } else { Ok(0) }
}

/// `sched_get_priority_max(2)`. Errors: `EINVAL`.
pub(super) fn sched_get_priority_max(_: &mut CurrentTask, policy: u32) -> SysResult {
    priority_bound(policy, 99)
}

/// `sched_get_priority_min(2)`. Errors: `EINVAL`.
pub(super) fn sched_get_priority_min(_: &mut CurrentTask, policy: u32) -> SysResult {
    priority_bound(policy, 1)
}

fn priority_bound(policy: u32, realtime: u64) -> SysResult {
    const SCHED_DEADLINE: u32 = 6;
    match policy {
        SCHED_FIFO | SCHED_RR => Ok(realtime),
        SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// `sched_rr_get_interval(2)`: 100 ms for `SCHED_RR`; 0 where there is no fixed slice. Errors: `EINVAL`, `ESRCH`, `EFAULT`.
pub(super) fn sched_rr_get_interval(cx: &mut CurrentTask, pid: Pid, out: GuestAddr) -> SysResult {
    let s = target(cx, pid)?.with_fields(|f| f.sched);
    let ns: u64 = if s.policy == SCHED_RR { 100_000_000 } else { 0 };
    cx.put(out, &[0, ns])?;
    Ok(0)
}

/// `sched_yield(2)`: lets others run that are ready.
pub(super) async fn sched_yield(_: &mut CurrentTask) -> SysResult {
    let_others_run().await;
    Ok(0)
}

/// Goes on after those that are ready to run.
pub(super) async fn let_others_run() {
    let mut first = true;
    core::future::poll_fn(|c| {
        if core::mem::take(&mut first) {
            c.waker().wake_by_ref();
            return core::task::Poll::Pending;
        }
        core::task::Poll::Ready(())
    })
    .await;
}

/// The machine's processors, bit per processor.
fn all_processors(cx: &CurrentTask) -> [u64; 16] {
    let mut left = cx.kernel().host().machine.cpus.len();
    core::array::from_fn(|_| {
        let n = left.min(64);
        left -= n;
        if n == 64 { u64::MAX } else { (1 << n) - 1 }
    })
}

/// Bytes of a processor mask: whole words that cover the processors.
fn mask_size(cx: &CurrentTask) -> usize {
    cx.kernel().host().machine.cpus.len().clamp(1, 1024).div_ceil(64) * 8
}

/// `sched_setaffinity(2)`. Errors: `EFAULT`, `ESRCH`, `EPERM`, `EINVAL` without any processor.
pub(super) fn sched_setaffinity(cx: &mut CurrentTask, pid: Pid, len: usize, mask: GuestAddr) -> SysResult {
    let mut bytes = [0; 128];
    let n = len.min(mask_size(cx));
    if cx.task.mm().copy_in(mask, &mut bytes[..n]) < n {
        return Err(Errno::EFAULT);
    }
    let t = cx.other_task(pid)?;
    if !may_schedule(&cx.task.cred(), &t.cred()) {
        return Err(Errno::EPERM);
    }
    let mut affinity = all_processors(cx);
    for (word, chunk) in affinity.iter_mut().zip(bytes.chunks_exact(8)) {
        *word &= chunk.iter().rev().fold(0, |w, b| w << 8 | u64::from(*b));
    }
    if affinity.iter().all(|w| *w == 0) {
        return Err(Errno::EINVAL);
    }
    t.with_fields(|f| f.sched.affinity = affinity);
    Ok(0)
}

/// `sched_getaffinity(2)`: the bytes stored. Errors: `EINVAL` for a mask that is too small or no whole words, `ESRCH`, `EFAULT`.
pub(super) fn sched_getaffinity(cx: &mut CurrentTask, pid: Pid, len: u32, mask: GuestAddr) -> SysResult {
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    if len.saturating_mul(8) < cx.kernel().host().machine.cpus.len() || !len.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    let affinity = cx.other_task(pid)?.with_fields(|f| f.sched.affinity);
    let n = len.min(mask_size(cx));
    let shown: alloc::vec::Vec<u8> = affinity
        .iter()
        .zip(all_processors(cx))
        .flat_map(|(a, all)| (a & all).to_le_bytes())
        .take(n)
        .collect();
    if cx.task.mm().copy_out(mask, &shown) < n { Err(Errno::EFAULT) } else { Ok(n as u64) }
}
