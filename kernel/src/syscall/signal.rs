//! System calls on signals.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::id::Pid;
use kcore::io::{IoError, IoResult};
use kcore::user::{UserMemory, UserPtr};
use kcore::wait::WaitSet;
use task::signal::{AltStack, SaFlags, SigAction, SigInfo, SigSet, SigmaskHow, Signal};

use super::SysResult;
use super::time::read_timespec;
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;

/// Size in bytes of the kernel's signal sets.
const SET_SIZE: usize = 8;

fn check_size(size: usize) -> Result<(), Errno> {
    if size == SET_SIZE { Ok(()) } else { Err(Errno::EINVAL) }
}

fn read_set(cx: &CurrentTask, at: GuestAddr) -> Result<SigSet, Errno> {
    Ok(SigSet(UserPtr::<u64>::new(at).read(&**cx.task.mm())?))
}

/// A signal number to send: `None` for 0, which only checks. Errors: `EINVAL`.
fn to_send(sig: i32) -> Result<Option<Signal>, Errno> {
    if sig == 0 { Ok(None) } else { Signal::new(sig).map(Some).ok_or(Errno::EINVAL) }
}

/// `rt_sigaction(2)`.
pub(super) fn rt_sigaction(
    cx: &mut CurrentTask,
    sig: i32,
    new: GuestAddr,
    old: GuestAddr,
    size: usize,
) -> SysResult {
    check_size(size)?;
    let signal = Signal::new(sig).ok_or(Errno::EINVAL)?;
    let new = match new.is_null() {
        true => None,
        false => {
            let [handler, flags, restorer, mask] = UserPtr::<[u64; 4]>::new(new).read(&**cx.task.mm())?;
            Some(SigAction {
                handler,
                flags: SaFlags::from_bits_truncate(flags),
                restorer,
                mask: SigSet(mask),
            })
        }
    };
    let was = cx.task.core.group().sigaction(signal, new)?;
    if !old.is_null() {
        cx.put(old, &[was.handler, was.flags.bits(), was.restorer, was.mask.0])?;
    }
    Ok(0)
}

/// `rt_sigprocmask(2)`.
pub(super) fn rt_sigprocmask(
    cx: &mut CurrentTask,
    how: i32,
    new: GuestAddr,
    old: GuestAddr,
    size: usize,
) -> SysResult {
    check_size(size)?;
    let core = cx.task.core.clone();
    let was = if new.is_null() {
        core.sigmask()
    } else {
        let how = match how {
            0 => SigmaskHow::Block,
            1 => SigmaskHow::Unblock,
            2 => SigmaskHow::Set,
            _ => return Err(Errno::EINVAL),
        };
        core.sigprocmask(how, read_set(cx, new)?)
    };
    if !old.is_null() {
        cx.put(old, &was.0)?;
    }
    Ok(0)
}

/// `rt_sigpending(2)`: up to `size` bytes of the set.
pub(super) fn rt_sigpending(cx: &mut CurrentTask, out: GuestAddr, size: usize) -> SysResult {
    let set = cx.task.core.sigpending().0.to_le_bytes();
    let bytes = set.get(..size).ok_or(Errno::EINVAL)?;
    if cx.task.mm().copy_out(out, bytes) == size { Ok(0) } else { Err(Errno::EFAULT) }
}

/// `rt_sigtimedwait(2)`. Errors: `EAGAIN` at the timeout; `EINTR` for another signal; `EINVAL`, `EFAULT`.
pub(super) async fn rt_sigtimedwait(
    cx: &mut CurrentTask,
    set: GuestAddr,
    info: GuestAddr,
    timeout: GuestAddr,
    size: usize,
) -> SysResult {
    check_size(size)?;
    let set = read_set(cx, set)?;
    let deadline = match timeout.is_null() {
        true => None,
        false => Some(cx.kernel().host().clock.monotonic().saturating_add(read_timespec(cx, timeout)?)),
    };
    let core = cx.task.core.clone();
    core.set_sigwait(set);
    let take = || core.dequeue_mask(set).map_err(|_| IoError::Again);
    let end = cx.wait(&WaitSet::new(), deadline, take).await;
    core.set_sigwait(SigSet::EMPTY);
    let taken = match end {
        Ok(taken) => taken,
        Err(WaitEnd::TimedOut) => return Err(Errno::EAGAIN),
        Err(WaitEnd::Interrupted) => return Err(Errno::EINTR),
        Err(WaitEnd::Failed(e)) => return Err(e),
    };
    if !info.is_null() {
        cx.put(info, &taken.to_bytes())?;
    }
    u64::try_from(taken.signal.number()).map_err(|_| Errno::EINVAL)
}

