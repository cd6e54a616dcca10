//! `mprotect(2)`.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;

use super::page_range;
use crate::space::{AddressSpace, Inner, guest_range};
use crate::types::{MapOp, Prot};

impl AddressSpace {
    /// Changes what a range allows.
    ///
    /// Errors: `EINVAL` for an address inside a page; `ENOMEM` if part of the range is not mapped; `EACCES` if a file does not allow it.
    pub fn mprotect(&self, addr: GuestAddr, len: u64, prot: Prot) -> Result<(), Errno> {
        let (start, end) = page_range(addr.0, len, Errno::ENOMEM)?;
        if start == end {
            return Ok(());
        }
        self.update(|s| {
            if !s.vmas.covers(start, end) {
                return Err(Errno::ENOMEM);
            }
            if s.vmas.range(start, end).any(|v| !v.max_prot.contains(prot)) {
                return Err(Errno::EACCES);
            }
            s.vmas.update(start, end, |v| v.prot = prot);
            s.protect_resident(start, end, prot)
        })
    }
}

impl Inner {
    /// Brings the hardware in line with a new protection.
    fn protect_resident(&mut self, start: u64, end: u64, prot: Prot) -> Result<(), Errno> {
        let mut ops: Vec<MapOp> = Vec::new();
        for mut run in self.resident.take(start, end) {
            let access = run.kind.access(prot);
            if run.mapped.is_some_and(|m| m != access) {
                run.mapped = Some(access);
                match ops.last_mut() {
                    Some(MapOp::Protect { range, access: a })
                        if range.end().0 == run.start && *a == access =>
                    {
                        *range = guest_range(range.start().0, run.end);
                    }
                    _ => ops.push(MapOp::Protect { range: guest_range(run.start, run.end), access }),
                }
            }
            self.resident.insert(run);
        }
        self.apply(&ops)
    }
}
