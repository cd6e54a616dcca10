//! `madvise(2)`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::mappable::Mappable;

use super::aligned;
use crate::anon::SharedAnon;
use crate::resident::Kind;
use crate::space::{AddressSpace, Inner};
use crate::types::{FaultAccess, FaultOutcome, Owner, Prot, VmFlags};
use crate::vma::{Vma, object_id};
use abi::mm::*;

/// What `MADV_REMOVE` takes pages away from.
#[derive(Clone)]
pub struct RemoveTarget {
    /// The object that is mapped.
    pub object: Arc<dyn Mappable>,
    /// The open file that the mapping was made from.
    pub owner: Option<Owner>,
    /// Where in the object the address lies, in bytes.
    pub offset: u64,
    /// Bytes from there to the end of the mapping.
    pub len: u64,
}

impl AddressSpace {
    /// Takes advice on a range, [`madvise(2)`](https://man7.org/linux/man-pages/man2/madvise.2.html).
    ///
    /// Errors: `EINVAL` for an unaligned address, unknown advice, or advice that does not suit the mapping (locked pages, other
    /// than private anonymous memory for `MADV_FREE` and `MADV_WIPEONFORK`); `ENOMEM` if part of the range is not mapped (the
    /// rest is advised); `EACCES` for `MADV_REMOVE` without shared write access; `EOPNOTSUPP` for `MADV_REMOVE` on a file: the
    /// caller punches a hole there ([`AddressSpace::remove_target`]); `EFAULT` if populating failed; `EPERM` for discarding what
    /// sealed private anonymous memory holds that may not be written.
    pub fn madvise(&self, addr: GuestAddr, len: u64, advice: i32) -> Result<(), Errno> {
        let (start, end) = aligned(addr, len, Errno::EINVAL)?;
        // Pages are never merged (CONFIG_KSM).
        if matches!(advice, MADV_MERGEABLE | MADV_UNMERGEABLE)
            || !(0..=4).contains(&advice) && !(8..=25).contains(&advice)
        {
            return Err(Errno::EINVAL);
        }
        if start == end {
            return Ok(());
        }
        if advice == MADV_REMOVE {
            return self.remove(start, end);
        }
        self.update(|s| s.advise(start, end, advice))
    }
    /// What is behind an address of a shared file mapping that may be writable, for `MADV_REMOVE` to punch a hole there.
    ///
    /// Errors: `ENOMEM` if nothing is mapped; `EINVAL` for locked or anonymous memory; `EACCES` if not shared, or never writable.
    pub fn remove_target(&self, addr: GuestAddr) -> Result<RemoveTarget, Errno> {
        let inner = self.inner.read();
        let v = inner.vmas.find(addr.0).ok_or(Errno::ENOMEM)?;
        if v.flags.contains(VmFlags::LOCKED) {
            return Err(Errno::EINVAL);
        }
        let (file, offset) = v.file_at(addr.0).ok_or(Errno::EINVAL)?;
        if !v.shared() || !v.max_prot.contains(Prot::WRITE) {
            return Err(Errno::EACCES);
        }
        let (object, owner) = (file.object.clone(), file.owner.clone());
        Ok(RemoveTarget { object, owner, offset, len: v.end - addr.0 })
    }
    fn remove(&self, start: u64, end: u64) -> Result<(), Errno> {
        let mut at = start;
        while at < end {
            let RemoveTarget { object, offset, len, .. } = self.remove_target(GuestAddr(at))?;
            let len = len.min(end - at);
            let any: &dyn Any = &*object;
            let anon = any.downcast_ref::<SharedAnon>().ok_or(Errno::EOPNOTSUPP)?;
            // Without our lock: this tells all who map the object, us included.
            anon.remove(object_id(&object), offset, offset + len);
            at += len;
        }
        Ok(())
    }
}

/// Whether advice takes away what a mapping holds, here or in a child (`is_discard` in Linux; `MADV_REMOVE` is for shared memory
/// only).
fn discards(advice: i32) -> bool {
    matches!(advice, MADV_FREE | MADV_DONTNEED | MADV_DONTNEED_LOCKED | MADV_DONTFORK | MADV_WIPEONFORK)
}

