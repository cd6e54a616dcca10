//! The calls that take words with flags of their own: `futex_waitv(2)`, `futex_wake`, `futex_wait`, `futex_requeue`.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::host::Nanos;
use kcore::io::IoError;
use kcore::user::UserPtr;
use kcore::wait::WaitSet;
use task::futex::{FutexKey, FutexWaiter, MATCH_ANY};

use super::wait::{Timeout, deadline, own_waker, until_woken};
use super::{Scope, key, wake};
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;
use crate::syscall::SysResult;

/// `FUTEX2_SIZE_U32`: the only size there is.
const SIZE_U32: u32 = 2;
/// `FUTEX2_PRIVATE`.
const PRIVATE: u32 = 128;
/// `FUTEX_WAITV_MAX`.
const WAITV_MAX: u32 = 128;

/// Errors: `EINVAL` for unknown flags.
fn scope(flags: u32) -> Result<Scope, Errno> {
    match flags {
        SIZE_U32 => Ok(Scope::Shared),
        f if f == SIZE_U32 | PRIVATE => Ok(Scope::Private),
        _ => Err(Errno::EINVAL),
    }
}

/// A value or mask that must fit the size of the word. Errors: `EINVAL`.
fn word_value(v: u64) -> Result<u32, Errno> {
    u32::try_from(v).map_err(|_| Errno::EINVAL)
}

fn absolute(cx: &CurrentTask, at: GuestAddr, clock: i32) -> Result<Option<Nanos>, Errno> {
    if at.is_null() {
        return Ok(None);
    }
    let kind = match clock {
        0 => Timeout::Realtime,
        1 => Timeout::Monotonic,
        _ => return Err(Errno::EINVAL),
    };
    deadline(cx, at, kind).map(Some)
}

/// One element of the array of `futex_waitv`.
struct Target {
    addr: GuestAddr,
    scope: Scope,
    value: u32,
}

/// Reads `n` elements. Errors: `EFAULT`, `EINVAL`.
fn read_targets(cx: &CurrentTask, at: GuestAddr, n: usize) -> Result<Vec<Target>, Errno> {
    UserPtr::<[u64; 3]>::new(at)
        .read_vec(&**cx.task.mm(), n)?
        .into_iter()
        .map(|[value, addr, flags]| {
            // The upper half is reserved.
            let scope = scope(word_value(flags)?)?;
            Ok(Target { addr: GuestAddr(addr), scope, value: word_value(value)? })
        })
        .collect()
}

/// `futex_waitv(2)`: waits for a wake at any of several words, and returns which.
///
/// Errors: `EINVAL` for flags, an empty or too long array, or a clock that is none; `EAGAIN` if a word has another value; `EFAULT`,
/// `ETIMEDOUT`.
pub(in crate::syscall) async fn futex_waitv(
    cx: &mut CurrentTask,
    waiters: GuestAddr,
    n: u32,
    flags: u32,
    timeout: GuestAddr,
    clock: i32,
) -> SysResult {
    if flags != 0 || !(1..=WAITV_MAX).contains(&n) || waiters.is_null() {
        return Err(Errno::EINVAL);
    }
    let deadline = absolute(cx, timeout, clock)?;
    let targets = read_targets(cx, waiters, usize::try_from(n).map_err(|_| Errno::EINVAL)?)?;
    let mm = cx.task.mm().clone();
    let keys: Vec<FutexKey> = targets.iter().map(|t| key(&mm, t.addr, t.scope)).collect::<Result<_, _>>()?;
    let waker = own_waker().await;
    let futexes = cx.kernel().futexes().clone();
    let mut queued: Vec<FutexWaiter> = Vec::with_capacity(keys.len());
    for (t, key) in targets.iter().zip(keys) {
        let check = || Ok(mm.load_u32(t.addr)? == t.value);
        match futexes.prepare_wait(key, MATCH_ANY, &waker, check) {
            Ok(w) => queued.push(w),
            // A wake that came meanwhile counts more than a word that has changed.
            Err(e) => return leave(&queued).ok_or(e),
        }
    }
    let woken = || queued.iter().position(FutexWaiter::woken).ok_or(IoError::Again);
    let end = cx.wait(&WaitSet::new(), deadline, woken).await;
    match (leave(&queued), end) {
        (Some(i), _) => Ok(i),
        (None, Ok(i)) => Ok(i as u64),
        (None, Err(WaitEnd::TimedOut)) => Err(Errno::ETIMEDOUT),
        (None, Err(WaitEnd::Failed(e))) => Err(e),
        (None, Err(WaitEnd::Interrupted)) => Err(cx.interrupted(Restart::Sys)),
    }
}

/// Leaves all queues; says which waiter had been woken, if any.
fn leave(queued: &[FutexWaiter]) -> Option<u64> {
    let woken: Vec<bool> = queued.iter().map(FutexWaiter::cancel).collect();
    woken.iter().position(|w| *w).map(|i| i as u64)
}

/// `futex_wake(2)`. Errors: `EINVAL`, `EFAULT`.
pub(in crate::syscall) fn futex_wake(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    mask: u64,
    n: i32,
    flags: u32,
) -> SysResult {
    let (scope, mask) = (scope(flags)?, word_value(mask)?);
    if n == 0 && mask != 0 {
        key(cx.task.mm(), addr, scope)?;
        return Ok(0);
    }
    wake::wake(cx, (addr, scope), n, mask)
}

/// `futex_wait(2)`. Errors: `EINVAL`, `EFAULT`, `EAGAIN`, `ETIMEDOUT`.
pub(in crate::syscall) async fn futex_wait(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    value: u64,
    mask: u64,
    flags: u32,
    timeout: GuestAddr,
    clock: i32,
) -> SysResult {
    let (scope, value, mask) = (scope(flags)?, word_value(value)?, word_value(mask)?);
    let deadline = absolute(cx, timeout, clock)?;
    let mm = cx.task.mm().clone();
    let key = key(&mm, addr, scope)?;
    let waker = own_waker().await;
    let check = || Ok(mm.load_u32(addr)? == value);
    let waiter = cx.kernel().futexes().prepare_wait(key, mask, &waker, check)?;
    match until_woken(cx, &waiter, deadline).await {
        Ok(()) => Ok(0),
        Err(WaitEnd::TimedOut) => Err(Errno::ETIMEDOUT),
        Err(WaitEnd::Failed(e)) => Err(e),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::Sys)),
    }
}

/// `futex_requeue(2)`: between the two words of an array. Errors: `EINVAL`, `EFAULT`, `EAGAIN`.
pub(in crate::syscall) fn futex_requeue(
    cx: &mut CurrentTask,
    waiters: GuestAddr,
    flags: u32,
    wake: i32,
    requeue: i32,
) -> SysResult {
    if flags != 0 || waiters.is_null() {
        return Err(Errno::EINVAL);
    }
    let targets = read_targets(cx, waiters, 2)?;
    let [from, to] = &targets[..] else { return Err(Errno::EINVAL) };
    wake::requeue(cx, (from.addr, from.scope), (to.addr, to.scope), wake, requeue, Some(from.value))
}
