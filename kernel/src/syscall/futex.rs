//! `futex(2)`.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::io::IoError;
use kcore::sync::{LockClass, Mutex};
use kcore::user::UserPtr;
use kcore::wait::WaitSet;
use mm::FutexKey;

use super::SysResult;
use crate::current::{CurrentTask, WaitEnd};
use crate::signal::Restart;

static SLOT: LockClass = LockClass::new("futex waiter", 4);

const FUTEX_WAIT: u32 = 0;
const FUTEX_WAKE: u32 = 1;
const FUTEX_WAIT_BITSET: u32 = 9;
const FUTEX_WAKE_BITSET: u32 = 10;
const FUTEX_PRIVATE: u32 = 128;
const FUTEX_CLOCK_REALTIME: u32 = 256;
const ANY: u32 = u32::MAX;

fn key(cx: &CurrentTask, addr: GuestAddr, private: bool) -> Result<task::futex::FutexKey, Errno> {
    Ok(match cx.task.mm().futex_key(addr, private)? {
        FutexKey::Private { space_id, addr } => task::futex::FutexKey { a: 0, b: space_id, c: addr.0 },
        FutexKey::Shared { object, offset } => {
            task::futex::FutexKey { a: 1, b: u64::try_from(object).map_err(|_| Errno::EFAULT)?, c: offset }
        }
    })
}

/// Wakes waiters on a word, whether they wait privately or not. Errors: `EFAULT`, `EINVAL`.
pub(super) fn wake_at(cx: &CurrentTask, addr: GuestAddr, n: usize) -> Result<(), Errno> {
    for private in [false, true] {
        cx.kernel().futexes().wake(key(cx, addr, private)?, n, ANY)?;
    }
    Ok(())
}

/// `futex(2)`. Errors: `ENOSYS` for operations that are not there.
pub(super) async fn futex(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    op: u32,
    value: u32,
    timeout: GuestAddr,
    _addr2: GuestAddr,
    bits: u32,
) -> SysResult {
    let private = op & FUTEX_PRIVATE != 0;
    let realtime = op & FUTEX_CLOCK_REALTIME != 0;
    match op & !(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME) {
        FUTEX_WAIT => wait(cx, addr, private, value, timeout, ANY, (false, realtime)).await,
        FUTEX_WAIT_BITSET => wait(cx, addr, private, value, timeout, bits, (true, realtime)).await,
        FUTEX_WAKE => wake(cx, addr, private, value, ANY),
        FUTEX_WAKE_BITSET => wake(cx, addr, private, value, bits),
        _ => Err(Errno::ENOSYS),
    }
}

fn wake(cx: &CurrentTask, addr: GuestAddr, private: bool, n: u32, bits: u32) -> SysResult {
    let n = usize::try_from(n).map_err(|_| Errno::EINVAL)?;
    let woken = cx.kernel().futexes().wake(key(cx, addr, private)?, n, bits)?;
    Ok(woken as u64)
}

async fn wait(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    private: bool,
    value: u32,
    timeout: GuestAddr,
    bits: u32,
    (absolute, realtime): (bool, bool),
) -> SysResult {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let deadline = if timeout.is_null() { None } else { Some(deadline(cx, timeout, absolute, realtime)?) };
    let key = key(cx, addr, private)?;
    let mm = cx.task.mm().clone();
    let futexes = cx.kernel().futexes().clone();
    let waiter = Mutex::new(&SLOT, None);
    let waker = core::future::poll_fn(|c| core::task::Poll::Ready(c.waker().clone())).await;
    let attempt = || {
        let mut slot = waiter.lock();
        match slot.as_ref() {
            None => {
                *slot = Some(futexes.prepare_wait(key, bits, &waker, || Ok(mm.load_u32(addr)? == value))?);
                Err(IoError::Again)
            }
            Some(w) if task::futex::FutexWaiter::woken(w) => Ok(()),
            Some(_) => Err(IoError::Again),
        }
    };
    match cx.wait(&WaitSet::new(), deadline, attempt).await {
        Ok(()) => Ok(0),
        Err(WaitEnd::TimedOut) => Err(Errno::ETIMEDOUT),
        Err(WaitEnd::Failed(e)) => Err(e),
        // A relative timeout would start again: only a wait without one, or with an absolute one, may be repeated.
        Err(WaitEnd::Interrupted) if deadline.is_none() || absolute => Err(cx.interrupted(Restart::Sys)),
        Err(WaitEnd::Interrupted) => Err(Errno::EINTR),
    }
}

fn deadline(cx: &CurrentTask, at: GuestAddr, absolute: bool, realtime: bool) -> Result<u64, Errno> {
    let [sec, nsec] = UserPtr::<[i64; 2]>::new(at).read(&**cx.task.mm())?;
    let sec = u64::try_from(sec).map_err(|_| Errno::EINVAL)?;
    let nsec = u64::try_from(nsec).ok().filter(|n| *n < 1_000_000_000).ok_or(Errno::EINVAL)?;
    let time = sec.saturating_mul(1_000_000_000).saturating_add(nsec);
    let clock = &cx.kernel().host().clock;
    Ok(match (absolute, realtime) {
        (false, _) => clock.monotonic().saturating_add(time),
        (true, false) => time,
        (true, true) => clock.monotonic().saturating_add(time.saturating_sub(clock.realtime())),
    })
}
