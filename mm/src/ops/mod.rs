//! The operations, one file each.

mod ahead;
mod brk;
mod fault;
mod fill;
mod fork;
mod madvise;
mod mlock;
mod mmap;
mod mprotect;
mod mremap;
mod mseal;
mod msync;
mod munmap;
mod name;
mod place;
mod remap_file_pages;

pub use madvise::RemoveTarget;
pub use place::MAX_MAPPINGS;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};

/// `len` rounded up to pages.
pub(crate) fn round_up(len: u64) -> Option<u64> {
    len.checked_add(PAGE_SIZE - 1).map(|l| l & !(PAGE_SIZE - 1))
}

/// The page-aligned range of a call whose start must be aligned.
///
/// Errors: `EINVAL` if `addr` is unaligned; `wrap` if the range wraps around.
pub(crate) fn aligned(addr: GuestAddr, len: u64, wrap: Errno) -> Result<(u64, u64), Errno> {
    if !addr.is_page_aligned() {
        return Err(Errno::EINVAL);
    }
    let end = round_up(len).and_then(|l| addr.0.checked_add(l)).ok_or(wrap)?;
    Ok((addr.0, end))
}
