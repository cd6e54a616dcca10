//! Commands of `fcntl(2)` about who is told of a file: `F_SETOWN(2const)`, `F_SETSIG(2const)`, `F_SETLEASE(2const)`, `F_NOTIFY`, and
//! `O_ASYNC`.

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::fcntl::{
    DN_MULTISHOT, F_GETLEASE, F_GETOWN, F_GETOWN_EX, F_GETOWNER_UIDS, F_GETSIG, F_NOTIFY, F_OWNER_PGRP,
    F_OWNER_PID, F_OWNER_TID, F_RDLCK, F_SETLEASE, F_SETOWN, F_SETOWN_EX, F_SETSIG, F_UNLCK, F_WRLCK,
    FOwnerEx,
};
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::{Fd, Pid, Uid};
use kcore::user::UserPtr;
use task::signal::Signal;
use vfs::consts::O_ASYNC;
use vfs::leases::LeaseKind;
use vfs::{FileKind, OpenFile};

use super::SysResult;
use super::args::low_int;
use crate::current::CurrentTask;
use crate::dnotify::watch_directory;
use crate::file_signal::{FileOwner, OwnerKind, SignalledLease, watch};

/// The answer to a command of this family; `None` for others.
pub(super) fn owner_command(
    cx: &CurrentTask,
    fd: Fd,
    file: &Arc<OpenFile>,
    cmd: u32,
    arg: u64,
) -> Option<SysResult> {
    let at = GuestAddr(arg);
    Some(match cmd {
        F_SETOWN => set_owner(cx, file, low_int(arg)),
        F_GETOWN => Ok(owner_number(cx, file)),
        F_SETOWN_EX => set_owner_ex(cx, file, at),
        F_GETOWN_EX => get_owner_ex(cx, file, at),
        F_GETOWNER_UIDS => {
            let (uid, euid) = FileOwner::of(file).map_or((Uid::ROOT, Uid::ROOT), |o| o.users);
            let ns = &cx.task.cred().user_ns;
            cx.put(at, &[ns.show_uid(uid), ns.show_uid(euid)]).map(|()| 0)
        }
        F_SETSIG => set_signal(file, arg),
        F_GETSIG => u64::try_from(file.async_state().signal).map_err(|_| Errno::EINVAL),
        F_SETLEASE => set_lease(cx, fd, file, low_int(arg)),
        F_NOTIFY => directory_notification(cx, fd, file, low_int(arg).cast_unsigned()),
        F_GETLEASE => u64::try_from(lease_number(file)).map_err(|_| Errno::EINVAL),
        _ => return None,
    })
}

/// A process for a positive number, a process group for a negative one, nobody for 0. Errors: `ESRCH`, `EINVAL`.
fn set_owner(cx: &CurrentTask, file: &OpenFile, n: i32) -> SysResult {
    match n {
        0 => choose(cx, file, OwnerKind::Process, Pid(0)),
        n if n > 0 => choose(cx, file, OwnerKind::Process, Pid(n)),
        n => choose(cx, file, OwnerKind::Group, Pid(n.checked_neg().ok_or(Errno::EINVAL)?)),
    }
}

fn choose(cx: &CurrentTask, file: &OpenFile, kind: OwnerKind, n: Pid) -> SysResult {
    let pid = if n == Pid(0) {
        None
    } else {
        Some(cx.kernel.processes().pid(&cx.task.core.pid_ns(), n).ok_or(Errno::ESRCH)?)
    };
    let cred = cx.task.cred();
    let owner = Arc::new(FileOwner { kind, pid, users: (cred.uid, cred.euid) });
    file.change_async_state(|s| s.owner = Some(owner));
    Ok(0)
}

/// The owner's kind and number; number 0 for nobody, and for one that is gone.
fn current(cx: &CurrentTask, file: &OpenFile) -> (OwnerKind, i32) {
    let Some(owner) = FileOwner::of(file) else { return (OwnerKind::Thread, 0) };
    let pid = owner.pid.as_ref().filter(|_| owner.exists(cx.kernel.processes()));
    (owner.kind, pid.map_or(0, |p| p.in_ns(&cx.task.core.pid_ns()).0))
}

fn owner_number(cx: &CurrentTask, file: &OpenFile) -> u64 {
    let (kind, n) = current(cx, file);
    let n = if kind == OwnerKind::Group { -n } else { n };
    i64::from(n).cast_unsigned()
}

