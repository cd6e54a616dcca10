//! Waiting for a wake.

use core::future::poll_fn;
use core::task::{Poll, Waker};

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::host::Nanos;
use kcore::io::IoError;
use kcore::wait::WaitSet;
use task::futex::FutexWaiter;

use super::{Scope, key};
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;
use crate::syscall::SysResult;
use crate::syscall::time::read_timespec;

/// How a timeout is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timeout {
    /// From now on.
    Relative,
    /// Until a point on the monotonic clock.
    Monotonic,
    /// Until a point on the real-time clock.
    Realtime,
}

/// The monotonic time at which a timeout in guest memory ends. Errors: `EFAULT`; `EINVAL` for a time that is none.
pub(super) fn deadline(cx: &CurrentTask, at: GuestAddr, kind: Timeout) -> Result<Nanos, Errno> {
    let time = read_timespec(cx, at)?;
    let clock = &cx.kernel().host().clock;
    Ok(match kind {
        Timeout::Relative => clock.monotonic().saturating_add(time),
        Timeout::Monotonic => time,
        Timeout::Realtime => clock.monotonic().saturating_add(time.saturating_sub(clock.realtime())),
    })
}

/// The waker of the task's own future.
pub(super) async fn own_waker() -> Waker {
    poll_fn(|c| Poll::Ready(c.waker().clone())).await
}

/// Waits until `waiter` is woken. A wake that comes together with the end of the wait for another reason counts.
pub(super) async fn until_woken(
    cx: &CurrentTask,
    waiter: &FutexWaiter,
    deadline: Option<Nanos>,
) -> Result<(), WaitEnd> {
    let woken = || if waiter.woken() { Ok(()) } else { Err(IoError::Again) };
    match cx.wait(&WaitSet::new(), deadline, woken).await {
        Err(_) if waiter.cancel() => Ok(()),
        end => end,
    }
}

/// `FUTEX_WAIT` and `FUTEX_WAIT_BITSET`.
///
/// Errors: `EINVAL` for an empty bitset or a misaligned word; `EFAULT`; `EAGAIN` if the word is not `value`; `ETIMEDOUT`; `EINTR`.
pub(super) async fn wait(
    cx: &mut CurrentTask,
    (addr, scope): (GuestAddr, Scope),
    value: u32,
    bits: u32,
    deadline: Option<Nanos>,
) -> SysResult {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let deadline = cx.resumed_deadline().or(deadline);
    let mm = cx.task.mm().clone();
    let key = key(&mm, addr, scope)?;
    let waker = own_waker().await;
    let check = || Ok(mm.load_u32(addr)? == value);
    let waiter = cx.kernel().futexes().prepare_wait(key, bits, &waker, check)?;
    match until_woken(cx, &waiter, deadline).await {
        Ok(()) => Ok(0),
        Err(WaitEnd::TimedOut) => Err(Errno::ETIMEDOUT),
        Err(WaitEnd::Failed(e)) => Err(e),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(deadline.map_or(Restart::Sys, Restart::Block))),
    }
}
