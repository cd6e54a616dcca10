//! Waking and moving waiters.

use abi::Errno;
use kcore::addr::GuestAddr;

use super::{Scope, key};
use crate::current::CurrentTask;
use crate::syscall::SysResult;

type Place = (GuestAddr, Scope);

/// How many to wake: Linux looks at the number only after it has woken one.
fn at_least_one(n: i32) -> usize {
    usize::try_from(n).unwrap_or(0).max(1)
}

/// A count that must not be negative. Errors: `EINVAL`.
pub(super) fn count(n: i32) -> Result<usize, Errno> {
    usize::try_from(n).map_err(|_| Errno::EINVAL)
}

/// `FUTEX_WAKE` and `FUTEX_WAKE_BITSET`. Errors: `EINVAL`, `EFAULT`.
pub(super) fn wake(cx: &CurrentTask, (addr, scope): Place, n: i32, bits: u32) -> SysResult {
    let key = key(cx.task.mm(), addr, scope)?;
    Ok(cx.kernel().futexes().wake(key, at_least_one(n), bits)? as u64)
}

/// `FUTEX_REQUEUE`, and `FUTEX_CMP_REQUEUE` with `expected`.
///
/// Errors: `EINVAL` for negative counts; `EAGAIN` if the word is not the expected one; `EFAULT`.
pub(super) fn requeue(
    cx: &CurrentTask,
    from: Place,
    to: Place,
    wake: i32,
    requeue: i32,
    expected: Option<u32>,
) -> SysResult {
    let (wake, requeue) = (count(wake)?, count(requeue)?);
    let mm = cx.task.mm();
    let (key1, key2) = (key(mm, from.0, from.1)?, key(mm, to.0, to.1)?);
    let check = || match expected {
        Some(value) => Ok(mm.load_u32(from.0)? == value),
        None => Ok(true),
    };
    Ok(cx.kernel().futexes().requeue(key1, key2, wake, requeue, check)? as u64)
}

/// `FUTEX_WAKE_OP`. Errors: `ENOSYS` for an unknown operation or comparison; `EINVAL`, `EFAULT`.
pub(super) fn wake_op(
    cx: &CurrentTask,
    first: Place,
    second: Place,
    wake: i32,
    wake2: i32,
    encoded: u32,
) -> SysResult {
    let mm = cx.task.mm();
    let (key1, key2) = (key(mm, first.0, first.1)?, key(mm, second.0, second.1)?);
    let op = Operation::decode(encoded)?;
    let change = || {
        let old = mm.fetch_update_u32(second.0, |v| op.apply(v))?;
        op.holds(old)
    };
    let (n, n2) = (at_least_one(wake), at_least_one(wake2));
    Ok(cx.kernel().futexes().wake_op(key1, n, key2, n2, change)? as u64)
}

/// What `FUTEX_WAKE_OP` does to its second word, and when it wakes there.
struct Operation {
    op: u32,
    arg: u32,
    cmp: u32,
    cmp_arg: i32,
}

/// The 12 bits of `encoded` from `shift`, with their sign.
fn signed12(encoded: u32, shift: u32) -> i32 {
    (encoded << (20 - shift)).cast_signed() >> 20
}

impl Operation {
    fn decode(encoded: u32) -> Result<Operation, Errno> {
        const SHIFT_ARG: u32 = 8;
        let op = encoded >> 28;
        let mut arg = signed12(encoded, 12).cast_unsigned();
        if op & SHIFT_ARG != 0 {
            arg = 1 << (arg & 31);
        }
        let op = op & !SHIFT_ARG;
        if op > 4 {
            return Err(Errno::ENOSYS);
        }
        Ok(Operation { op, arg, cmp: encoded >> 24 & 15, cmp_arg: signed12(encoded, 0) })
    }
    fn apply(&self, old: u32) -> u32 {
        match self.op {
            0 => self.arg,
            1 => old.wrapping_add(self.arg),
            2 => old | self.arg,
            3 => old & !self.arg,
            _ => old ^ self.arg,
        }
    }
    fn holds(&self, old: u32) -> Result<bool, Errno> {
        let (old, arg) = (old.cast_signed(), self.cmp_arg);
        Ok(match self.cmp {
            0 => old == arg,
            1 => old != arg,
            2 => old < arg,
            3 => old <= arg,
            4 => old > arg,
            5 => old >= arg,
            _ => return Err(Errno::ENOSYS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_decoded_with_their_signs() {
        let op = Operation::decode(1 << 28 | 4 << 24 | 0xfff << 12 | 0xffe).unwrap();
        assert_eq!((op.apply(5), op.holds(u32::MAX), op.holds(u32::MAX - 1)), (4, Ok(true), Ok(false)));
        let shifted = Operation::decode((8 | 2) << 28 | 33 << 12).unwrap();
        assert_eq!((shifted.apply(1), shifted.holds(0)), (3, Ok(true)));
        assert!(Operation::decode(7 << 28).is_err());
        assert_eq!(Operation::decode(6 << 24).unwrap().holds(0), Err(Errno::ENOSYS));
    }
}
