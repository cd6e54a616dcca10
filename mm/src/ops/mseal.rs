//! `mseal(2)`.

use abi::Errno;
use kcore::addr::GuestAddr;

use super::aligned;
use crate::space::AddressSpace;
use crate::types::VmFlags;

impl AddressSpace {
    /// Seals the mappings in a range, [`mseal(2)`](https://man7.org/linux/man-pages/man2/mseal.2.html): they keep their place, size
    /// and protection for as long as the address space lives, and what may not be written is not discarded either.
    ///
    /// Errors: `EINVAL` for an unaligned address, or a range that wraps; `ENOMEM` if part of the range is not mapped (nothing is
    /// sealed then), or if it would split mappings into too many.
    pub fn mseal(&self, addr: GuestAddr, len: u64) -> Result<(), Errno> {
        let (start, end) = aligned(addr, len, Errno::EINVAL)?;
        if start == end {
            return Ok(());
        }
        self.update(|s| {
            if !s.vmas.covers(start, end) {
                return Err(Errno::ENOMEM);
            }
            s.check_cuts(start, end)?;
            s.vmas.update(start, end, |v| v.flags |= VmFlags::SEALED);
            Ok(())
        })
    }
}
