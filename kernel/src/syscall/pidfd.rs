//! System calls on pidfds.

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::id::{Fd, Pid};
use kcore::user::UserPtr;
use task::signal::{SigInfo, Signal, code};
use vfs::OpenFile;

use super::SysResult;
use super::descriptor::fd_result;
use crate::current::CurrentTask;
use crate::pidfd::{Pidfd, install_pidfd};
use crate::procfs::process_of;
use crate::ptrace_access::{AccessMode, may_access};

/// The pidfd behind a descriptor, and its file. Errors: `EBADF`.
pub(super) fn get(cx: &CurrentTask, fd: Fd) -> Result<Arc<OpenFile>, Errno> {
    let file = cx.task.files().get_open(fd)?;
    if file.ops_as::<Pidfd>().is_some() { Ok(file) } else { Err(Errno::EBADF) }
}

/// `pidfd_open(2)`. Errors: `EINVAL`, `ESRCH`, `ENOENT` for a thread that is no leader without `PIDFD_THREAD`, `EMFILE`.
pub(super) fn pidfd_open(cx: &mut CurrentTask, pid: Pid, flags: u32) -> SysResult {
    const NONBLOCK: u32 = abi::task::clone::PIDFD_NONBLOCK;
    const THREAD: u32 = 0o200;
    if flags & !(NONBLOCK | THREAD) != 0 || pid.0 <= 0 {
        return Err(Errno::EINVAL);
    }
    let task = cx.other_task(pid)?;
    let thread = flags & THREAD != 0;
    if !thread && !task.is_leader() {
        return Err(Errno::ENOENT);
    }
    fd_result(install_pidfd(cx, Pidfd::new(thread, &task), flags & NONBLOCK != 0))
}

/// Whom `pidfd_send_signal` reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Thread,
    Process,
    Group,
}

/// `pidfd_send_signal(2)`. Errors: `EINVAL`, `EBADF`, `EFAULT`, `ESRCH`, `EPERM`.
pub(super) fn pidfd_send_signal(
    cx: &mut CurrentTask,
    fd: Fd,
    sig: i32,
    info: GuestAddr,
    flags: u32,
) -> SysResult {
    let scope = match flags {
        0 => None,
        1 => Some(Scope::Thread),
        2 => Some(Scope::Process),
        4 => Some(Scope::Group),
        _ => return Err(Errno::EINVAL),
    };
    let file = cx.task.files().get_open(fd)?;
    // A process's directory in procfs stands for it, too.
    let (target, is_thread) = match (file.ops_as::<Pidfd>(), process_of(&file)) {
        (Some(pidfd), _) => (pidfd.target()?.pid, pidfd.is_thread()),
        (None, Some(leader)) => (leader.pid(), false),
        (None, None) => return Err(Errno::EBADF),
    };
    let me = cx.task.core.clone();
    if target.in_ns(&me.pid_ns()) == Pid(0) {
        return Err(Errno::EINVAL);
    }
    let signal = if sig == 0 { None } else { Some(Signal::new(sig).ok_or(Errno::EINVAL)?) };
    let given = if info.is_null() {
        None
    } else {
        let bytes = UserPtr::<[u8; 128]>::new(info).read(&**cx.task.mm())?;
        let number = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if number != sig {
            return Err(Errno::EINVAL);
        }
        let given = signal.map(|s| SigInfo::from_bytes(s, &bytes)).transpose()?;
        let impersonates = given.is_some_and(|g| g.code >= 0 || g.code == code::SI_TKILL);
        if impersonates && target.in_ns(&me.pid_ns()) != me.group().tgid() {
            return Err(Errno::EPERM);
        }
        given
    };
    let processes = cx.kernel.processes();
    let to = processes.task_of(&target).ok_or(Errno::ESRCH)?;
    let scope = scope.unwrap_or(if is_thread { Scope::Thread } else { Scope::Process });
    if scope == Scope::Group {
        return processes.kill_pgrp(&me, &target, signal, given).map(|()| 0);
    }
    if !processes.may_send(&me, &to, signal) {
        return Err(Errno::EPERM);
    }
    let Some(signal) = signal else { return Ok(0) };
    let code = if scope == Scope::Thread { code::SI_TKILL } else { code::SI_USER };
    let (own, force) = processes.from_sender(&me, &to, signal, code, None);
    let info = given.unwrap_or(own);
    match scope {
        Scope::Thread => processes.send_to_task(&to, info, force)?,
        _ => processes.send_to_group(to.group(), info, force)?,
    }
    Ok(0)
}

/// `pidfd_getfd(2)`. Errors: `EINVAL`, `EBADF`, `ESRCH`, `EPERM`, `EMFILE`.
pub(super) fn pidfd_getfd(cx: &mut CurrentTask, fd: Fd, theirs: Fd, flags: u32) -> SysResult {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let file = get(cx, fd)?;
    let target = file.ops_as::<Pidfd>().ok_or(Errno::EBADF)?.target()?;
    let to = cx.kernel.processes().task_of(&target.pid).ok_or(Errno::ESRCH)?;
    may_access(&cx.task.cred(), Some(&cx.task.core), &to, AccessMode::Real).map_err(|_| Errno::EPERM)?;
    let files = to.resources::<crate::task::Resources>().and_then(crate::task::Resources::files);
    let found = files.ok_or(Errno::ESRCH)?.get(theirs)?;
    cx.install(found, true)
}
