//! [`epoll(7)`](https://man7.org/linux/man-pages/man7/epoll.7.html).

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::poll::{EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EpollEvent};
use kcore::addr::GuestAddr;
use kcore::id::Fd;
use kcore::user::{UserPtr, Write};
use kcore::wait::{Events, WaitSet};
use smallvec::SmallVec;
use vfs::anon::{self, Epoll};
use vfs::consts::O_RDWR;

use super::SysResult;
use super::poll::{Patience, Unready, wait_ready};
use crate::current::CurrentTask;

const MILLISECOND: u64 = 1_000_000;
/// More events than this would not fit an `int` in bytes.
const MAX_EVENTS: i32 = 0x7fff_ffff / 12;

/// `epoll_create(2)`. Errors: `EINVAL` for a size that is not positive, `EMFILE`.
pub(super) fn epoll_create(cx: &mut CurrentTask, size: i32) -> SysResult {
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    epoll_create1(cx, 0)
}

/// `epoll_create1(2)`. Errors: `EINVAL` for unknown flags, `EMFILE`.
pub(super) fn epoll_create1(cx: &mut CurrentTask, flags: u32) -> SysResult {
    if flags & !EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    cx.install(cx.kernel().nameless().open(Epoll::new(), O_RDWR), flags & EPOLL_CLOEXEC != 0)
}

/// `epoll_ctl(2)`. Errors: `EFAULT`, `EBADF`, `EPERM` for a file that cannot be waited for, `EINVAL`, `EEXIST`, `ENOENT`, `ELOOP`.
pub(super) fn epoll_ctl(cx: &mut CurrentTask, epoll: Fd, op: u32, fd: Fd, event: GuestAddr) -> SysResult {
    let event = if op == EPOLL_CTL_DEL {
        EpollEvent::default()
    } else {
        UserPtr::<EpollEvent>::new(event).read(&**cx.task.mm())?
    };
    let event = anon::EpollEvent { events: event.events, data: event.data };
    let file = cx.task.files().get_open(epoll)?;
    let target = cx.task.files().get_open(fd)?;
    if target.queue().is_none() {
        return Err(Errno::EPERM);
    }
    if Arc::ptr_eq(&file, &target) {
        return Err(Errno::EINVAL);
    }
    let instance = Epoll::of(&file).ok_or(Errno::EINVAL)?;
    match op {
        EPOLL_CTL_ADD => instance.add(fd.0, &target, event)?,
        EPOLL_CTL_MOD => instance.modify(fd.0, &target, event)?,
        EPOLL_CTL_DEL => instance.delete(fd.0, &target)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// Where and how many events a call wants. Errors: `EINVAL` for a count that is not positive or too large.
fn room(max: i32) -> Result<usize, Errno> {
    usize::try_from(max).ok().filter(|_| (1..=MAX_EVENTS).contains(&max)).ok_or(Errno::EINVAL)
}

/// Waits for events and stores them. Such a wait is never restarted, as `signal(7)` says.
async fn wait_events(
    cx: &CurrentTask,
    epoll: Fd,
    out: UserPtr<EpollEvent, Write>,
    max: i32,
    patience: Patience,
) -> Result<Result<usize, Unready>, Errno> {
    let file = cx.task.files().get_open(epoll)?;
    let max = room(max)?;
    let instance = Epoll::of(&file).ok_or(Errno::EINVAL)?;
    let mut events: SmallVec<[EpollEvent; 8]> = SmallVec::new();
    let found = wait_ready(
        cx,
        || WaitSet::one(instance.wait_queue(), Events::READABLE),
        patience,
        || instance.collect(max, |e| events.push(EpollEvent { events: e.events, data: e.data })),
    )
    .await;
    out.write_slice(&**cx.task.mm(), &events)?;
    Ok(found)
}

fn outcome(found: Result<usize, Unready>) -> SysResult {
    match found {
        Ok(n) => Ok(n as u64),
        Err(Unready::TimedOut) => Ok(0),
        Err(Unready::Interrupted) => Err(Errno::EINTR),
    }
}

/// Any negative time is for ever.
fn patience_of(cx: &CurrentTask, milliseconds: i32) -> Patience {
    Patience::from_delay(cx, u64::try_from(milliseconds).ok().map(|ms| ms * MILLISECOND))
}

/// `epoll_wait(2)`. Errors: `EBADF`, `EINVAL`, `EFAULT`, `EINTR`.
pub(super) async fn epoll_wait(
    cx: &mut CurrentTask,
    epoll: Fd,
    out: UserPtr<EpollEvent, Write>,
    max: i32,
    timeout: i32,
) -> SysResult {
    let patience = patience_of(cx, timeout);
    outcome(wait_events(cx, epoll, out, max, patience).await?)
}

/// [`epoll_wait`] under another signal mask.
async fn masked_wait(
    cx: &CurrentTask,
    epoll: Fd,
    out: UserPtr<EpollEvent, Write>,
    max: i32,
    patience: Patience,
    mask: (GuestAddr, usize),
) -> SysResult {
    cx.enter_mask(mask.0, mask.1)?;
    let found =
        wait_events(cx, epoll, out, max, patience).await.inspect_err(|_| cx.task.core.restore_mask())?;
    cx.leave_mask(&found);
    outcome(found)
}

/// `epoll_pwait(2)`. Errors: as [`epoll_wait`]; `EINVAL` for a signal set of another size.
pub(super) async fn epoll_pwait(
    cx: &mut CurrentTask,
    epoll: Fd,
    out: UserPtr<EpollEvent, Write>,
    max: i32,
    timeout: i32,
    mask: GuestAddr,
    size: usize,
) -> SysResult {
    let patience = patience_of(cx, timeout);
    masked_wait(cx, epoll, out, max, patience, (mask, size)).await
}

/// `epoll_pwait2(2)`: [`epoll_pwait`] with a `struct timespec`, which it does not change.
pub(super) async fn epoll_pwait2(
    cx: &mut CurrentTask,
    epoll: Fd,
    out: UserPtr<EpollEvent, Write>,
    max: i32,
    timeout: GuestAddr,
    mask: GuestAddr,
    size: usize,
) -> SysResult {
    let patience = Patience::from_timespec(cx, timeout)?;
    masked_wait(cx, epoll, out, max, patience, (mask, size)).await
}
