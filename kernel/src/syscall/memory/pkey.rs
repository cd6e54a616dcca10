//! Protection keys, `pkeys(7)`, as on a processor without them.

use abi::Errno;
use abi::mm::{PKEY_DISABLE_ACCESS, PKEY_DISABLE_WRITE};
use kcore::addr::GuestAddr;

use crate::current::CurrentTask;
use crate::syscall::SysResult;

/// `pkey_mprotect(2)`: with key -1 it is `mprotect(2)`. Errors: `EINVAL` for other keys, which nobody can have.
pub(in crate::syscall) fn pkey_mprotect(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    len: u64,
    prot: u32,
    key: i32,
) -> SysResult {
    if key != -1 {
        return Err(Errno::EINVAL);
    }
    super::mprotect(cx, addr, len, prot)
}

/// `pkey_alloc(2)`. Errors: `EINVAL` for flags and unknown rights; `ENOSPC`, as there are no keys.
pub(in crate::syscall) fn pkey_alloc(_: &mut CurrentTask, flags: u64, rights: u64) -> SysResult {
    if flags != 0 || rights & !u64::from(PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE) != 0 {
        return Err(Errno::EINVAL);
    }
    Err(Errno::ENOSPC)
}

/// `pkey_free(2)`. Errors: `EINVAL`, as no key is allocated.
pub(in crate::syscall) fn pkey_free(_: &mut CurrentTask, _key: i32) -> SysResult {
    Err(Errno::EINVAL)
}
