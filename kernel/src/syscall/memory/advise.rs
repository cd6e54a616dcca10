//! Advice: `madvise(2)`, `process_madvise(2)`.

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::fcntl::Iovec;
use abi::mm::{MADV_COLD, MADV_COLLAPSE, MADV_PAGEOUT, MADV_REMOVE, MADV_WILLNEED};
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::user::UserPtr;
use mm::AddressSpace;
use vfs::OpenFile;
use vfs::consts::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE};

use super::limited;
use crate::current::CurrentTask;
use crate::pidfd::Pidfd;
use crate::ptrace_access::{AccessMode, may_access};
use crate::syscall::SysResult;
use crate::task::Resources;

/// `madvise(2)`.
pub(in crate::syscall) fn madvise(cx: &mut CurrentTask, addr: GuestAddr, len: u64, advice: i32) -> SysResult {
    advise(cx, limited(cx), addr, len, advice).map(|()| 0)
}

/// As [`AddressSpace::madvise`], for files too.
fn advise(cx: &CurrentTask, mm: &AddressSpace, addr: GuestAddr, len: u64, advice: i32) -> Result<(), Errno> {
    match mm.madvise(addr, len, advice) {
        Err(Errno::EOPNOTSUPP) if advice == MADV_REMOVE => punch(cx, mm, addr, len),
        done => done,
    }
}

/// Makes holes in the files that are mapped in a range. Errors: as [`AddressSpace::remove_target`]; what the file systems say,
/// `EOPNOTSUPP` from those without holes.
fn punch(cx: &CurrentTask, mm: &AddressSpace, addr: GuestAddr, len: u64) -> Result<(), Errno> {
    let len = len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::EINVAL)?;
    let end = addr.checked_add(len).ok_or(Errno::EINVAL)?;
    let mut at = addr;
    while at < end {
        let part = mm.remove_target(at)?;
        let len = part.len.min(end.0 - at.0);
        match part.owner.as_ref().and_then(|o| o.downcast_ref::<OpenFile>()) {
            Some(file) => {
                let long = |n: u64| i64::try_from(n).map_err(|_| Errno::EINVAL);
                let mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
                file.allocate(mode, long(part.offset)?, long(len)?, &cx.task.cred())?;
            }
            None => mm.madvise(at, len, MADV_REMOVE)?,
        }
        at = at.checked_add(len).ok_or(Errno::EINVAL)?;
    }
    Ok(())
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
        match advise(cx, &mm, addr, len, advice) {
            Ok(()) => advised += len,
            // What was done counts.
            Err(e) => return if advised > 0 { Ok(advised) } else { Err(e) },
        }
    }
    Ok(advised)
}
