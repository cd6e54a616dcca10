//! Waiting for children.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::id::Pid;
use kcore::io::IoError;
use kcore::wait::{Events, WaitSet};
use task::{WaitOptions, WaitSpec, WaitWhich};

use super::SysResult;
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;

/// `wait4(2)`.
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
    let core = cx.task.core.clone();
    let processes = cx.kernel.processes().clone();
    let look = || match processes.wait(&core, &spec) {
        Ok(Some(event)) => Ok(Some(event)),
        Ok(None) if options.contains(WaitOptions::NOHANG) => Ok(None),
        Ok(None) => Err(IoError::Again),
        Err(e) => Err(IoError::Errno(e)),
    };
    let set = WaitSet::one(&core.group().child_queue, Events::all());
    let event = match cx.wait(&set, None, look).await {
        Ok(None) => return Ok(0),
        Ok(Some(event)) => event,
        Err(WaitEnd::Failed(e)) => return Err(e),
        Err(WaitEnd::Interrupted) => return Err(cx.interrupted(Restart::Sys)),
        Err(WaitEnd::TimedOut) => return Err(Errno::EINTR),
    };
    if !status.is_null() {
        cx.put(status, &event.wstatus)?;
    }
    if !rusage.is_null() {
        cx.put(rusage, &super::rusage::words(&event.rusage))?;
    }
    u64::try_from(event.pid.0).map_err(|_| Errno::ECHILD)
}
