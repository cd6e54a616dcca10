//! System calls on the process itself.

use abi::Errno;
use kcore::addr::GuestAddr;

use super::SysResult;
use crate::current::CurrentTask;
use kcore::user::UserMemory;
use task::ExitStatus;

/// `exit(2)`: ends this thread; the low eight bits are the status.
pub(super) fn exit(cx: &mut CurrentTask, status: i32) -> SysResult {
    cx.exiting = Some(ExitStatus::Exited(status.to_le_bytes()[0]));
    Ok(0)
}

/// `exit_group(2)`: ends the process.
pub(super) fn exit_group(cx: &mut CurrentTask, status: i32) -> SysResult {
    let status = ExitStatus::Exited(status.to_le_bytes()[0]);
    cx.exiting = Some(cx.kernel.processes().exit_group(&cx.task.core, status));
    Ok(0)
}

/// The word that `set_tid_address` or `CLONE_CHILD_CLEARTID` named is zeroed at the thread's end, and a waiter on it woken.
pub(crate) fn clear_child_tid(cx: &mut CurrentTask) {
    let addr = cx.task.core.with_fields(|f| core::mem::take(&mut f.clear_child_tid));
    let mm = cx.task.mm();
    if addr != 0 && mm.copy_out(GuestAddr(addr), &[0; 4]) == 4 {
        super::futex::wake_at(cx, GuestAddr(addr), 1).ok();
    }
}

fn positive(pid: kcore::id::Pid) -> SysResult {
    u64::try_from(pid.0).map_err(|_| Errno::ESRCH)
}

/// `getpid(2)`.
pub(super) fn getpid(cx: &mut CurrentTask) -> SysResult {
    positive(cx.task.core.group().tgid())
}

/// `gettid(2)`.
pub(super) fn gettid(cx: &mut CurrentTask) -> SysResult {
    positive(cx.task.tid())
}

/// `getppid(2)`: 0 for a process whose parent is outside its namespace.
pub(super) fn getppid(cx: &mut CurrentTask) -> SysResult {
    positive(cx.kernel().processes().ppid(&cx.task.core))
}

/// `setsid(2)`.
pub(super) fn setsid(cx: &mut CurrentTask) -> SysResult {
    positive(cx.kernel().processes().setsid(&cx.task.core)?)
}

/// `setpgid(2)`.
pub(super) fn setpgid(cx: &mut CurrentTask, pid: kcore::id::Pid, pgid: kcore::id::Pid) -> SysResult {
    cx.kernel().processes().setpgid(&cx.task.core, pid, pgid).map(|()| 0)
}

/// `getpgid(2)`.
pub(super) fn getpgid(cx: &mut CurrentTask, pid: kcore::id::Pid) -> SysResult {
    positive(cx.kernel().processes().getpgid(&cx.task.core, pid)?)
}

/// `getpgrp(2)`.
pub(super) fn getpgrp(cx: &mut CurrentTask) -> SysResult {
    getpgid(cx, kcore::id::Pid(0))
}

/// `getsid(2)`.
pub(super) fn getsid(cx: &mut CurrentTask, pid: kcore::id::Pid) -> SysResult {
    positive(cx.kernel().processes().getsid(&cx.task.core, pid)?)
}

/// `set_tid_address(2)`.
pub(super) fn set_tid_address(cx: &mut CurrentTask, addr: GuestAddr) -> SysResult {
    cx.task.core.with_fields(|f| f.clear_child_tid = addr.0);
    gettid(cx)
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
        ARCH_SET_FS => cx.regs.get_mut().fs_base = addr,
        ARCH_SET_GS => cx.regs.get_mut().gs_base = addr,
        ARCH_GET_FS => cx.put(GuestAddr(addr), &cx.regs.get().fs_base)?,
        ARCH_GET_GS => cx.put(GuestAddr(addr), &cx.regs.get().gs_base)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// `personality(2)`: the one before; `0xffffffff` only asks.
pub(super) fn personality(cx: &mut CurrentTask, persona: u32) -> SysResult {
    let core = &cx.task.core;
    Ok(core.with_fields(|f| {
        let old = f.personality;
        if persona != u32::MAX {
            f.personality = persona;
        }
        old.into()
    }))
}
