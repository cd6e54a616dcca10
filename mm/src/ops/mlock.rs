//! `mlock(2)` and relatives. Guest memory is never swapped by the kernel; what is real is the accounting.

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};

use super::round_up;
use crate::space::{AddressSpace, Inner};
use crate::types::VmFlags;
use abi::mm::{MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT};

const ANY: VmFlags = VmFlags::LOCKED.union(VmFlags::LOCK_ON_FAULT);

impl AddressSpace {
    /// Locks a range, [`mlock2(2)`](https://man7.org/linux/man-pages/man2/mlock.2.html); populates it unless `on_fault`.
    ///
    /// Errors: `EPERM` with a limit of zero; `ENOMEM` past the limit or if part is not mapped; `EINVAL` if the range wraps.
    pub fn mlock(&self, addr: GuestAddr, len: u64, on_fault: bool) -> Result<(), Errno> {
        self.update(|s| {
            if s.limits.memlock_bytes == 0 {
                return Err(Errno::EPERM);
            }
            let (start, end) = lock_range(addr, len)?;
            let already: u64 = s
                .vmas
                .range(start, end)
                .filter(|v| v.flags.contains(VmFlags::LOCKED))
                .map(|v| v.end.min(end) - v.start.max(start))
                .sum();
            let more = (end - start) - already;
            if s.vmas.locked.checked_add(more).is_none_or(|n| n > s.limits.memlock_bytes) {
                return Err(Errno::ENOMEM);
            }
            let flags = if on_fault { ANY } else { VmFlags::LOCKED };
            s.set_locked(start, end, flags)?;
            if !on_fault {
                s.populate(start, end);
            }
            Ok(())
        })
    }
    /// Unlocks a range, [`munlock(2)`](https://man7.org/linux/man-pages/man2/munlock.2.html).
    ///
    /// Errors: `ENOMEM` if part is not mapped; `EINVAL` if the range wraps.
    pub fn munlock(&self, addr: GuestAddr, len: u64) -> Result<(), Errno> {
        self.update(|s| {
            let (start, end) = lock_range(addr, len)?;
            s.set_locked(start, end, VmFlags::empty())
        })
    }
    /// Locks everything, now or later, [`mlockall(2)`](https://man7.org/linux/man-pages/man2/mlockall.2.html).
    ///
    /// Errors: `EINVAL` for bad flags; `EPERM` with a limit of zero; `ENOMEM` if more is mapped than the limit.
    pub fn mlockall(&self, flags: u32) -> Result<(), Errno> {
        if flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0 || flags & (MCL_CURRENT | MCL_FUTURE) == 0 {
            return Err(Errno::EINVAL);
        }
        self.update(|s| {
            if s.limits.memlock_bytes == 0 {
                return Err(Errno::EPERM);
            }
            if flags & MCL_CURRENT != 0 && s.vmas.total > s.limits.memlock_bytes {
                return Err(Errno::ENOMEM);
            }
            let lock = if flags & MCL_ONFAULT != 0 { ANY } else { VmFlags::LOCKED };
            s.future = if flags & MCL_FUTURE != 0 { lock } else { VmFlags::empty() };
            if flags & MCL_CURRENT != 0 {
                s.set_all(lock);
                if flags & MCL_ONFAULT == 0 {
                    let spans: alloc::vec::Vec<_> = s.vmas.iter().map(|v| (v.start, v.end)).collect();
                    for (start, end) in spans {
                        s.populate(start, end);
                    }
                }
            }
            Ok(())
        })
    }
    /// Unlocks everything, [`munlockall(2)`](https://man7.org/linux/man-pages/man2/munlockall.2.html).
    pub fn munlockall(&self) {
        self.update(|s| {
            s.future = VmFlags::empty();
            s.set_all(VmFlags::empty());
            Ok(())
        })
        .ok();
    }
}

/// These calls round the address down.
fn lock_range(addr: GuestAddr, len: u64) -> Result<(u64, u64), Errno> {
    let len = len.checked_add(addr.page_offset()).and_then(round_up).ok_or(Errno::EINVAL)?;
    let start = addr.page_down().0;
    Ok((start, start.checked_add(len).ok_or(Errno::EINVAL)?))
}

impl Inner {
    fn set_locked(&mut self, start: u64, end: u64, flags: VmFlags) -> Result<(), Errno> {
        if start == end {
            return Ok(());
        }
        // What comes before a hole is changed all the same.
        let mut at = start;
        for v in self.vmas.range(start, end) {
            if v.start > at {
                break;
            }
            at = v.end.min(end);
        }
        if at > start {
            self.check_cuts(start, at)?;
            self.vmas.update(start, at, |v| v.flags = (v.flags - ANY) | flags);
        }
        if at < end { Err(Errno::ENOMEM) } else { Ok(()) }
    }
    fn set_all(&mut self, flags: VmFlags) {
        let end = self.layout.max.0 & !(PAGE_SIZE - 1);
        self.vmas.update(0, end, |v| v.flags = (v.flags - ANY) | flags);
    }
}
