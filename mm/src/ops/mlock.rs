//! `mlock(2)` and its relatives. Guest memory is never swapped by us, so locking means populating and accounting.

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};

use super::page_range;
use crate::space::AddressSpace;
use crate::types::VmFlags;
use crate::types::mcl::{MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT};

impl AddressSpace {
    /// Locks a range; with `on_fault` pages are not brought in now.
    ///
    /// Errors: `ENOMEM` if part of it is not mapped or beyond `RLIMIT_MEMLOCK`, `EPERM` if that limit is zero, `EINVAL` for a range that wraps.
    pub fn mlock(&self, addr: GuestAddr, len: u64, on_fault: bool) -> Result<(), Errno> {
        let len = len.checked_add(addr.page_offset()).ok_or(Errno::EINVAL)?;
        let (start, end) = page_range(addr.page_down().0, len, Errno::EINVAL)?;
        self.update(|s| {
            if s.limits.memlock_bytes == 0 {
                return Err(Errno::EPERM);
            }
            let already: u64 = s
                .vmas
                .range(start, end)
                .filter(|v| v.flags.contains(VmFlags::LOCKED))
                .map(|v| v.end.min(end) - v.start.max(start))
                .sum();
            if s.vmas.locked + (end - start) - already > s.limits.memlock_bytes || !s.vmas.covers(start, end)
            {
                return Err(Errno::ENOMEM);
            }
            s.vmas.update(start, end, |v| v.flags = v.flags - VmFlags::LOCK_ON_FAULT | lock_flags(on_fault));
            Ok(())
        })?;
        if !on_fault {
            self.populate(start, end).ok();
        }
        Ok(())
    }
    /// Unlocks a range. Errors: `ENOMEM` if part of it is not mapped, `EINVAL`.
    pub fn munlock(&self, addr: GuestAddr, len: u64) -> Result<(), Errno> {
        let len = len.checked_add(addr.page_offset()).ok_or(Errno::EINVAL)?;
        let (start, end) = page_range(addr.page_down().0, len, Errno::EINVAL)?;
        self.update(|s| {
            if !s.vmas.covers(start, end) {
                return Err(Errno::ENOMEM);
            }
            s.vmas.update(start, end, |v| v.flags.remove(VmFlags::LOCKED | VmFlags::LOCK_ON_FAULT));
            Ok(())
        })
    }
    /// Locks all that is mapped, or will be, with `MCL_*` flags. Errors: `EINVAL` for bad flags; `ENOMEM`, `EPERM` for the limit.
    pub fn mlockall(&self, flags: u32) -> Result<(), Errno> {
        if flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0 || flags & (MCL_CURRENT | MCL_FUTURE) == 0 {
            return Err(Errno::EINVAL);
        }
        let on_fault = flags & MCL_ONFAULT != 0;
        let max = self.update(|s| {
            if s.limits.memlock_bytes == 0 {
                return Err(Errno::EPERM);
            }
            if flags & MCL_CURRENT != 0 && s.vmas.total > s.limits.memlock_bytes {
                return Err(Errno::ENOMEM);
            }
            s.future = if flags & MCL_FUTURE != 0 { lock_flags(on_fault) } else { VmFlags::empty() };
            let max = s.layout.max.0;
            if flags & MCL_CURRENT != 0 {
                s.vmas.update(0, max, |v| v.flags = v.flags - VmFlags::LOCK_ON_FAULT | lock_flags(on_fault));
            }
            Ok(max)
        })?;
        if flags & MCL_CURRENT != 0 && !on_fault {
            let ranges: alloc::vec::Vec<_> =
                self.inner.read().vmas.range(0, max).map(|v| (v.start, v.end)).collect();
            for (start, end) in ranges {
                self.populate(start, end).ok();
            }
        }
        Ok(())
    }
    /// Unlocks everything, and what will be mapped.
    pub fn munlockall(&self) {
        self.update(|s| {
            s.future = VmFlags::empty();
            let max = s.layout.max.0;
            s.vmas.update(0, max, |v| v.flags.remove(VmFlags::LOCKED | VmFlags::LOCK_ON_FAULT));
            Ok(())
        })
        .ok();
    }
    /// Says for each page of a range whether it is resident (1) or not (0). Errors: `EINVAL` for an address inside a page, `ENOMEM` for a hole.
    pub fn mincore(&self, addr: GuestAddr, len: u64) -> Result<alloc::vec::Vec<u8>, Errno> {
        let (start, end) = page_range(addr.0, len, Errno::ENOMEM)?;
        let s = self.inner.read();
        if !s.vmas.covers(start, end) {
            return Err(Errno::ENOMEM);
        }
        let pages = (end - start) / PAGE_SIZE;
        let resident = |i| u8::from(s.resident.find(start + i * PAGE_SIZE).is_some());
        Ok((0..pages).map(resident).collect())
    }
}

fn lock_flags(on_fault: bool) -> VmFlags {
    if on_fault { VmFlags::LOCKED | VmFlags::LOCK_ON_FAULT } else { VmFlags::LOCKED }
}
