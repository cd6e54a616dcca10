//! `msync(2)`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::mappable::Mappable;

use super::page_range;
use crate::space::AddressSpace;
use crate::types::VmFlags;
use crate::types::ms::{MS_ASYNC, MS_INVALIDATE, MS_SYNC};

impl AddressSpace {
    /// Writes shared mappings of files back, with `MS_*` flags.
    ///
    /// Errors: `EINVAL` for bad flags or an address inside a page; `ENOMEM` for a hole; `EBUSY` to invalidate locked pages; `EIO`.
    pub fn msync(&self, addr: GuestAddr, len: u64, flags: u32) -> Result<(), Errno> {
        let both = MS_ASYNC | MS_SYNC;
        if flags & !(both | MS_INVALIDATE) != 0 || flags & both == both {
            return Err(Errno::EINVAL);
        }
        let (start, end) = page_range(addr.0, len, Errno::ENOMEM)?;
        let mut parts: Vec<(Arc<dyn Mappable>, u64, u64)> = Vec::new();
        let covered = {
            let s = self.inner.read();
            for v in s.vmas.range(start, end) {
                if flags & MS_INVALIDATE != 0 && v.flags.contains(VmFlags::LOCKED) {
                    return Err(Errno::EBUSY);
                }
                let from = v.start.max(start);
                if let Some((file, offset)) = v.file_at(from).filter(|_| v.shared()) {
                    parts.push((file.object.clone(), offset, v.end.min(end) - from));
                }
            }
            s.vmas.covers(start, end)
        };
        if flags & MS_SYNC != 0 {
            for (object, offset, len) in parts {
                object.sync(offset, len)?;
            }
        }
        if covered { Ok(()) } else { Err(Errno::ENOMEM) }
    }
}
