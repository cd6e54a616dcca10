//! Locks with owners: `FUTEX_LOCK_PI` and its relatives.

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::host::Nanos;
use kcore::id::Pid;
use task::futex::{FutexWord, PiLock, PiOwner, PiWaiter, TID_MASK};

use super::wait::{own_waker, until_woken};
use super::wake::count;
use super::{Scope, Word, key};
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;
use crate::syscall::SysResult;

type Place = (GuestAddr, Scope);

/// Looks for an owner anew this often before giving up: a guest can change the word for ever.
const TRIES: usize = 1000;

fn word(cx: &CurrentTask, addr: GuestAddr) -> Arc<Word> {
    Arc::new(Word { mm: cx.task.mm().clone(), addr })
}

fn own_tid(cx: &CurrentTask) -> u32 {
    cx.task.tid().0.cast_unsigned()
}

fn me(cx: &CurrentTask, word: &Arc<Word>) -> PiWaiter {
    PiWaiter { tid: own_tid(cx), task: cx.task.core.id(), word: word.clone() }
}

/// The owner that a word names. Errors: `EFAULT`.
fn find_owner(cx: &CurrentTask, word: &Word) -> Result<(PiOwner, Option<Arc<task::Task>>), Errno> {
    let tid = word.load()? & TID_MASK;
    let number = Pid(tid.cast_signed());
    let task = (tid != 0).then(|| cx.kernel().processes().task(&cx.task.core.pid_ns(), number)).flatten();
    Ok((PiOwner { tid, task: task.as_ref().map(|t| t.id()) }, task))
}

/// `FUTEX_LOCK_PI`, `FUTEX_LOCK_PI2`, and with `try_only` `FUTEX_TRYLOCK_PI`.
///
/// Errors: `EDEADLK`, `ESRCH`, `EAGAIN`, `EINVAL`, `EFAULT`, `ETIMEDOUT`.
pub(super) async fn lock(
    cx: &mut CurrentTask,
    (addr, scope): Place,
    deadline: Option<Nanos>,
    try_only: bool,
) -> SysResult {
    let word = word(cx, addr);
    let key = key(cx.task.mm(), addr, scope)?;
    let waker = own_waker().await;
    for _ in 0..TRIES {
        let (owner, task) = find_owner(cx, &word)?;
        let lives = || task.as_ref().is_some_and(|t| !t.has_left_futexes());
        let futexes = cx.kernel().futexes();
        match futexes.lock_pi(key, me(cx, &word), try_only, &waker, owner, lives)? {
            PiLock::Acquired => return Ok(0),
            PiLock::Retry => {}
            PiLock::Wait(waiter) => {
                return match until_woken(cx, &waiter, deadline).await {
                    Ok(()) => Ok(0),
                    Err(WaitEnd::TimedOut) => Err(Errno::ETIMEDOUT),
                    Err(WaitEnd::Failed(e)) => Err(e),
                    Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::Always)),
                };
            }
        }
    }
    Err(Errno::EAGAIN)
}

/// `FUTEX_UNLOCK_PI`. Errors: `EPERM` if the caller is not the owner; `EFAULT`, `EINVAL`.
pub(super) fn unlock(cx: &CurrentTask, (addr, scope): Place) -> SysResult {
    let key = key(cx.task.mm(), addr, scope)?;
    cx.kernel().futexes().unlock_pi(key, own_tid(cx), &*word(cx, addr)).map(|()| 0)
}

/// `FUTEX_WAIT_REQUEUE_PI`.
///
/// Errors: `EINVAL` for equal words; `EAGAIN` if the word is not `value`, or for a signal after the move to
/// the lock; `ETIMEDOUT`; `EFAULT`.
pub(super) async fn wait_requeue(
    cx: &mut CurrentTask,
    from: Place,
    to: Place,
    value: u32,
    deadline: Option<Nanos>,
) -> SysResult {
    if from.0 == to.0 {
        return Err(Errno::EINVAL);
    }
    let mm = cx.task.mm().clone();
    let (key1, key2) = (key(&mm, from.0, from.1)?, key(&mm, to.0, to.1)?);
    if key1 == key2 {
        return Err(Errno::EINVAL);
    }
    let waker = own_waker().await;
    let me = me(cx, &word(cx, to.0));
    let check = || Ok(mm.load_u32(from.0)? == value);
    let waiter = cx.kernel().futexes().wait_requeue_pi(key1, key2, me, &waker, check)?;
    match until_woken(cx, &waiter, deadline).await {
        Ok(()) => Ok(0),
        Err(WaitEnd::TimedOut) => Err(Errno::ETIMEDOUT),
        Err(WaitEnd::Failed(e)) => Err(e),
        // Made again, the call would find that the word has changed.
        Err(WaitEnd::Interrupted) if waiter.moved() => Err(Errno::EAGAIN),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::Always)),
    }
}

/// `FUTEX_CMP_REQUEUE_PI`. Errors: `EINVAL` unless one waiter is to be woken; `EAGAIN`, `ESRCH`, `EFAULT`.
pub(super) fn cmp_requeue(
    cx: &CurrentTask,
    from: Place,
    to: Place,
    wake: i32,
    requeue: i32,
    expected: u32,
) -> SysResult {
    if wake != 1 || from.0 == to.0 {
        return Err(Errno::EINVAL);
    }
    let requeue = count(requeue)?;
    let mm = cx.task.mm();
    let (key1, key2) = (key(mm, from.0, from.1)?, key(mm, to.0, to.1)?);
    if key1 == key2 {
        return Err(Errno::EINVAL);
    }
    let word = word(cx, to.0);
    for _ in 0..TRIES {
        let (owner, _task) = find_owner(cx, &word)?;
        let check = || Ok(mm.load_u32(from.0)? == expected);
        if let Some(n) = cx.kernel().futexes().requeue_pi(key1, key2, requeue, &*word, owner, check)? {
            return Ok(n as u64);
        }
    }
    Err(Errno::EAGAIN)
}
