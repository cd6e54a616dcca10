//! `munmap(2)`.

use abi::Errno;
use kcore::addr::GuestAddr;

use super::page_range;
use crate::space::AddressSpace;

impl AddressSpace {
    /// Removes what is mapped in a range; nothing being there is no error.
    ///
    /// Errors: `EINVAL` for an address inside a page, no length, or a range outside the address space; `ENOMEM` if a hole would need
    /// more mappings than are allowed.
    pub fn munmap(&self, addr: GuestAddr, len: u64) -> Result<(), Errno> {
        let (start, end) = page_range(addr.0, len, Errno::EINVAL)?;
        self.update(|s| {
            if start == end || end > s.layout.max.0 {
                return Err(Errno::EINVAL);
            }
            s.evict(start, end, |_| true);
            s.vmas.discard(start, end);
            Ok(())
        })
    }
}
