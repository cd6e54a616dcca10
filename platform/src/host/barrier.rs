//! Memory barriers on other processors, `membarrier(2)`.

use abi::Errno;
use abi::mm::{MEMBARRIER_CMD_GLOBAL_EXPEDITED, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED};

use super::confine::{HostCall, HostCalls};
use super::last_errno;

pub(super) const CALLS: HostCalls =
    HostCalls { of: "barriers", list: &[HostCall::new(libc::SYS_membarrier, "a guest's membarrier(2)")] };

fn membarrier(command: u32) -> Result<(), Errno> {
    // SAFETY: the call takes no pointers.
    if unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) } == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// Makes [`barrier`] reach this process and those that it forks from now on.
///
/// Errors: `ENOSYS` or `EINVAL` on hosts without it.
pub fn register_barrier() -> Result<(), Errno> {
    membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

/// Makes the processors that run threads of registered processes pass a full memory barrier.
///
/// Errors: as [`register_barrier`].
pub fn barrier() -> Result<(), Errno> {
    membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_process_can_be_reached() {
        assert_eq!(register_barrier().and_then(|()| barrier()), Ok(()));
    }
}
