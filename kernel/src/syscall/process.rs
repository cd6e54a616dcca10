//! System calls on the process itself.

use abi::Errno;
use kcore::addr::GuestAddr;

use super::SysResult;
use crate::current::CurrentTask;
use crate::task::ExitStatus;

/// `exit(2)` and `exit_group(2)`: the low eight bits are the status.
pub(super) fn exit(cx: &mut CurrentTask, status: i32) -> SysResult {
    cx.exiting = Some(ExitStatus::Code(status.to_le_bytes()[0]));
    Ok(0)
}

/// `getpid(2)` and `gettid(2)`.
pub(super) fn getpid(cx: &mut CurrentTask) -> SysResult {
    u64::try_from(cx.task.pid().0).map_err(|_| Errno::ESRCH)
}

/// `getuid(2)`.
pub(super) fn getuid(cx: &mut CurrentTask) -> SysResult {
    Ok(cx.task.cred().uid.0.into())
}

/// `geteuid(2)`.
pub(super) fn geteuid(cx: &mut CurrentTask) -> SysResult {
    Ok(cx.task.cred().euid.0.into())
}

/// `getgid(2)`.
pub(super) fn getgid(cx: &mut CurrentTask) -> SysResult {
    Ok(cx.task.cred().gid.0.into())
}

/// `getegid(2)`.
pub(super) fn getegid(cx: &mut CurrentTask) -> SysResult {
    Ok(cx.task.cred().egid.0.into())
}

/// `set_tid_address(2)`.
pub(super) fn set_tid_address(cx: &mut CurrentTask, _addr: GuestAddr) -> SysResult {
    getpid(cx)
}

/// `arch_prctl(2)`. Errors: `EPERM` for a base outside the guest's addresses, `EINVAL` for other codes.
pub(super) fn arch_prctl(cx: &mut CurrentTask, code: i32, addr: u64) -> SysResult {
    const ARCH_SET_GS: i32 = 0x1001;
    const ARCH_SET_FS: i32 = 0x1002;
    const ARCH_GET_FS: i32 = 0x1003;
    const ARCH_GET_GS: i32 = 0x1004;
    let allowed = addr < cx.task.mm().layout().max.0;
    match code {
        ARCH_SET_FS | ARCH_SET_GS if !allowed => return Err(Errno::EPERM),
        ARCH_SET_FS => cx.regs.fs_base = addr,
        ARCH_SET_GS => cx.regs.gs_base = addr,
        ARCH_GET_FS => cx.put(GuestAddr(addr), &cx.regs.fs_base)?,
        ARCH_GET_GS => cx.put(GuestAddr(addr), &cx.regs.gs_base)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
