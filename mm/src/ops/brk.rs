//! `brk(2)`.

use abi::Errno;
use kcore::addr::GuestAddr;

use super::round_up;
use crate::space::{AddressSpace, Inner};
use crate::types::{Prot, VmFlags};
use crate::vma::{Backing, Vma};

impl AddressSpace {
    /// Sets where the heap starts (and, for now, ends).
    pub fn set_brk_start(&self, start: GuestAddr) {
        let mut inner = self.lock();
        inner.brk_start = start.0;
        inner.brk_end = start.0;
    }
    /// Moves the end of the heap, [`brk(2)`](https://man7.org/linux/man-pages/man2/brk.2.html), and returns where it is then:
    /// where it was if that was not possible, or for `None`.
    pub fn brk(&self, to: Option<GuestAddr>) -> GuestAddr {
        let moved = self.update(|s| {
            if let Some(to) = to {
                s.set_brk(to.0)?;
            }
            Ok(s.brk_end)
        });
        GuestAddr(moved.unwrap_or_else(|_| self.inner.read().brk_end))
    }
}

impl Inner {
    fn set_brk(&mut self, to: u64) -> Result<(), Errno> {
        if to < self.brk_start {
            return Err(Errno::EINVAL);
        }
        let old = round_up(self.brk_end).ok_or(Errno::ENOMEM)?;
        let new = round_up(to).filter(|n| *n <= self.layout.max.0).ok_or(Errno::ENOMEM)?;
        if new < old {
            self.unmap(new, old)?;
        } else if new > old {
            if to - self.brk_start > self.limits.data_bytes {
                return Err(Errno::ENOMEM);
            }
            self.check_size(new - old, true)?;
            self.check_count(1)?;
            if !self.is_free(old, new) {
                return Err(Errno::ENOMEM);
            }
            let locked = self.future.contains(VmFlags::LOCKED);
            if locked && self.vmas.locked.saturating_add(new - old) > self.limits.memlock_bytes {
                return Err(Errno::EAGAIN);
            }
            self.vmas.insert(Vma {
                start: old,
                end: new,
                prot: Prot::RW,
                max_prot: Prot::all(),
                flags: self.future,
                backing: Backing::Anon,
                name: Some("[heap]"),
                anon_name: None,
            });
            self.vmas.merge(old, new);
            if locked && !self.future.contains(VmFlags::LOCK_ON_FAULT) {
                self.populate(old, new);
            }
        }
        self.brk_end = to;
        Ok(())
    }
}
