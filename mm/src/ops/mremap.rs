//! `mremap(2)`.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};

use super::pages_up;
use crate::resident::Run;
use crate::space::{AddressSpace, Inner, guest_range};
use crate::types::MapOp;
use crate::types::mremap::{MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE};
use crate::vma::{Backing, Vma};

impl AddressSpace {
    /// Grows, shrinks or moves a mapping and returns where it is then.
    ///
    /// Errors: `EINVAL` for unaligned addresses, overlapping ranges or bad flags; `EFAULT` if the old range is not one mapping;
    /// `ENOMEM` if it cannot grow in place and may not move, or beyond a limit.
    pub fn mremap(
        &self,
        old: GuestAddr,
        old_len: u64,
        new_len: u64,
        flags: u32,
        new: GuestAddr,
    ) -> Result<GuestAddr, Errno> {
        let known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
        if flags & !known != 0
            || !old.is_page_aligned()
            || new_len == 0
            || flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0 && flags & MREMAP_MAYMOVE == 0
        {
            return Err(Errno::EINVAL);
        }
        let (old_len, new_len) = (pages_up(old_len)?, pages_up(new_len)?);
        if flags & MREMAP_DONTUNMAP != 0 && old_len != new_len {
            return Err(Errno::EINVAL);
        }
        self.update(|s| s.mremap(old.0, old_len, new_len, flags, new.0)).map(GuestAddr)
    }
}

impl Inner {
    fn mremap(&mut self, old: u64, old_len: u64, new_len: u64, flags: u32, new: u64) -> Result<u64, Errno> {
        let end = old.checked_add(old_len).ok_or(Errno::EINVAL)?;
        let vma = self.vmas.find(old).ok_or(Errno::EFAULT)?;
        // A length of zero duplicates a shared mapping; Linux knows it only for those.
        if old_len == 0 && !vma.shared() {
            return Err(Errno::EINVAL);
        }
        if end > vma.end {
            return Err(Errno::EFAULT);
        }
        let (vma_end, mut moved) = (vma.end, vma.clone());
        if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) == 0 && old_len > 0 {
            if new_len <= old_len {
                if new_len < old_len {
                    self.evict(old + new_len, end, |_| true);
                    self.vmas.discard(old + new_len, end);
                }
                return Ok(old);
            }
            let grown = old.checked_add(new_len).filter(|e| *e <= self.layout.max.0);
            if let Some(grown) = grown
                && vma_end == end
                && !self.vmas.overlaps(end, grown)
            {
                self.check_limits(new_len - old_len, new_len - old_len, &moved)?;
                self.vmas.update(old, end, |_| {});
                if let Some(mut v) = self.vmas.find(old).map(|v| v.start).and_then(|s| self.vmas.remove(s)) {
                    v.end = grown;
                    self.vmas.insert(v);
                    self.vmas.merge(old, grown);
                }
                return Ok(old);
            }
            if flags & MREMAP_MAYMOVE == 0 {
                return Err(Errno::ENOMEM);
            }
        }
        let to = self.destination(old, end, new_len, flags, new)?;
        self.check_limits(new_len, new_len.saturating_sub(old_len), &moved)?;
        if flags & MREMAP_FIXED != 0 {
            self.evict(to, to + new_len, |_| true);
            self.vmas.discard(to, to + new_len);
        }
        if let Backing::File { offset, .. } = &mut moved.backing {
            *offset += old - moved.start;
        }
        let copied = old_len.min(new_len);
        self.vmas.insert(Vma { start: to, end: to + new_len, ..moved });
        self.move_resident(old, old + copied, to)?;
        if flags & MREMAP_DONTUNMAP == 0 {
            self.evict(old, end, |_| true);
            self.vmas.discard(old, end);
        }
        self.vmas.merge(to, to + new_len);
        Ok(to)
    }

    fn destination(&self, old: u64, end: u64, len: u64, flags: u32, new: u64) -> Result<u64, Errno> {
        if flags & MREMAP_FIXED == 0 {
            return self.find_gap(len).ok_or(Errno::ENOMEM);
        }
        let new_end = new.checked_add(len).filter(|e| *e <= self.layout.max.0).ok_or(Errno::EINVAL)?;
        let apart = new_end <= old || end <= new;
        if !new.is_multiple_of(PAGE_SIZE) || new < self.layout.min.0 || !apart {
            return Err(Errno::EINVAL);
        }
        Ok(new)
    }

    /// Moves resident pages with their frames. The hardware maps them at the new place when they are touched.
    fn move_resident(&mut self, start: u64, end: u64, to: u64) -> Result<(), Errno> {
        if start == end {
            return Ok(());
        }
        let runs: Vec<Run> = self.resident.take(start, end);
        for r in runs {
            self.resident.insert(Run {
                start: to + (r.start - start),
                end: to + (r.end - start),
                mapped: None,
                ..r
            });
        }
        self.apply(&[MapOp::Unmap { range: guest_range(start, end) }])
    }
}
