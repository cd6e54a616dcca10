//! `munmap(2)`.

use abi::Errno;
use kcore::addr::GuestAddr;

use super::aligned;
use crate::space::{AddressSpace, Inner};

impl AddressSpace {
    /// Removes what is mapped in a range, [`munmap(2)`](https://man7.org/linux/man-pages/man2/munmap.2.html).
    ///
    /// Errors: `EINVAL` for an unaligned address, no length, or a range outside the address space; `ENOMEM` if it would split
    /// mappings into too many; `EPERM` if something there is sealed.
    pub fn munmap(&self, addr: GuestAddr, len: u64) -> Result<(), Errno> {
        self.update(|s| {
            let (start, end) = aligned(addr, len, Errno::EINVAL)?;
            if start == end || end > s.layout.max.0 {
                return Err(Errno::EINVAL);
            }
            s.unmap(start, end)
        })
    }
}

impl Inner {
    pub(crate) fn unmap(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        if self.vmas.find(start).is_some_and(|v| v.start < start && v.end > end) {
            self.check_count(1)?;
        }
        if self.vmas.any_sealed(start, end) {
            return Err(Errno::EPERM);
        }
        self.evict(start, end, |_| true);
        self.vmas.discard(start, end);
        Ok(())
    }
}
