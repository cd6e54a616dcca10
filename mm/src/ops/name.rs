//! Names that programs give to their anonymous memory, `PR_SET_VMA_ANON_NAME` of `prctl(2)`.

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::GuestAddr;

use super::aligned;
use crate::anon::SharedAnon;
use crate::space::AddressSpace;
use crate::vma::Vma;

fn is_anonymous(v: &Vma) -> bool {
    v.file_at(v.start).is_none_or(|(f, _)| {
        let any: &dyn core::any::Any = &*f.object;
        any.is::<SharedAnon>()
    })
}

impl AddressSpace {
    /// Names the anonymous memory in a range, or takes its name away. The names show in `/proc/PID/maps`.
    ///
    /// Errors: `EINVAL` for an unaligned address; `ENOMEM` if part of the range is not mapped (the rest is named); `EBADF` if
    /// part of it belongs to a file.
    pub fn set_anon_name(&self, addr: GuestAddr, len: u64, name: Option<&Arc<str>>) -> Result<(), Errno> {
        let (start, end) = aligned(addr, len, Errno::EINVAL)?;
        if start == end {
            return Ok(());
        }
        self.update(|s| {
            if s.vmas.range(start, end).any(|v| !is_anonymous(v)) {
                return Err(Errno::EBADF);
            }
            s.check_cuts(start, end)?;
            s.vmas.update(start, end, |v| v.anon_name = name.cloned());
            if s.vmas.covers(start, end) { Ok(()) } else { Err(Errno::ENOMEM) }
        })
    }
}
