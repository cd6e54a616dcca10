//! `mmap(2)`.

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::FrameStore;
use kcore::mappable::Mappable;

use super::pages_up;
use crate::anon::SharedAnon;
use crate::space::{AddressSpace, Inner};
use crate::types::{MmapRequest, Prot, VmFlags};
use crate::vma::{Backing, FileRef, Vma};

/// Most mappings of one address space (`vm.max_map_count`).
const MAX_MAPS: usize = 65530;

impl AddressSpace {
    /// Adds a mapping and returns where it is, as [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html).
    ///
    /// Errors: `EINVAL` for no length or a fixed address inside a page; `ENOMEM` without room or beyond a limit; `EEXIST` with
    /// `noreplace`; `EPERM` below the lowest address or for a sealed file; `EACCES` if the file does not allow `prot`; `EOVERFLOW`
    /// for an offset too large.
    pub fn mmap(&self, req: MmapRequest) -> Result<GuestAddr, Errno> {
        let populate = req.populate || req.locked;
        let len = req.len;
        let at = self.update(|s| s.mmap(req))?;
        if populate {
            // As on Linux, a page that cannot be had now faults later.
            self.populate(at.0, at.0.saturating_add(len)).ok();
        }
        Ok(at)
    }
}

impl Inner {
    fn mmap(&mut self, req: MmapRequest) -> Result<GuestAddr, Errno> {
        if req.len == 0 {
            return Err(Errno::EINVAL);
        }
        let len = pages_up(req.len)?;
        let max_prot = check_file(&req, len)?;
        let start = self.place(&req, len)?;
        let end = start + len;
        let replaced: u64 = self.vmas.range(start, end).map(|v| v.end.min(end) - v.start.max(start)).sum();
        let mut flags = self.future;
        flags.set(VmFlags::SHARED, req.shared);
        flags.set(VmFlags::GROWSDOWN, req.grows_down);
        flags.set(VmFlags::NORESERVE, req.noreserve);
        if req.locked {
            flags |= VmFlags::LOCKED;
        }
        let backing = self.backing(&req, &mut flags)?;
        let vma = Vma { start, end, prot: req.prot, max_prot, flags, backing, name: req.name };
        self.check_limits(len, len - replaced, &vma)?;
        if let Some((file, _)) = vma.file_at(start)
            && let Some(me) = self.observer()
        {
            file.object.observe(&me);
        }
        self.evict(start, end, |_| true);
        self.vmas.discard(start, end);
        self.vmas.insert(vma);
        self.vmas.merge(start, end);
        Ok(GuestAddr(start))
    }

    fn backing(&self, req: &MmapRequest, flags: &mut VmFlags) -> Result<Backing, Errno> {
        match &req.file {
            Some(f) => {
                let writable = req.shared && f.max_prot.contains(Prot::WRITE);
                Ok(Backing::File { file: FileRef::new(f.object.clone(), writable)?, offset: f.offset })
            }
            None if req.shared => {
                *flags |= VmFlags::SHARED_ANON;
                let store: Arc<dyn FrameStore> = self.store.clone();
                let object: Arc<dyn Mappable> = Arc::new(SharedAnon::new(store));
                Ok(Backing::File { file: FileRef::new(object, true)?, offset: 0 })
            }
            None => Ok(Backing::Anon),
        }
    }

    /// Errors: `ENOMEM` beyond `RLIMIT_AS` or `RLIMIT_DATA` or with too many mappings; `EAGAIN` beyond `RLIMIT_MEMLOCK`.
    pub(crate) fn check_limits(&self, len: u64, added: u64, vma: &Vma) -> Result<(), Errno> {
        let over = |used: u64, more: u64, limit: u64| used.saturating_add(more) > limit;
        if over(self.vmas.total, added, self.limits.as_bytes)
            || vma.is_data() && over(self.vmas.data, len, self.limits.data_bytes)
            || self.vmas.count() >= MAX_MAPS
        {
            return Err(Errno::ENOMEM);
        }
        if vma.flags.contains(VmFlags::LOCKED) && over(self.vmas.locked, len, self.limits.memlock_bytes) {
            return Err(Errno::EAGAIN);
        }
        Ok(())
    }

    fn place(&self, req: &MmapRequest, len: u64) -> Result<u64, Errno> {
        let (min, max) = (self.layout.min.0, self.layout.max.0);
        if len > max - min {
            return Err(Errno::ENOMEM);
        }
        let fits = |at: u64| at >= min && at.checked_add(len).is_some_and(|end| end <= max);
        if req.fixed || req.noreplace {
            let at = req.addr.0;
            if !req.addr.is_page_aligned() {
                return Err(Errno::EINVAL);
            }
            if at < min {
                return Err(Errno::EPERM);
            }
            if !fits(at) {
                return Err(Errno::ENOMEM);
            }
            if req.noreplace && self.vmas.overlaps(at, at + len) {
                return Err(Errno::EEXIST);
            }
            return Ok(at);
        }
        let hint = req.addr.page_up().map_or(0, |a| a.0);
        if hint != 0 && fits(hint) && !self.vmas.overlaps(hint, hint + len) {
            return Ok(hint);
        }
        self.find_gap(len).ok_or(Errno::ENOMEM)
    }

    /// The highest free range of `len` bytes below the mapping base, or else the lowest above it.
    pub(crate) fn find_gap(&self, len: u64) -> Option<u64> {
        let (min, base, max) = (self.layout.min.0, self.layout.mmap_base.0, self.layout.max.0);
        let mut top = base;
        for v in self.vmas.range(min, base).rev() {
            if top.saturating_sub(v.end) >= len {
                return Some(top - len);
            }
            top = top.min(v.start);
        }
        if top.saturating_sub(min) >= len {
            return Some(top - len);
        }
        let mut at = base;
        for v in self.vmas.range(base, max) {
            if v.start.saturating_sub(at) >= len {
                return Some(at);
            }
            at = at.max(v.end);
        }
        (max.saturating_sub(at) >= len).then_some(at)
    }
}

/// What the mapping may ever allow. Errors: `EACCES`, `EINVAL`, `EOVERFLOW`.
fn check_file(req: &MmapRequest, len: u64) -> Result<Prot, Errno> {
    let Some(f) = &req.file else { return Ok(Prot::READ | Prot::WRITE | Prot::EXEC) };
    if !f.offset.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    if f.offset.checked_add(len).is_none_or(|end| end > 1 << 63) {
        return Err(Errno::EOVERFLOW);
    }
    // A private mapping may be written whatever the file allows: the file never sees it.
    let max = if req.shared { f.max_prot } else { f.max_prot | Prot::WRITE };
    if max.contains(req.prot) { Ok(max) } else { Err(Errno::EACCES) }
}
