//! `futex(2)` and its relatives.

mod pi;
mod robust;
mod wait;
mod waitv;
mod wake;

pub(crate) use robust::leave as leave_futexes;
pub(super) use robust::{get_robust_list, set_robust_list};
pub(super) use waitv::{futex_requeue, futex_wait, futex_waitv, futex_wake};

use abi::Errno;
use alloc::sync::Arc;
use kcore::addr::GuestAddr;
use mm::{AddressSpace, FutexKey as MmKey};
use task::futex::{FutexKey, FutexWord, MATCH_ANY};

use super::SysResult;
use crate::current::CurrentTask;
use wait::Timeout;

const FUTEX_WAIT: u32 = 0;
const FUTEX_WAKE: u32 = 1;
const FUTEX_REQUEUE: u32 = 3;
const FUTEX_CMP_REQUEUE: u32 = 4;
const FUTEX_WAKE_OP: u32 = 5;
const FUTEX_LOCK_PI: u32 = 6;
const FUTEX_UNLOCK_PI: u32 = 7;
const FUTEX_TRYLOCK_PI: u32 = 8;
const FUTEX_WAIT_BITSET: u32 = 9;
const FUTEX_WAKE_BITSET: u32 = 10;
const FUTEX_WAIT_REQUEUE_PI: u32 = 11;
const FUTEX_CMP_REQUEUE_PI: u32 = 12;
const FUTEX_LOCK_PI2: u32 = 13;
const FUTEX_PRIVATE: u32 = 128;
const FUTEX_CLOCK_REALTIME: u32 = 256;

/// Whether only threads of one address space use a futex. A private and a shared waiter never meet, even on the same word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    Private,
    Shared,
}

/// What names the futex at `addr`. Errors: `EINVAL` if misaligned; `EFAULT` if not mapped (shared only).
fn key(mm: &AddressSpace, addr: GuestAddr, scope: Scope) -> Result<FutexKey, Errno> {
    Ok(match (mm.futex_key(addr, scope == Scope::Shared)?, scope) {
        (MmKey::Private { space_id, addr }, Scope::Private) => FutexKey { a: 0, b: space_id, c: addr.0 },
        (MmKey::Private { space_id, addr }, Scope::Shared) => FutexKey { a: 1, b: space_id, c: addr.0 },
        (MmKey::Shared { object, offset }, _) => {
            FutexKey { a: 2, b: u64::try_from(object).map_err(|_| Errno::EFAULT)?, c: offset }
        }
    })
}

/// A word in an address space.
struct Word {
    mm: Arc<AddressSpace>,
    addr: GuestAddr,
}

impl FutexWord for Word {
    fn load(&self) -> Result<u32, Errno> {
        self.mm.load_u32(self.addr)
    }
    fn compare_exchange(&self, old: u32, new: u32) -> Result<u32, Errno> {
        Ok(self.mm.cmpxchg_u32(self.addr, old, new)?.unwrap_or_else(|found| found))
    }
}

/// Wakes waiters on a word, as the kernel itself does: those that wait without `FUTEX_PRIVATE_FLAG`. Errors: `EFAULT`, `EINVAL`.
pub(super) fn wake_at(cx: &CurrentTask, addr: GuestAddr, n: usize) -> Result<(), Errno> {
    let key = key(cx.task.mm(), addr, Scope::Shared)?;
    cx.kernel().futexes().wake(key, n, MATCH_ANY).map(drop)
}

/// `futex(2)`. Errors: `ENOSYS` for unknown operations and for a clock that does not suit them; what the operation says.
pub(super) async fn futex(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    op: u32,
    value: u32,
    timeout: GuestAddr,
    addr2: GuestAddr,
    value3: u32,
) -> SysResult {
    let scope = if op & FUTEX_PRIVATE != 0 { Scope::Private } else { Scope::Shared };
    let realtime = op & FUTEX_CLOCK_REALTIME != 0;
    let command = op & !(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
    let timeout_kind = match command {
        FUTEX_WAIT => Some(Timeout::Relative),
        FUTEX_LOCK_PI => Some(Timeout::Realtime),
        FUTEX_LOCK_PI2 | FUTEX_WAIT_BITSET | FUTEX_WAIT_REQUEUE_PI if realtime => Some(Timeout::Realtime),
        FUTEX_LOCK_PI2 | FUTEX_WAIT_BITSET | FUTEX_WAIT_REQUEUE_PI => Some(Timeout::Monotonic),
        _ => None,
    };
    let deadline = match timeout_kind {
        Some(kind) if !timeout.is_null() => Some(wait::deadline(cx, timeout, kind)?),
        _ => None,
    };
    if realtime && !matches!(command, FUTEX_WAIT_BITSET | FUTEX_WAIT_REQUEUE_PI | FUTEX_LOCK_PI2) {
        return Err(Errno::ENOSYS);
    }
    // Operations without a timeout take a second number in its place.
    let [a, b, c, d, ..] = timeout.0.to_le_bytes();
    let value2 = i32::from_le_bytes([a, b, c, d]);
    let count = value.cast_signed();
    let (first, second) = ((addr, scope), (addr2, scope));
    match command {
        FUTEX_WAIT => wait::wait(cx, first, value, MATCH_ANY, deadline).await,
        FUTEX_WAIT_BITSET => wait::wait(cx, first, value, value3, deadline).await,
        FUTEX_WAKE => wake::wake(cx, first, count, MATCH_ANY),
        FUTEX_WAKE_BITSET => wake::wake(cx, first, count, value3),
        FUTEX_REQUEUE => wake::requeue(cx, first, second, count, value2, None),
        FUTEX_CMP_REQUEUE => wake::requeue(cx, first, second, count, value2, Some(value3)),
        FUTEX_WAKE_OP => wake::wake_op(cx, first, second, count, value2, value3),
        FUTEX_LOCK_PI | FUTEX_LOCK_PI2 => pi::lock(cx, first, deadline, false).await,
        FUTEX_TRYLOCK_PI => pi::lock(cx, first, None, true).await,
        FUTEX_UNLOCK_PI => pi::unlock(cx, first),
        FUTEX_WAIT_REQUEUE_PI => pi::wait_requeue(cx, first, second, value, deadline).await,
        FUTEX_CMP_REQUEUE_PI => pi::cmp_requeue(cx, first, second, count, value2, value3),
        _ => Err(Errno::ENOSYS),
    }
}
