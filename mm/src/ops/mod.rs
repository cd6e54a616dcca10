//! The operations of an address space, one file each.

mod brk;
mod fault;
mod fork;
mod madvise;
mod mlock;
mod mmap;
mod mprotect;
mod mremap;
mod msync;
mod munmap;

use abi::Errno;
use kcore::addr::PAGE_SIZE;

/// `len` rounded up to pages. Errors: `ENOMEM` if that overflows.
fn pages_up(len: u64) -> Result<u64, Errno> {
    len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::ENOMEM)
}

/// The range of a call that takes whole pages. Errors: `EINVAL` unless `addr` is a page boundary; `error` if the range wraps around.
fn page_range(addr: u64, len: u64, error: Errno) -> Result<(u64, u64), Errno> {
    if !addr.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let len = len.checked_next_multiple_of(PAGE_SIZE).ok_or(error)?;
    Ok((addr, addr.checked_add(len).ok_or(error)?))
}