/// What a guest made up for a signal, and whether it only asks if it could be sent. Errors: `EFAULT`, `EINVAL`, `E2BIG`.
fn read_info(cx: &CurrentTask, sig: i32, at: GuestAddr) -> Result<(SigInfo, bool), Errno> {
    let bytes = UserPtr::<[u8; 128]>::new(at).read(&**cx.task.mm())?;
    let signal = to_send(sig)?;
    Ok((SigInfo::from_bytes(signal.unwrap_or(Signal::HUP), &bytes)?, signal.is_none()))
}

/// `rt_sigqueueinfo(2)`.
pub(super) fn rt_sigqueueinfo(cx: &mut CurrentTask, pid: Pid, sig: i32, info: GuestAddr) -> SysResult {
    let (info, check_only) = read_info(cx, sig, info)?;
    cx.kernel().processes().sigqueue(&cx.task.core, None, pid, info, check_only).map(|()| 0)
}

/// `rt_tgsigqueueinfo(2)`.
pub(super) fn rt_tgsigqueueinfo(
    cx: &mut CurrentTask,
    tgid: Pid,
    tid: Pid,
    sig: i32,
    info: GuestAddr,
) -> SysResult {
    let (info, check_only) = read_info(cx, sig, info)?;
    cx.kernel().processes().sigqueue(&cx.task.core, Some(tgid), tid, info, check_only).map(|()| 0)
}

/// `restart_syscall(2)`, when there is nothing to go on with: what a guest that calls it itself gets.
pub(super) fn restart_syscall(_: &mut CurrentTask) -> SysResult {
    Err(Errno::EINTR)
}

/// `rt_sigreturn(2)`. A frame that cannot be read ends in `SIGSEGV`.
pub(super) fn rt_sigreturn(cx: &mut CurrentTask) -> SysResult {
    if let Err(e) = cx.leave_handler() {
        cx.fault_signal(SigInfo::kernel(Signal::SEGV));
        return Err(e);
    }
    // The register that the handler interrupted, not a result of this call.
    Ok(cx.regs.result())
}

/// Waits for a signal that runs a handler or ends the process.
async fn wait_for_signal(cx: &mut CurrentTask) -> SysResult {
    let never = || -> IoResult<()> { Err(IoError::Again) };
    let _ = cx.wait(&WaitSet::new(), None, never).await;
    Err(cx.interrupted(Restart::NoHandler))
}

/// `pause(2)`.
pub(super) async fn pause(cx: &mut CurrentTask) -> SysResult {
    wait_for_signal(cx).await
}

/// `rt_sigsuspend(2)`.
pub(super) async fn rt_sigsuspend(cx: &mut CurrentTask, mask: GuestAddr, size: usize) -> SysResult {
    check_size(size)?;
    let mask = read_set(cx, mask)?;
    cx.task.core.suspend_mask(mask);
    wait_for_signal(cx).await
}

/// `sigaltstack(2)`.
pub(super) fn sigaltstack(cx: &mut CurrentTask, new: GuestAddr, old: GuestAddr) -> SysResult {
    let rsp = cx.regs.get().rsp;
    let was = cx.task.core.altstack().report(rsp);
    if !new.is_null() {
        let [sp, flags, size] = UserPtr::<[u64; 3]>::new(new).read(&**cx.task.mm())?;
        let flags = u32::try_from(flags & 0xffff_ffff).map_err(|_| Errno::EINVAL)?;
        cx.task.core.set_altstack(AltStack { sp, size, flags }, rsp)?;
    }
    if !old.is_null() {
        cx.put(old, &[was.sp, was.flags.into(), was.size])?;
    }
    Ok(0)
}

/// `kill(2)`.
pub(super) fn kill(cx: &mut CurrentTask, pid: Pid, sig: i32) -> SysResult {
    cx.kernel().processes().kill(&cx.task.core, pid.0, to_send(sig)?).map(|()| 0)
}

/// `tkill(2)`.
pub(super) fn tkill(cx: &mut CurrentTask, tid: Pid, sig: i32) -> SysResult {
    if tid.0 <= 0 {
        return Err(Errno::EINVAL);
    }
    cx.kernel().processes().tgkill(&cx.task.core, None, tid, to_send(sig)?).map(|()| 0)
}

/// `tgkill(2)`.
pub(super) fn tgkill(cx: &mut CurrentTask, tgid: Pid, tid: Pid, sig: i32) -> SysResult {
    if tid.0 <= 0 || tgid.0 <= 0 {
        return Err(Errno::EINVAL);
    }
    cx.kernel().processes().tgkill(&cx.task.core, Some(tgid), tid, to_send(sig)?).map(|()| 0)
}
