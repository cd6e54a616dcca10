//! `mprotect(2)`.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;

use super::aligned;
use crate::space::{AddressSpace, Inner, guest_range};
use crate::types::{MapOp, Prot, VmFlags};

impl AddressSpace {
    /// Changes the protection of mappings, [`mprotect(2)`](https://man7.org/linux/man-pages/man2/mprotect.2.html). Those that can have
    /// it get `implied` too.
    ///
    /// Errors: `EINVAL` for an unaligned address; `ENOMEM` if part of the range is not mapped (what is before it is changed), the
    /// range wraps, or limits are exceeded; `EACCES` if a file's open mode does not allow it; `EPERM` for a sealed mapping. What
    /// comes before such a mapping is changed.
    pub fn mprotect(&self, addr: GuestAddr, len: u64, prot: Prot, implied: Prot) -> Result<(), Errno> {
        self.update(|s| {
            let (start, end) = aligned(addr, len, Errno::ENOMEM)?;
            if start == end {
                Ok(())
            } else if implied.is_empty() {
                s.protect(start, end, prot)
            } else {
                s.protect_each(start, end, prot, implied)
            }
        })
    }
}

impl Inner {
    /// As [`Inner::protect`], mapping by mapping: they may differ in what of `implied` they can have.
    fn protect_each(&mut self, start: u64, end: u64, prot: Prot, implied: Prot) -> Result<(), Errno> {
        let mut at = start;
        while at < end {
            let v = self.vmas.find(at).ok_or(Errno::ENOMEM)?;
            let (next, prot) = (v.end.min(end), prot | v.max_prot & implied);
            self.protect(at, next, prot)?;
            at = next;
        }
        Ok(())
    }
    fn protect(&mut self, start: u64, end: u64, prot: Prot) -> Result<(), Errno> {
        let mut at = start;
        let mut result = Ok(());
        let mut more_data = 0;
        for v in self.vmas.range(start, end) {
            if v.start > at {
                break;
            }
            if !v.max_prot.contains(prot) {
                result = Err(Errno::EACCES);
                break;
            }
            if v.sealed() {
                result = Err(Errno::EPERM);
                break;
            }
            if prot.contains(Prot::WRITE)
                && !v.prot.contains(Prot::WRITE)
                && !v.flags.intersects(VmFlags::SHARED | VmFlags::GROWSDOWN)
            {
                more_data += v.end.min(end) - v.start.max(start);
            }
            at = v.end.min(end);
        }
        if result.is_ok() && at < end {
            result = Err(Errno::ENOMEM);
        }
        if at == start {
            return result;
        }
        if self.vmas.data.saturating_add(more_data) > self.limits.data_bytes && more_data > 0 {
            return Err(Errno::ENOMEM);
        }
        self.check_cuts(start, at)?;
        self.vmas.update(start, at, |v| v.prot = prot);
        self.reprotect(start, at)?;
        result
    }
    /// Brings the hardware's access in line with the mappings in `start..end`, which have one protection.
    fn reprotect(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        let Some(prot) = self.vmas.find(start).map(|v| v.prot) else { return Ok(()) };
        let mut ops: Vec<MapOp> = Vec::new();
        for mut run in self.resident.take(start, end) {
            let access = run.kind.access(prot);
            if let Some(old) = run.mapped
                && old != access
            {
                run.mapped = Some(access);
                match ops.last_mut() {
                    // Over a hole is fine: what is not mapped stays so.
                    Some(MapOp::Protect { range, access: a }) if *a == access => {
                        *range = guest_range(range.start().0, run.end);
                    }
                    _ => ops.push(MapOp::Protect { range: guest_range(run.start, run.end), access }),
                }
            }
            self.resident.insert(run);
        }
        // A run that already had its access may lie between two that are protected together: the same access again is harmless,
        // because ops join only when equal and every run in between has been given that access or is of another kind.
        let ops = self.split_protects(ops);
        if let Err(e) = self.apply(&ops) {
            // The hardware may have any of the old and new accesses: have it forget the pages.
            self.forget(start, end);
            return Err(e);
        }
        Ok(())
    }
    /// Cuts joined operations where a mapped run with another access lies in between.
    fn split_protects(&self, ops: Vec<MapOp>) -> Vec<MapOp> {
        let mut out = Vec::with_capacity(ops.len());
        for op in ops {
            let MapOp::Protect { range, access } = op else { continue };
            let mut open: Option<(u64, u64)> = None;
            for r in self.resident.range(range.start().0, range.end().0) {
                let (lo, hi) = (r.start.max(range.start().0), r.end.min(range.end().0));
                match r.mapped {
                    None => {}
                    Some(a) if a == access => open = Some((open.map_or(lo, |o| o.0), hi)),
                    Some(_) => {
                        if let Some((s, e)) = open.take() {
                            out.push(MapOp::Protect { range: guest_range(s, e), access });
                        }
                    }
                }
            }
            if let Some((s, e)) = open {
                out.push(MapOp::Protect { range: guest_range(s, e), access });
            }
        }
        out
    }
    /// Unmaps a range from the hardware only; faults map it again.
    pub(crate) fn forget(&mut self, start: u64, end: u64) {
        if self.apply(&[MapOp::Unmap { range: guest_range(start, end) }]).is_ok() {
            for mut run in self.resident.take(start, end) {
                run.mapped = None;
                self.resident.insert(run);
            }
        }
    }
}
