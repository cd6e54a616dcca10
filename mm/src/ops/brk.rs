//! `brk(2)`.

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};

use crate::space::{AddressSpace, Inner};
use crate::types::Prot;
use crate::vma::{Backing, Vma};

impl AddressSpace {
    /// Sets where the heap starts, empty, as `execve` does. `start` is rounded up to a page.
    pub fn set_brk_start(&self, start: GuestAddr) {
        self.update(|s| {
            s.brk_start = start.0.checked_next_multiple_of(PAGE_SIZE).unwrap_or(0);
            s.brk_end = s.brk_start;
            Ok(())
        })
        .ok();
    }
    /// Moves the end of the heap and returns where it is then; the old end if it could not be moved, or for `None`.
    pub fn brk(&self, to: Option<GuestAddr>) -> GuestAddr {
        let moved = self.update(|s| match to {
            Some(to) => s.set_brk(to.0),
            None => Ok(()),
        });
        // Linux reports failure by the unchanged break only.
        let _ = moved;
        GuestAddr(self.inner.read().brk_end)
    }
}

impl Inner {
    fn set_brk(&mut self, to: u64) -> Result<(), Errno> {
        if to < self.brk_start {
            return Err(Errno::EINVAL);
        }
        let old = self.brk_end.next_multiple_of(PAGE_SIZE);
        let new = to
            .checked_next_multiple_of(PAGE_SIZE)
            .filter(|n| *n <= self.layout.max.0)
            .ok_or(Errno::ENOMEM)?;
        if new > old {
            let vma = Vma {
                start: old,
                end: new,
                prot: Prot::RW,
                max_prot: Prot::READ | Prot::WRITE | Prot::EXEC,
                flags: self.future,
                backing: Backing::Anon,
                name: Some("[heap]"),
            };
            if self.vmas.overlaps(old, new) || new - self.brk_start > self.limits.data_bytes {
                return Err(Errno::ENOMEM);
            }
            self.check_limits(new - old, new - old, &vma)?;
            self.vmas.insert(vma);
            self.vmas.merge(old, new);
        } else if new < old {
            self.evict(new, old, |_| true);
            self.vmas.discard(new, old);
        }
        self.brk_end = to;
        Ok(())
    }
}
