//! Locked and resident memory: `mlock(2)`, `mincore(2)`.

use abi::Errno;
use abi::mm::MLOCK_ONFAULT;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::user::UserMemory;

use super::limited;
use crate::current::CurrentTask;
use crate::syscall::SysResult;

/// `mlock(2)`.
pub(in crate::syscall) fn mlock(cx: &mut CurrentTask, addr: GuestAddr, len: u64) -> SysResult {
    limited(cx).mlock(addr, len, false).map(|()| 0)
}

/// `mlock2(2)`. Errors: `EINVAL` for unknown flags; as `mlock(2)`.
pub(in crate::syscall) fn mlock2(cx: &mut CurrentTask, addr: GuestAddr, len: u64, flags: u32) -> SysResult {
    if flags & !MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL);
    }
    limited(cx).mlock(addr, len, flags & MLOCK_ONFAULT != 0).map(|()| 0)
}

/// `munlock(2)`.
pub(in crate::syscall) fn munlock(cx: &mut CurrentTask, addr: GuestAddr, len: u64) -> SysResult {
    cx.task.mm().munlock(addr, len).map(|()| 0)
}

/// `mlockall(2)`.
pub(in crate::syscall) fn mlockall(cx: &mut CurrentTask, flags: u32) -> SysResult {
    limited(cx).mlockall(flags).map(|()| 0)
}

/// `munlockall(2)`.
pub(in crate::syscall) fn munlockall(cx: &mut CurrentTask) -> SysResult {
    cx.task.mm().munlockall();
    Ok(0)
}

/// `mincore(2)`. Errors: `EINVAL` for an unaligned address; `ENOMEM` for what is not mapped; `EFAULT`.
pub(in crate::syscall) fn mincore(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    len: u64,
    out: GuestAddr,
) -> SysResult {
    /// Bytes of memory that one look answers for.
    const STEP: u64 = 4096 * PAGE_SIZE;
    let mm = cx.task.mm();
    if !addr.is_page_aligned() {
        return Err(Errno::EINVAL);
    }
    let end = addr.checked_add(len).filter(|e| *e <= mm.layout().max).ok_or(Errno::ENOMEM)?;
    let (mut at, mut out) = (addr, out);
    while at < end {
        let pages = mm.mincore(at, (end.0 - at.0).min(STEP))?;
        if mm.copy_out(out, &pages) < pages.len() {
            return Err(Errno::EFAULT);
        }
        out = out.checked_add(pages.len() as u64).ok_or(Errno::EFAULT)?;
        at = at.checked_add(STEP).ok_or(Errno::ENOMEM)?;
    }
    Ok(0)
}
