//! `remap_file_pages(2)`, which is `mmap(2)` of the same object at another offset.

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};

use crate::space::{AddressSpace, Inner};
use crate::vma::Backing;

impl AddressSpace {
    /// Shows pages of a shared mapping's object from `page` on in `addr..addr + len`,
    /// [`remap_file_pages(2)`](https://man7.org/linux/man-pages/man2/remap_file_pages.2.html).
    ///
    /// Errors: `EINVAL` for an empty range or one that wraps, or not within one shared mapping; `ENOMEM` for too many mappings;
    /// `EPERM` if it is sealed.
    pub fn remap_file_pages(
        &self,
        addr: GuestAddr,
        len: u64,
        page: u64,
        populate: bool,
    ) -> Result<(), Errno> {
        self.update(|s| s.remap_pages(addr.page_down().0, len & !(PAGE_SIZE - 1), page, populate))
    }
}

impl Inner {
    fn remap_pages(&mut self, start: u64, len: u64, page: u64, populate: bool) -> Result<(), Errno> {
        let end = start.checked_add(len).filter(|e| *e > start).ok_or(Errno::EINVAL)?;
        let new_offset = page.checked_mul(PAGE_SIZE).ok_or(Errno::EINVAL)?;
        new_offset.checked_add(len).ok_or(Errno::EINVAL)?;
        let v = self.vmas.find(start).filter(|v| v.shared() && v.end >= end).ok_or(Errno::EINVAL)?;
        if v.sealed() {
            return Err(Errno::EPERM);
        }
        let mut new = v.clone();
        let Backing::File { offset, .. } = &mut new.backing else { return Err(Errno::EINVAL) };
        *offset = new_offset;
        (new.start, new.end) = (start, end);
        if let Err(e) = self.check_count(2) {
            self.vmas.garbage.push(new);
            return Err(e);
        }
        self.evict(start, end, |_| true);
        self.vmas.discard(start, end);
        self.vmas.insert(new);
        self.vmas.merge(start, end);
        if populate {
            self.populate(start, end);
        }
        Ok(())
    }
}
