//! [`prctl(2)`](https://man7.org/linux/man-pages/man2/prctl.2.html): settings of a process and of a thread.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::user::UserMemory;
use task::cred_ops;
use task::signal::Signal;

use super::SysResult;
use super::cred::commit;
use crate::current::CurrentTask;

const PR_SET_PDEATHSIG: u32 = 1;
const PR_GET_PDEATHSIG: u32 = 2;
const PR_GET_DUMPABLE: u32 = 3;
const PR_SET_DUMPABLE: u32 = 4;
const PR_GET_KEEPCAPS: u32 = 7;
const PR_SET_KEEPCAPS: u32 = 8;
const PR_GET_TIMING: u32 = 13;
const PR_SET_TIMING: u32 = 14;
const PR_SET_NAME: u32 = 15;
const PR_GET_NAME: u32 = 16;
const PR_GET_SECCOMP: u32 = 21;
const PR_SET_SECCOMP: u32 = 22;
const PR_CAPBSET_READ: u32 = 23;
const PR_CAPBSET_DROP: u32 = 24;
const PR_GET_TSC: u32 = 25;
const PR_SET_TSC: u32 = 26;
const PR_GET_SECUREBITS: u32 = 27;
const PR_SET_SECUREBITS: u32 = 28;
const PR_SET_TIMERSLACK: u32 = 29;
const PR_GET_TIMERSLACK: u32 = 30;
const PR_MCE_KILL: u32 = 33;
const PR_MCE_KILL_GET: u32 = 34;
const PR_SET_MM: u32 = 35;
const PR_SET_CHILD_SUBREAPER: u32 = 36;
const PR_GET_CHILD_SUBREAPER: u32 = 37;
const PR_SET_NO_NEW_PRIVS: u32 = 38;
const PR_GET_NO_NEW_PRIVS: u32 = 39;
const PR_GET_TID_ADDRESS: u32 = 40;
const PR_SET_THP_DISABLE: u32 = 41;
const PR_GET_THP_DISABLE: u32 = 42;
const PR_CAP_AMBIENT: u32 = 47;
const PR_SET_IO_FLUSHER: u32 = 57;
const PR_GET_IO_FLUSHER: u32 = 58;
const PR_GET_AUXV: u32 = 0x4155_5856;
const PR_SET_VMA: u32 = 0x5356_4d41;

/// `prctl(2)`. Errors: `EINVAL` for options that are not known, and each option's own.
pub(super) fn prctl(cx: &mut CurrentTask, option: u32, a2: u64, a3: u64, a4: u64, a5: u64) -> SysResult {
    let core = cx.task.core.clone();
    let group = core.group();
    let unused = |args: &[u64]| if args.iter().all(|a| *a == 0) { Ok(()) } else { Err(Errno::EINVAL) };
    match option {
        PR_SET_PDEATHSIG => {
            let n = i32::try_from(a2).map_err(|_| Errno::EINVAL)?;
            let signal = if n == 0 { None } else { Some(Signal::new(n).ok_or(Errno::EINVAL)?) };
            core.with_fields(|f| f.pdeath_signal = signal);
            Ok(0)
        }
        PR_GET_PDEATHSIG => put(cx, a2, core.with_fields(|f| f.pdeath_signal).map_or(0, Signal::number)),
        PR_GET_DUMPABLE => Ok(group.dumpable().into()),
        PR_SET_DUMPABLE => {
            group.set_dumpable(flag(a2)?.into());
            Ok(0)
        }
        PR_GET_KEEPCAPS => Ok(u64::from(core.cred().securebits & cred_ops::KEEP_CAPS != 0)),
        PR_SET_KEEPCAPS => commit(cx, cred_ops::set_keep_caps(&core.cred(), flag(a2)?)?),
        PR_GET_TIMING => Ok(0),
        PR_SET_TIMING => unused(&[a2]).map(|()| 0),
        PR_SET_NAME => set_name(cx, GuestAddr(a2)),
        PR_GET_NAME => cx.put(GuestAddr(a2), &core.comm()).map(|()| 0),
        PR_GET_SECCOMP => Ok(core.seccomp().mode().into()),
        PR_SET_SECCOMP => super::seccomp::set_mode(cx, a2, a3),
        PR_CAPBSET_READ => Ok(core.cred().bounding.has(cap(a2)?).into()),
        PR_CAPBSET_DROP => {
            cap(a2)?;
            commit(cx, cred_ops::drop_bounding(&core.cred(), cap(a2)?)?)
        }
        // The time-stamp counter is never made to trap.
        PR_GET_TSC => put(cx, a2, 1),
        PR_SET_TSC => {
            if a2 == 1 {
                Ok(0)
            } else {
                Err(Errno::EINVAL)
            }
        }
        PR_GET_SECUREBITS => Ok(core.cred().securebits.into()),
        PR_SET_SECUREBITS => {
            let bits = u32::try_from(a2).map_err(|_| Errno::EPERM)?;
            commit(cx, cred_ops::set_securebits(&core.cred(), bits)?)
        }
        PR_SET_TIMERSLACK => {
            let slack = if i64::try_from(a2).is_ok() { a2 } else { 0 };
            core.with_fields(|f| f.prctl.timer_slack.set(slack));
            Ok(0)
        }
        PR_GET_TIMERSLACK => Ok(core.with_fields(|f| f.prctl.timer_slack.get())),
        PR_MCE_KILL => {
            unused(&[a4, a5])?;
            mce_kill(cx, a2, a3)
        }
        PR_MCE_KILL_GET => {
            unused(&[a2, a3, a4, a5])?;
            Ok(core.with_fields(|f| f.prctl.mce_kill).map_or(MCE_KILL_DEFAULT, u64::from))
        }
        PR_SET_CHILD_SUBREAPER => {
            group.set_subreaper(a2 != 0);
            Ok(0)
        }
        PR_GET_CHILD_SUBREAPER => put(cx, a2, group.is_subreaper().into()),
        PR_SET_NO_NEW_PRIVS => {
            unused(&[a2.wrapping_sub(1), a3, a4, a5])?;
            core.set_no_new_privs();
            Ok(0)
        }
        PR_GET_NO_NEW_PRIVS => unused(&[a2, a3, a4, a5]).map(|()| core.no_new_privs().into()),
        PR_GET_TID_ADDRESS => {
            let at = core.with_fields(|f| f.clear_child_tid);
            cx.put(GuestAddr(a2), &at).map(|()| 0)
        }
        PR_SET_THP_DISABLE => {
            unused(&[a3, a4, a5])?;
            core.with_fields(|f| f.prctl.thp_disable = a2 != 0);
            Ok(0)
        }
        PR_GET_THP_DISABLE => {
            unused(&[a2, a3, a4, a5])?;
            Ok(core.with_fields(|f| f.prctl.thp_disable).into())
        }
        PR_CAP_AMBIENT => ambient(cx, a2, a3, &[a4, a5]),
        PR_SET_IO_FLUSHER | PR_GET_IO_FLUSHER => {
            if !core.cred().has_cap_in(Cap::SysResource, cx.kernel().user_ns()) {
                return Err(Errno::EPERM);
            }
            unused(&[a3, a4, a5])?;
            if option == PR_GET_IO_FLUSHER {
                unused(&[a2])?;
                return Ok(core.with_fields(|f| f.prctl.io_flusher).into());
            }
            let on = flag(a2)?;
            core.with_fields(|f| f.prctl.io_flusher = on);
            Ok(0)
        }
        PR_SET_MM => super::prctl_mm::set_mm(cx, a2, a3, a4, a5),
        PR_GET_AUXV => super::prctl_mm::get_auxv(cx, a2, a3, [a4, a5]),
        PR_SET_VMA => super::prctl_mm::set_vma(cx, a2, a3, a4, a5),
        _ => Err(Errno::EINVAL),
    }
}

