//! Where mappings go.

use abi::Errno;
use kcore::addr::PAGE_SIZE;

use crate::space::Inner;
use crate::types::VmFlags;

/// Pages that stay free below a stack that grows.
pub(crate) const GUARD: u64 = 256 * PAGE_SIZE;
/// `vm.max_map_count`.
pub const MAX_MAPPINGS: usize = 65530;

impl Inner {
    /// Errors: `ENOMEM` if there are too many mappings to add `n`.
    pub(crate) fn check_count(&self, n: usize) -> Result<(), Errno> {
        if self.vmas.count() + n > MAX_MAPPINGS { Err(Errno::ENOMEM) } else { Ok(()) }
    }
    /// Errors: `ENOMEM` if there are too many mappings to cut those that reach across `start` or `end`.
    pub(crate) fn check_cuts(&self, start: u64, end: u64) -> Result<(), Errno> {
        let cut = |at: u64| usize::from(self.vmas.find(at).is_some_and(|v| v.start < at));
        match cut(start) + cut(end) {
            0 => Ok(()),
            n => self.check_count(n),
        }
    }
    /// Errors: `ENOMEM` if `more` bytes exceed `RLIMIT_AS`, or `RLIMIT_DATA` if they are data.
    pub(crate) fn check_size(&self, more: u64, data: bool) -> Result<(), Errno> {
        let over = |have: u64, limit: u64| have.checked_add(more).is_none_or(|n| n > limit);
        if over(self.vmas.total, self.limits.as_bytes)
            || (data && over(self.vmas.data, self.limits.data_bytes))
        {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }
    /// Whether `start..end` may hold a new mapping without disturbing a stack above it.
    pub(crate) fn is_free(&self, start: u64, end: u64) -> bool {
        if self.vmas.overlaps(start, end) {
            return false;
        }
        self.vmas.after(end).is_none_or(|v| end <= self.floor(v.start, v.flags))
    }
    fn floor(&self, start: u64, flags: VmFlags) -> u64 {
        if flags.contains(VmFlags::GROWSDOWN) { start.saturating_sub(GUARD) } else { start }
    }
    /// A free place for `len` bytes: at `hint` if that is free, else as high as possible below the layout's base, else as low as
    /// possible above it.
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn find_free(&self, hint: u64, len: u64) -> Result<u64, Errno> {
        let layout = self.layout;
        if hint != 0 {
            let hint = hint.max(layout.min.0);
            if hint.checked_add(len).is_some_and(|end| end <= layout.max.0 && self.is_free(hint, end)) {
                return Ok(hint);
            }
        }
        let mut top = layout.mmap_base.0.min(layout.max.0);
        // A stack that reaches below the base keeps its guard gap.
        if let Some(v) = self.vmas.after(top) {
            top = top.min(self.floor(v.start, v.flags));
        }
        for v in self.vmas.range(0, top).rev() {
            if v.end < top && top - v.end >= len && top - len >= layout.min.0 {
                return Ok(top - len);
            }
            top = top.min(self.floor(v.start, v.flags));
        }
        if let Some(start) = top.checked_sub(len)
            && start >= layout.min.0
        {
            return Ok(start);
        }
        let mut bottom = layout.mmap_base.0.max(layout.min.0);
        if let Some(v) = self.vmas.find(bottom) {
            bottom = v.end;
        }
        for v in self.vmas.range(bottom, layout.max.0) {
            if self.floor(v.start, v.flags).saturating_sub(bottom) >= len {
                return Ok(bottom);
            }
            bottom = bottom.max(v.end);
        }
        if layout.max.0.saturating_sub(bottom) >= len { Ok(bottom) } else { Err(Errno::ENOMEM) }
    }
    /// A free place for `MAP_32BIT`: at `hint` if that is free and low enough, else as low as possible in the second GiB.
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn find_low(&self, hint: u64, len: u64) -> Result<u64, Errno> {
        const LOW: (u64, u64) = (1 << 30, 1 << 31);
        let top = LOW.1.min(self.layout.max.0);
        if hint >= self.layout.min.0
            && hint.checked_add(len).is_some_and(|end| end <= top && self.is_free(hint, end))
        {
            return Ok(hint);
        }
        let mut bottom = LOW.0.max(self.layout.min.0);
        for v in self.vmas.range(bottom, top) {
            if self.floor(v.start, v.flags).saturating_sub(bottom) >= len {
                return Ok(bottom);
            }
            bottom = bottom.max(v.end);
        }
        if top.saturating_sub(bottom) >= len { Ok(bottom) } else { Err(Errno::ENOMEM) }
    }
}
