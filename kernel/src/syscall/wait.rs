//! Waiting for children, [`wait(2)`](https://man7.org/linux/man-pages/man2/wait.2.html).

use abi::Errno;
use abi::task::clone::{P_ALL, P_PGID, P_PID, P_PIDFD};
use kcore::addr::GuestAddr;
use kcore::id::{Fd, Pid};
use kcore::io::IoError;
use kcore::wait::{Events, WaitSet};
use task::signal::Signal;
use task::{WaitEvent, WaitOptions, WaitSpec, WaitWhich};

use super::SysResult;
use crate::current::{CurrentTask, WaitEnd};
use crate::pidfd::Pidfd;
use crate::restart::Restart;

/// Waits for an event; `None` if there is none yet and the options say not to wait. Errors: `ECHILD`, `EINTR`.
async fn wait_for(cx: &CurrentTask, spec: &WaitSpec) -> Result<Option<WaitEvent>, Errno> {
    let core = cx.task.core.clone();
    let processes = cx.kernel.processes().clone();
    let look = || match processes.wait(&core, spec) {
        Ok(Some(event)) => Ok(Some(event)),
        Ok(None) if spec.options.contains(WaitOptions::NOHANG) => Ok(None),
        Ok(None) => Err(IoError::Again),
        Err(e) => Err(IoError::Errno(e)),
    };
    let set = WaitSet::one(&core.group().child_queue, Events::all());
    match cx.wait(&set, None, look).await {
        Ok(event) => Ok(event),
        Err(WaitEnd::Failed(e)) => Err(e),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::Sys)),
        Err(WaitEnd::TimedOut) => Err(Errno::EINTR),
    }
}

/// `wait4(2)`. Errors: `EINVAL`, `ESRCH`, `ECHILD`, `EINTR`, `EFAULT`.
pub(super) async fn wait4(
    cx: &mut CurrentTask,
    pid: Pid,
    status: GuestAddr,
    options: u32,
    rusage: GuestAddr,
) -> SysResult {
    let options = WaitOptions::from_bits(options).ok_or(Errno::EINVAL)?;
    if options.intersects(WaitOptions::EXITED | WaitOptions::NOWAIT) {
        return Err(Errno::EINVAL);
    }
    let which = match pid.0 {
        -1 => WaitWhich::Any,
        0 => WaitWhich::Pgrp(None),
        n if n > 0 => WaitWhich::Pid(pid),
        n => WaitWhich::Pgrp(Some(Pid(n.checked_neg().ok_or(Errno::ESRCH)?))),
    };
    let spec = WaitSpec { which, options: options | WaitOptions::EXITED };
    let Some(event) = wait_for(cx, &spec).await? else { return Ok(0) };
    if !status.is_null() {
        cx.put(status, &event.wstatus)?;
    }
    if !rusage.is_null() {
        cx.put(rusage, &super::rusage::words(&event.rusage))?;
    }
    u64::try_from(event.pid.0).map_err(|_| Errno::ECHILD)
}

/// `waitid(2)`, the system call, which also stores resource usage. Errors: `EINVAL`, `EBADF`, `ECHILD`, `EAGAIN` for a non-blocking
/// pidfd, `EINTR`, `EFAULT`.
pub(super) async fn waitid(
    cx: &mut CurrentTask,
    kind: u32,
    id: i32,
    info: GuestAddr,
    options: u32,
    rusage: GuestAddr,
) -> SysResult {
    let changes = WaitOptions::EXITED | WaitOptions::STOPPED | WaitOptions::CONTINUED;
    let mut options = WaitOptions::from_bits(options).ok_or(Errno::EINVAL)?;
    if !options.intersects(changes) {
        return Err(Errno::EINVAL);
    }
    let mut nonblocking = false;
    let which = match kind {
        P_ALL => WaitWhich::Any,
        P_PID if id > 0 => WaitWhich::Pid(Pid(id)),
        P_PGID if id == 0 => WaitWhich::Pgrp(None),
        P_PGID if id > 0 => WaitWhich::Pgrp(Some(Pid(id))),
        P_PIDFD if id >= 0 => {
            let file = super::pidfd::get(cx, Fd(id))?;
            nonblocking = file.is_nonblocking() && !options.contains(WaitOptions::NOHANG);
            WaitWhich::Pidfd(file.ops_as::<Pidfd>().ok_or(Errno::EBADF)?.target()?.pid)
        }
        _ => return Err(Errno::EINVAL),
    };
    if nonblocking {
        options |= WaitOptions::NOHANG;
    }
    let result = match wait_for(cx, &WaitSpec { which, options }).await {
        Ok(None) if nonblocking => Err(Errno::EAGAIN),
        other => other,
    };
    let event = result.as_ref().ok().and_then(Option::as_ref);
    if let Some(event) = event
        && !rusage.is_null()
    {
        cx.put(rusage, &super::rusage::words(&event.rusage))?;
    }
    if !info.is_null() {
        put_info(cx, info, event)?;
    }
    result.map(|_| 0)
}

/// Stores the fields of `siginfo_t` that a wait fills, and no other bytes: zeros if there was no event.
fn put_info(cx: &CurrentTask, at: GuestAddr, event: Option<&WaitEvent>) -> Result<(), Errno> {
    let (head, child) = match event {
        Some(e) => {
            let uid = cx.task.cred().user_ns.show_uid(e.uid);
            ([Signal::CHLD.number(), 0, e.code], [e.pid.0, uid.cast_signed(), e.status])
        }
        None => ([0; 3], [0; 3]),
    };
    cx.put(at, &head)?;
    cx.put(at.checked_add(16).ok_or(Errno::EFAULT)?, &child)
}