impl Inner {
    fn advise(&mut self, start: u64, end: u64, advice: i32) -> Result<(), Errno> {
        let spans: Vec<(u64, u64)> =
            self.vmas.range(start, end).map(|v| (v.start.max(start), v.end.min(end))).collect();
        for (lo, hi) in spans {
            let Some(v) = self.vmas.find(lo) else { continue };
            let locked = v.flags.contains(VmFlags::LOCKED);
            let private_anon = v.is_anon() && !v.shared();
            // What may be written may be lost as well.
            if v.sealed() && discards(advice) && private_anon && !v.prot.contains(Prot::WRITE) {
                return Err(Errno::EPERM);
            }
            match advice {
                MADV_DONTNEED if locked => return Err(Errno::EINVAL),
                MADV_DONTNEED | MADV_DONTNEED_LOCKED => self.evict(lo, hi, |_| true),
                MADV_FREE if locked || !private_anon => return Err(Errno::EINVAL),
                MADV_FREE => self.evict(lo, hi, |r| r.kind == Kind::Own),
                MADV_WIPEONFORK if !private_anon => return Err(Errno::EINVAL),
                MADV_COLD | MADV_PAGEOUT if locked => return Err(Errno::EINVAL),
                MADV_WIPEONFORK => self.flag(lo, hi, VmFlags::WIPEONFORK, VmFlags::empty())?,
                MADV_KEEPONFORK => self.flag(lo, hi, VmFlags::empty(), VmFlags::WIPEONFORK)?,
                MADV_DONTFORK => self.flag(lo, hi, VmFlags::DONTFORK, VmFlags::empty())?,
                MADV_DOFORK => self.flag(lo, hi, VmFlags::empty(), VmFlags::DONTFORK)?,
                MADV_DONTDUMP => self.flag(lo, hi, VmFlags::DONTDUMP, VmFlags::empty())?,
                MADV_DODUMP => self.flag(lo, hi, VmFlags::empty(), VmFlags::DONTDUMP)?,
                MADV_HUGEPAGE => self.flag(lo, hi, VmFlags::HUGEPAGE, VmFlags::NOHUGEPAGE)?,
                MADV_NOHUGEPAGE => self.flag(lo, hi, VmFlags::NOHUGEPAGE, VmFlags::HUGEPAGE)?,
                MADV_POPULATE_READ | MADV_POPULATE_WRITE => {
                    self.populate_for(lo, hi, advice == MADV_POPULATE_WRITE)?;
                }
                _ => {}
            }
        }
        if self.vmas.covers(start, end) { Ok(()) } else { Err(Errno::ENOMEM) }
    }
    fn flag(&mut self, start: u64, end: u64, set: VmFlags, clear: VmFlags) -> Result<(), Errno> {
        self.check_cuts(start, end)?;
        self.vmas.update(start, end, |v: &mut Vma| v.flags = (v.flags - clear) | set);
        Ok(())
    }
    fn populate_for(&mut self, start: u64, end: u64, write: bool) -> Result<(), Errno> {
        let access = if write { FaultAccess::Write } else { FaultAccess::Read };
        let mut at = start;
        while at < end {
            let prot = self.vmas.find(at).map_or(Prot::NONE, |v| v.prot);
            let done = self.resident.find(at).filter(|r| {
                r.mapped.is_some()
                    && !prot.is_empty()
                    && (!write || (r.kind.writable() && prot.contains(Prot::WRITE)))
            });
            match done {
                Some(r) => at = r.end,
                None => match self.fault(at, access, false) {
                    FaultOutcome::Resumed => at += PAGE_SIZE,
                    FaultOutcome::Segv { .. } => return Err(Errno::EINVAL),
                    FaultOutcome::Bus { .. } => return Err(Errno::EFAULT),
                },
            }
        }
        Ok(())
    }
}
