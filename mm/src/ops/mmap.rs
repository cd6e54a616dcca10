//! `mmap(2)`.

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::mappable::Mappable;

use super::round_up;
use crate::anon::SharedAnon;
use crate::space::{AddressSpace, Inner};
use crate::types::{FaultAccess, FaultOutcome, MmapRequest, Prot, VmFlags};
use crate::vma::{Backing, FileRef, Vma};

impl AddressSpace {
    /// Adds a mapping, [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html), and returns where it is.
    ///
    /// Errors: `EINVAL` for no length or unaligned fixed address or offset; `ENOMEM` without room, past the limits or with too
    /// many mappings; `EEXIST` for `noreplace` on something; `EPERM` for a fixed address that is too low, execution from a
    /// `noexec` file, a sealed object, or a sealed mapping that it would replace; `EACCES` if the file's open mode does not allow `prot`; `EOVERFLOW` for a file range
    /// that wraps; `EAGAIN` for locked memory past its limit.
    pub fn mmap(&self, req: MmapRequest) -> Result<GuestAddr, Errno> {
        self.update(|s| s.mmap(req)).map(GuestAddr)
    }
}

impl Inner {
    fn mmap(&mut self, req: MmapRequest) -> Result<u64, Errno> {
        if req.len == 0 {
            return Err(Errno::EINVAL);
        }
        let len = round_up(req.len).ok_or(Errno::ENOMEM)?;
        let fixed = req.fixed || req.noreplace;
        if len > self.layout.max.0 {
            return Err(Errno::ENOMEM);
        }
        let addr = if fixed {
            if !req.addr.is_page_aligned() {
                return Err(Errno::EINVAL);
            }
            req.addr.0
        } else {
            req.addr.page_down().0
        };
        if fixed {
            let end = addr.checked_add(len).filter(|e| *e <= self.layout.max.0).ok_or(Errno::ENOMEM)?;
            if addr < self.layout.min.0 {
                return Err(Errno::EPERM);
            }
            if req.noreplace && self.vmas.overlaps(addr, end) {
                return Err(Errno::EEXIST);
            }
        }
        // One more than the limit is let pass, as in Linux: programs fill up to it, then cut.
        self.check_count(0)?;
        if fixed && self.vmas.find(addr).is_some_and(|v| v.start < addr && v.end > addr + len) {
            self.check_count(1)?;
        }

        let mut flags = self.future;
        flags.set(VmFlags::SHARED, req.shared);
        flags.set(VmFlags::GROWSDOWN, req.grows_down);
        flags.set(VmFlags::NORESERVE, req.noreserve);
        if req.locked {
            flags |= VmFlags::LOCKED;
        }
        let mut max_prot = if req.read_only { Prot::all() - Prot::WRITE } else { Prot::all() };
        if let Some(file) = &req.file {
            if !file.offset.is_multiple_of(PAGE_SIZE) || req.grows_down {
                return Err(Errno::EINVAL);
            }
            file.offset.checked_add(len).ok_or(Errno::EOVERFLOW)?;
            if !file.max_prot.contains(Prot::READ) {
                return Err(Errno::EACCES);
            }
            max_prot = if req.shared { file.max_prot } else { file.max_prot | Prot::WRITE };
            if (req.prot - max_prot).contains(Prot::WRITE) {
                return Err(Errno::EACCES);
            }
            if !max_prot.contains(req.prot) {
                return Err(Errno::EPERM);
            }
        }
        if req.grows_down && req.shared {
            return Err(Errno::EINVAL);
        }
        if fixed && self.vmas.any_sealed(addr, addr + len) {
            return Err(Errno::EPERM);
        }
        let data = req.prot.contains(Prot::WRITE) && !req.shared && !req.grows_down;
        let replaced = if fixed {
            self.vmas.range(addr, addr + len).map(|v| v.end.min(addr + len) - v.start.max(addr)).sum()
        } else {
            0
        };
        self.check_size(len - replaced, data)?;
        if flags.contains(VmFlags::LOCKED)
            && self.vmas.locked.checked_add(len).is_none_or(|n| n > self.limits.memlock_bytes)
        {
            return Err(Errno::EAGAIN);
        }
        let start = match (fixed, req.low) {
            (true, _) => addr,
            (false, true) => self.find_low(addr, len)?,
            (false, false) => self.find_free(addr, len)?,
        };
        let end = start + len;

        let is_private_file = req.file.is_some() && !req.shared;
        let backing = match req.file {
            Some(file) => {
                let wants = req.shared && max_prot.contains(Prot::WRITE);
                let r = match FileRef::new(file.object.clone(), file.owner.clone(), wants) {
                    Ok(r) => r,
                    // A sealed object may still be mapped for reading, for good.
                    Err(_) if !req.prot.contains(Prot::WRITE) => {
                        max_prot -= Prot::WRITE;
                        FileRef::new(file.object, file.owner, false)?
                    }
                    Err(e) => return Err(e),
                };
                self.observe(&r.object);
                Backing::File { file: r, offset: file.offset }
            }
            None if req.shared => {
                flags |= VmFlags::SHARED_ANON;
                let object: Arc<dyn Mappable> = Arc::new(SharedAnon::new(self.store.clone()));
                self.observe(&object);
                Backing::File { file: FileRef::new(object, None, false)?, offset: 0 }
            }
            None => Backing::Anon,
        };
        if fixed {
            self.evict(start, end, |_| true);
            self.vmas.discard(start, end);
        }
        let (prot, name) = (req.prot, req.name);
        self.vmas.insert(Vma { start, end, prot, max_prot, flags, backing, name, anon_name: None });
        self.vmas.merge(start, end);
        if is_private_file {
            self.note_fresh(start, end);
        }
        let lock_now = flags.contains(VmFlags::LOCKED) && !flags.contains(VmFlags::LOCK_ON_FAULT);
        if req.populate || lock_now {
            self.populate(start, end);
        }
        Ok(start)
    }
    fn observe(&self, object: &Arc<dyn Mappable>) {
        if let Some(me) = self.observer() {
            object.observe(&me);
        }
    }
    /// Makes pages resident as far as that goes, writable ones for writing.
    pub(crate) fn populate(&mut self, start: u64, end: u64) {
        let mut at = start;
        while at < end {
            let Some(v) = self.vmas.find(at) else { return };
            let access = if v.prot.contains(Prot::WRITE) && !v.shared() {
                FaultAccess::Write
            } else if v.prot.is_empty() {
                at = v.end;
                continue;
            } else {
                FaultAccess::Read
            };
            let next = match self.resident.find(at) {
                Some(r) if r.mapped.is_some() && (access == FaultAccess::Read || r.kind.writable()) => r.end,
                _ => {
                    if self.fault(at, access, false) != FaultOutcome::Resumed {
                        return;
                    }
                    at + PAGE_SIZE
                }
            };
            at = next;
        }
    }
}
