//! Advice: `madvise(2)`, `process_madvise(2)`.

use kcore::addr::GuestAddr;

use super::limited;
use crate::current::CurrentTask;
use crate::syscall::SysResult;

/// `madvise(2)`.
pub(in crate::syscall) fn madvise(cx: &mut CurrentTask, addr: GuestAddr, len: u64, advice: i32) -> SysResult {
    limited(cx).madvise(addr, len, advice).map(|()| 0)
}
