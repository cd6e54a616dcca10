//! Advice: `madvise(2)`, `process_madvise(2)`.

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::fcntl::Iovec;
use abi::mm::{MADV_COLD, MADV_COLLAPSE, MADV_PAGEOUT, MADV_WILLNEED};
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::user::UserPtr;

use super::limited;
use crate::current::CurrentTask;
use crate::pidfd::Pidfd;
use crate::ptrace_access::{AccessMode, may_access};
use crate::syscall::SysResult;
use crate::task::Resources;

/// `madvise(2)`.
pub(in crate::syscall) fn madvise(cx: &mut CurrentTask, addr: GuestAddr, len: u64, advice: i32) -> SysResult {
    limited(cx).madvise(addr, len, advice).map(|()| 0)
}

/// [`process_madvise(2)`](https://man7.org/linux/man-pages/man2/process_madvise.2.html): how many bytes were advised. Errors: `EINVAL` for
/// flags and advice that does not suit others; `EBADF`, `ESRCH`, `EFAULT`; `EPERM` for another process without `CAP_SYS_NICE` or that the
/// caller may not look into.
pub(in crate::syscall) fn process_madvise(
    cx: &mut CurrentTask,
    pidfd: Fd,
    iov: UserPtr<Iovec>,
    count: usize,
    advice: i32,
    flags: u32,
) -> SysResult {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let pieces = cx.read_iovecs(iov, count)?;
    let file = super::super::pidfd::get(cx, pidfd)?;
    let target = file.ops_as::<Pidfd>().ok_or(Errno::EBADF)?.target()?;
    let task = cx.kernel.processes().task_of(&target.pid).ok_or(Errno::ESRCH)?;
    let mm = task.resources::<Resources>().and_then(Resources::mm).ok_or(Errno::ESRCH)?;
    may_access(&cx.task.cred(), Some(&cx.task.core), &task, AccessMode::Fs).map_err(|_| Errno::EPERM)?;
    let own = Arc::ptr_eq(&mm, cx.task.mm());
    let gentle = matches!(advice, MADV_COLD | MADV_PAGEOUT | MADV_WILLNEED | MADV_COLLAPSE);
    if !own && !gentle {
        return Err(Errno::EINVAL);
    }
    if !own && !cx.task.cred().has_cap_everywhere(Cap::SysNice) {
        return Err(Errno::EPERM);
    }
    let mut advised = 0;
    for (addr, len) in pieces {
        match mm.madvise(addr, len, advice) {
            Ok(()) => advised += len,
            // What was done counts.
            Err(e) => return if advised > 0 { Ok(advised) } else { Err(e) },
        }
    }
    Ok(advised)
}
