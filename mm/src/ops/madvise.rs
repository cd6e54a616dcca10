//! `madvise(2)`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::mappable::Mappable;

use super::page_range;
use crate::anon::SharedAnon;
use crate::space::AddressSpace;
use crate::types::VmFlags;
use crate::types::madvise::*;
use crate::vma::object_id;

impl AddressSpace {
    /// Takes advice about a range.
    ///
    /// Errors: `EINVAL` for an address inside a page, unknown advice, or advice that does not fit the mapping; `ENOMEM` if part of the
    /// range is not mapped (what is mapped has been advised); `EFAULT` from populating.
    pub fn madvise(&self, addr: GuestAddr, len: u64, advice: i32) -> Result<(), Errno> {
        let (start, end) = page_range(addr.0, len, Errno::EINVAL)?;
        if !is_known(advice) {
            return Err(Errno::EINVAL);
        }
        if start == end {
            return Ok(());
        }
        match advice {
            MADV_DONTNEED | MADV_DONTNEED_LOCKED => self.dont_need(start, end, advice)?,
            MADV_REMOVE => self.remove(start, end)?,
            MADV_POPULATE_READ | MADV_POPULATE_WRITE => return self.populate(start, end),
            _ => self.set_advice(start, end, advice)?,
        }
        if self.inner.read().vmas.covers(start, end) { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    fn dont_need(&self, start: u64, end: u64, advice: i32) -> Result<(), Errno> {
        self.update(|s| {
            let locked = s.vmas.range(start, end).any(|v| v.flags.contains(VmFlags::LOCKED));
            if locked && advice == MADV_DONTNEED {
                return Err(Errno::EINVAL);
            }
            s.evict(start, end, |_| true);
            Ok(())
        })
    }

    fn remove(&self, start: u64, end: u64) -> Result<(), Errno> {
        let mut parts: Vec<(Arc<dyn Mappable>, u64, u64)> = Vec::new();
        self.update(|s| {
            for v in s.vmas.range(start, end) {
                let from = v.start.max(start);
                let (file, offset) = v.file_at(from).filter(|_| v.shared()).ok_or(Errno::EINVAL)?;
                parts.push((file.object.clone(), offset, offset + (v.end.min(end) - from)));
            }
            Ok(())
        })?;
        for (object, from, to) in parts {
            let any: &dyn Any = &*object;
            // Only memory of our own can be punched from here; a file's owner would have to do it.
            let anon = any.downcast_ref::<SharedAnon>().ok_or(Errno::ENOTSUP)?;
            anon.remove(object_id(&object), from, to);
        }
        Ok(())
    }

    fn set_advice(&self, start: u64, end: u64, advice: i32) -> Result<(), Errno> {
        let (set, clear) = match advice {
            MADV_DONTFORK => (VmFlags::DONTFORK, VmFlags::empty()),
            MADV_DOFORK => (VmFlags::empty(), VmFlags::DONTFORK),
            MADV_WIPEONFORK => (VmFlags::WIPEONFORK, VmFlags::empty()),
            MADV_KEEPONFORK => (VmFlags::empty(), VmFlags::WIPEONFORK),
            MADV_DONTDUMP => (VmFlags::DONTDUMP, VmFlags::empty()),
            MADV_DODUMP => (VmFlags::empty(), VmFlags::DONTDUMP),
            MADV_HUGEPAGE => (VmFlags::HUGEPAGE, VmFlags::NOHUGEPAGE),
            MADV_NOHUGEPAGE => (VmFlags::NOHUGEPAGE, VmFlags::HUGEPAGE),
            // Hints about order and need change nothing here; freed pages may keep their content as long as memory is plentiful.
            _ => return Ok(()),
        };
        self.update(|s| {
            let private_anon_only = set.contains(VmFlags::WIPEONFORK);
            if private_anon_only && s.vmas.range(start, end).any(|v| !v.is_anon()) {
                return Err(Errno::EINVAL);
            }
            s.vmas.update(start, end, |v| v.flags = v.flags - clear | set);
            Ok(())
        })
    }
}

fn is_known(advice: i32) -> bool {
    matches!(advice, MADV_NORMAL..=MADV_DONTNEED | MADV_FREE..=MADV_COLLAPSE)
}
