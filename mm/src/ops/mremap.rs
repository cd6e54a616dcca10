//! `mremap(2)`.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};

use super::round_up;
use crate::resident::Run;
use crate::space::{AddressSpace, Inner};
use crate::types::VmFlags;
use crate::vma::{Backing, Vma};
use abi::mm::{MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE};

/// Runs of a moved mapping that are shown at once; faults show the rest.
const SHOW_MAX: usize = 64;

impl AddressSpace {
    /// Resizes or moves a mapping, [`mremap(2)`](https://man7.org/linux/man-pages/man2/mremap.2.html), and returns where it is.
    ///
    /// Errors: `EINVAL` for unaligned addresses, bad flags or lengths, or overlap; `EFAULT` if the old range is not within one
    /// mapping; `ENOMEM` if it cannot grow in place and may not move, or without room or past limits; `EAGAIN` past the limit
    /// on locked memory; `EPERM` if the mapping is sealed, or one that it would replace.
    pub fn mremap(
        &self,
        old: GuestAddr,
        old_len: u64,
        new_len: u64,
        flags: u32,
        new_addr: GuestAddr,
    ) -> Result<GuestAddr, Errno> {
        self.update(|s| s.remap(old.0, old_len, new_len, flags, new_addr.0)).map(GuestAddr)
    }
}

impl Inner {
    fn remap(
        &mut self,
        old: u64,
        old_len: u64,
        new_len: u64,
        flags: u32,
        new_addr: u64,
    ) -> Result<u64, Errno> {
        let (may_move, fixed, keep) =
            (flags & MREMAP_MAYMOVE != 0, flags & MREMAP_FIXED != 0, flags & MREMAP_DONTUNMAP != 0);
        if flags & !(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) != 0
            || (fixed || keep) && !may_move
            || !old.is_multiple_of(PAGE_SIZE)
        {
            return Err(Errno::EINVAL);
        }
        let (old_len, new_len) =
            (round_up(old_len).ok_or(Errno::EINVAL)?, round_up(new_len).ok_or(Errno::EINVAL)?);
        if new_len == 0 || keep && old_len != new_len {
            return Err(Errno::EINVAL);
        }
        let old_end = old.checked_add(old_len).ok_or(Errno::EINVAL)?;
        if fixed || keep {
            let new_end =
                new_addr.checked_add(new_len).filter(|e| *e <= self.layout.max.0).ok_or(Errno::EINVAL)?;
            if !new_addr.is_multiple_of(PAGE_SIZE) || (new_addr < old_end && old < new_end) {
                return Err(Errno::EINVAL);
            }
            if fixed && new_addr < self.layout.min.0 {
                return Err(Errno::EPERM);
            }
        }
        let vma = self.vmas.find(old).ok_or(Errno::EFAULT)?;
        if vma.sealed() {
            return Err(Errno::EPERM);
        }
        let vma = vma.clone();
        let result = self.remap_vma(&vma, old, old_len, new_len, (may_move, fixed, keep), new_addr);
        self.vmas.garbage.push(vma);
        result
    }
    fn remap_vma(
        &mut self,
        vma: &Vma,
        old: u64,
        old_len: u64,
        new_len: u64,
        (may_move, fixed, keep): (bool, bool, bool),
        new_addr: u64,
    ) -> Result<u64, Errno> {
        let old_end = old + old_len;
        if old_len == 0 && (!vma.shared() || !may_move) {
            return Err(Errno::EINVAL);
        }
        // Shrinking in place may span mappings, as in Linux.
        if !fixed && !keep && new_len <= old_len {
            if new_len < old_len {
                if vma.end < old + new_len {
                    return Err(Errno::EFAULT);
                }
                self.unmap(old + new_len, old_end)?;
            }
            return Ok(old);
        }
        // So may what is cut off from one that moves; it goes before anything is looked at.
        let cut = if fixed { old + old_len.min(new_len) } else { old_end };
        if self.vmas.any_sealed(cut, old_end) {
            return Err(Errno::EPERM);
        }
        if cut > vma.end {
            return Err(Errno::EFAULT);
        }
        if let Some((_, offset)) = vma.file_at(old) {
            offset.checked_add(new_len).ok_or(Errno::EINVAL)?;
        }
        let grow = new_len.saturating_sub(old_len);
        let extra = if keep || old_len == 0 { new_len } else { grow };
        if vma.flags.contains(VmFlags::LOCKED)
            && self.vmas.locked.checked_add(extra).is_none_or(|n| n > self.limits.memlock_bytes)
        {
            return Err(Errno::EAGAIN);
        }
        self.check_size(extra, vma.is_data())?;
        if !fixed && !keep && old_len > 0 && old_end == vma.end {
            let end = old.checked_add(new_len).ok_or(Errno::ENOMEM)?;
            if end <= self.layout.max.0 && self.is_free(old_end, end) {
                if let Some(mut v) = self.vmas.remove(vma.start) {
                    v.end = end;
                    self.vmas.insert(v);
                }
                self.vmas.merge(vma.start, end);
                self.lock_grown(vma, old_end, end);
                return Ok(old);
            }
        }
        if !may_move {
            return Err(Errno::ENOMEM);
        }
        self.check_count(4)?;
        let target = if fixed { new_addr } else { self.find_free(if keep { new_addr } else { 0 }, new_len)? };
        if fixed {
            self.unmap(target, target + new_len)?;
        }
        if fixed && new_len < old_len {
            self.unmap(old + new_len, old_end)?;
        }
        let moved = old_len.min(new_len);
        self.move_mapping(vma, old, moved, target, new_len, keep || old_len == 0)?;
        self.lock_grown(vma, target + moved, target + new_len);
        Ok(target)
    }
    fn lock_grown(&mut self, vma: &Vma, start: u64, end: u64) {
        if vma.flags.contains(VmFlags::LOCKED) && !vma.flags.contains(VmFlags::LOCK_ON_FAULT) {
            self.populate(start, end);
        }
    }
    /// Moves `old..old + len` of `vma` with its pages to `target`, where the mapping gets `new_len` bytes.
    fn move_mapping(
        &mut self,
        vma: &Vma,
        old: u64,
        len: u64,
        target: u64,
        new_len: u64,
        keep: bool,
    ) -> Result<(), Errno> {
        // The hardware forgets the old place first; if that fails, nothing has changed.
        if self.resident.range(old, old + len).any(|r| r.mapped.is_some()) {
            self.apply(&[crate::types::MapOp::Unmap { range: crate::space::guest_range(old, old + len) }])?;
        }
        let runs = self.resident.take(old, old + len);
        let mut new = vma.clone();
        new.start = target;
        new.end = target + new_len;
        if let Backing::File { offset, .. } = &mut new.backing {
            *offset += old - vma.start;
        }
        if keep {
            self.vmas.update(old, old + len, |v| v.flags -= VmFlags::LOCKED | VmFlags::LOCK_ON_FAULT);
        } else {
            self.vmas.discard(old, old + len);
        }
        let mut ops = Vec::new();
        for (i, run) in runs.iter().enumerate() {
            let mut r = Run {
                start: target + (run.start - old),
                end: target + (run.end - old),
                mapped: None,
                ..*run
            };
            let access = r.kind.access(vma.prot);
            if i < SHOW_MAX && run.mapped.is_some() && !access.is_empty() {
                Self::push_map(&mut ops, &r, access);
                r.mapped = Some(access);
            }
            self.resident.insert(r);
        }
        self.vmas.insert(new);
        self.vmas.merge(target, target + new_len);
        if self.apply(&ops).is_err() {
            self.forget(target, target + len);
        }
        Ok(())
    }
}