fn put(cx: &CurrentTask, at: u64, value: i32) -> SysResult {
    cx.put(GuestAddr(at), &value).map(|()| 0)
}

fn flag(value: u64) -> Result<bool, Errno> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}

fn cap(n: u64) -> Result<Cap, Errno> {
    Cap::new(n).ok_or(Errno::EINVAL)
}

/// Takes at most 15 bytes of a string. Errors: `EFAULT`.
fn set_name(cx: &CurrentTask, at: GuestAddr) -> SysResult {
    let mut name = [0; 15];
    let got = cx.task.mm().copy_in(at, &mut name);
    match name[..got].iter().position(|b| *b == 0) {
        Some(end) => cx.task.core.set_comm(&name[..end]),
        None if got == name.len() => cx.task.core.set_comm(&name),
        None => return Err(Errno::EFAULT),
    }
    Ok(0)
}

const MCE_KILL_DEFAULT: u64 = 2;

/// When a process dies of a page that the hardware lost: kept, and never needed.
fn mce_kill(cx: &CurrentTask, how: u64, policy: u64) -> SysResult {
    const CLEAR: u64 = 0;
    const SET: u64 = 1;
    let kept = match (how, policy) {
        (CLEAR, 0) | (SET, MCE_KILL_DEFAULT) => None,
        (SET, 0 | 1) => Some(policy == 1),
        _ => return Err(Errno::EINVAL),
    };
    cx.task.core.with_fields(|f| f.prctl.mce_kill = kept);
    Ok(0)
}

fn ambient(cx: &mut CurrentTask, what: u64, n: u64, rest: &[u64]) -> SysResult {
    const IS_SET: u64 = 1;
    const RAISE: u64 = 2;
    const LOWER: u64 = 3;
    const CLEAR_ALL: u64 = 4;
    let c = cx.task.cred();
    if rest.iter().any(|a| *a != 0) {
        return Err(Errno::EINVAL);
    }
    match what {
        CLEAR_ALL if n == 0 => commit(cx, cred_ops::ambient_lower(&c, None)),
        IS_SET => Ok(c.ambient.has(cap(n)?).into()),
        RAISE => commit(cx, cred_ops::ambient_raise(&c, cap(n)?)?),
        LOWER => commit(cx, cred_ops::ambient_lower(&c, Some(cap(n)?))),
        _ => Err(Errno::EINVAL),
    }
}