fn set_owner_ex(cx: &CurrentTask, file: &OpenFile, at: GuestAddr) -> SysResult {
    let raw = UserPtr::<FOwnerEx>::new(at).read(&**cx.task.mm())?;
    let kind = match raw.r#type {
        F_OWNER_TID => OwnerKind::Thread,
        F_OWNER_PID => OwnerKind::Process,
        F_OWNER_PGRP => OwnerKind::Group,
        _ => return Err(Errno::EINVAL),
    };
    choose(cx, file, kind, Pid(raw.pid))
}

fn get_owner_ex(cx: &CurrentTask, file: &OpenFile, at: GuestAddr) -> SysResult {
    let (kind, pid) = current(cx, file);
    let kind = match kind {
        OwnerKind::Thread => F_OWNER_TID,
        OwnerKind::Process => F_OWNER_PID,
        OwnerKind::Group => F_OWNER_PGRP,
    };
    cx.put(at, &FOwnerEx { r#type: kind, pid }).map(|()| 0)
}

/// Errors: `EINVAL` for what is no signal.
fn set_signal(file: &OpenFile, arg: u64) -> SysResult {
    let signal = i32::try_from(arg).map_err(|_| Errno::EINVAL)?;
    if signal != 0 && Signal::new(signal).is_none() {
        return Err(Errno::EINVAL);
    }
    file.change_async_state(|s| s.signal = signal);
    Ok(0)
}

/// `O_ASYNC` came or went: files that others make ready are watched meanwhile.
pub(super) fn follow_async(cx: &CurrentTask, fd: Fd, file: &Arc<OpenFile>) {
    let on = file.flags() & O_ASYNC != 0;
    if on == file.async_state().watch.is_some() {
        return;
    }
    let others =
        file.stat().is_ok_and(|a| matches!(a.kind(), FileKind::Fifo | FileKind::Socket | FileKind::Char));
    let queue = file.queue().filter(|_| on && others);
    let watch = queue.map(|queue| watch(&cx.kernel, file, &queue, fd.0));
    file.change_async_state(|s| s.watch = watch);
}

/// Whoever asks is also the owner from now on. Errors: `ENOTDIR`.
fn directory_notification(cx: &CurrentTask, fd: Fd, file: &Arc<OpenFile>, wanted: u32) -> SysResult {
    let owner = cx.task.files().lock_owner();
    watch_directory(&cx.kernel, file, fd, owner, wanted)?;
    if wanted & !DN_MULTISHOT != 0 {
        choose(cx, file, OwnerKind::Process, cx.task.core.group().tgid())?;
    }
    Ok(0)
}

fn lease_number(file: &OpenFile) -> i16 {
    let kind = file.inode().and_then(|i| i.common().leases().get(file.id()));
    match kind {
        Some(LeaseKind::Read) => F_RDLCK,
        Some(LeaseKind::Write) => F_WRLCK,
        None => F_UNLCK,
    }
}

/// Errors: `EINVAL` for other files than regular ones and other kinds; `EACCES` for another's file without `CAP_LEASE`; `EAGAIN` while
/// others have it open in a way that the lease is against, and without a lease to give up.
fn set_lease(cx: &CurrentTask, fd: Fd, file: &Arc<OpenFile>, kind: i32) -> SysResult {
    let kind = match i16::try_from(kind) {
        Ok(F_RDLCK) => Some(LeaseKind::Read),
        Ok(F_WRLCK) => Some(LeaseKind::Write),
        Ok(F_UNLCK) => None,
        _ => return Err(Errno::EINVAL),
    };
    let inode = file.inode().ok_or(Errno::EINVAL)?;
    let Some(kind) = kind else { return inode.common().leases().remove(file.id()).map(|()| 0) };
    let (attr, cred) = (inode.attr()?, cx.task.cred());
    if cred.fsuid != attr.uid && !cred.has_cap_everywhere(Cap::Lease) {
        return Err(Errno::EACCES);
    }
    if !file.is_regular() {
        return Err(Errno::EINVAL);
    }
    inode.common().set_lease(file, kind, SignalledLease::new(&cx.kernel, file, fd.0))?;
    if FileOwner::of(file).is_none_or(|o| o.pid.is_none()) {
        choose(cx, file, OwnerKind::Process, cx.task.core.group().tgid())?;
    }
    Ok(0)
}
