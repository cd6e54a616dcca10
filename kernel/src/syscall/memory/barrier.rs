//! `membarrier(2)`.

use core::sync::atomic::Ordering;

use abi::Errno;
use abi::mm::{
    MEMBARRIER_CMD_GLOBAL, MEMBARRIER_CMD_GLOBAL_EXPEDITED, MEMBARRIER_CMD_PRIVATE_EXPEDITED,
    MEMBARRIER_CMD_QUERY, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
};

use crate::current::CurrentTask;
use crate::syscall::SysResult;

/// Gives back the registrations; newer than most headers.
const MEMBARRIER_CMD_GET_REGISTRATIONS: u32 = 0x200;

const SUPPORTED: u32 = MEMBARRIER_CMD_GLOBAL
    | MEMBARRIER_CMD_GLOBAL_EXPEDITED
    | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED
    | MEMBARRIER_CMD_PRIVATE_EXPEDITED
    | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
    | MEMBARRIER_CMD_GET_REGISTRATIONS;

/// `membarrier(2)`. Errors: `EINVAL` for flags and for commands that are not there; `EPERM` without the registration that a command
/// needs; `ENOSYS` on platforms that cannot.
pub(in crate::syscall) fn membarrier(cx: &mut CurrentTask, command: u32, flags: u32) -> SysResult {
    let platform = cx.kernel().host().platform.clone();
    if !platform.caps().barrier {
        return Err(Errno::ENOSYS);
    }
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let registered = &cx.task.parts().memory.barriers;
    match command {
        MEMBARRIER_CMD_QUERY => Ok(SUPPORTED.into()),
        MEMBARRIER_CMD_GET_REGISTRATIONS => Ok(registered.load(Ordering::Relaxed).into()),
        MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED => {
            registered.fetch_or(command, Ordering::Relaxed);
            Ok(0)
        }
        MEMBARRIER_CMD_PRIVATE_EXPEDITED
            if registered.load(Ordering::Relaxed) & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED == 0 =>
        {
            Err(Errno::EPERM)
        }
        // The platform's barrier reaches all guest threads, which is more than any of these asks for.
        MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED => {
            platform.barrier().map(|()| 0)
        }
        _ => Err(Errno::EINVAL),
    }
}
