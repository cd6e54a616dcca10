//! `msync(2)`.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;

use super::aligned;
use crate::space::AddressSpace;
use crate::types::VmFlags;
use abi::mm::{MS_ASYNC, MS_INVALIDATE, MS_SYNC};

impl AddressSpace {
    /// Writes changes in shared file mappings back, [`msync(2)`](https://man7.org/linux/man-pages/man2/msync.2.html).
    ///
    /// Errors: `EINVAL` for an unaligned address or unknown or contradictory flags; `ENOMEM` if part of the range is not mapped
    /// (the rest is written); `EBUSY` for `MS_INVALIDATE` on locked memory; what the object says (`EIO`, `ENOSPC`).
    pub fn msync(&self, addr: GuestAddr, len: u64, flags: u32) -> Result<(), Errno> {
        if flags & !(MS_ASYNC | MS_INVALIDATE | MS_SYNC) != 0 || flags & MS_ASYNC != 0 && flags & MS_SYNC != 0
        {
            return Err(Errno::EINVAL);
        }
        let (start, end) = aligned(addr, len, Errno::ENOMEM)?;
        let (work, covered) = {
            let inner = self.inner.read();
            let mut work = Vec::new();
            for v in inner.vmas.range(start, end) {
                if flags & MS_INVALIDATE != 0 && v.flags.contains(VmFlags::LOCKED) {
                    return Err(Errno::EBUSY);
                }
                let (lo, hi) = (v.start.max(start), v.end.min(end));
                if flags & MS_SYNC != 0
                    && v.shared()
                    && let Some((file, offset)) = v.file_at(lo)
                {
                    work.push((file.object.clone(), offset, hi - lo));
                }
            }
            (work, inner.vmas.covers(start, end))
        };
        for (object, offset, len) in work {
            object.sync(offset, len)?;
        }
        if covered { Ok(()) } else { Err(Errno::ENOMEM) }
    }
}
