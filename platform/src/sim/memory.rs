//! Guest memory in plain memory.

use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::sync::Arc;
use core::alloc::Layout;

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use kcore::host::MemoryFile;

/// A memory file that is an allocation of this process.
#[derive(Debug)]
pub struct SimMemory {
    raw: *mut u8,
    layout: Layout,
    base: *mut u8,
    len: u64,
}

// SAFETY: the pointers are addresses of an allocation that the object owns; no references are made from them.
unsafe impl Send for SimMemory {}
// SAFETY: as above, and nothing in the object changes after construction.
unsafe impl Sync for SimMemory {}

impl SimMemory {
    /// Memory of `len` bytes, a non-zero multiple of the page size. Untouched pages cost nothing where the allocator gets them from the host.
    ///
    /// Errors: `EINVAL` for another length, `ENOMEM`.
    pub fn new(len: u64) -> Result<Arc<SimMemory>, Errno> {
        if len == 0 || !len.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        // Aligned by hand: allocators clear aligned allocations by writing, others are clear already.
        let size = len.checked_add(PAGE_SIZE).and_then(|n| usize::try_from(n).ok()).ok_or(Errno::EINVAL)?;
        let layout = Layout::from_size_align(size, 16).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the layout has a size.
        let raw = unsafe { alloc_zeroed(layout) };
        if raw.is_null() {
            return Err(Errno::ENOMEM);
        }
        let page = usize::try_from(PAGE_SIZE).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the allocation is longer than `len` by a page, and less than that is added.
        let base = unsafe { raw.add(raw.align_offset(page)) };
        Ok(Arc::new(SimMemory { raw, layout, base, len }))
    }

    /// A pointer to `len` bytes from `offset`, or `None` if they are not all in the file.
    fn at(&self, offset: u64, len: usize) -> Option<*mut u8> {
        let end = offset.checked_add(u64::try_from(len).ok()?)?;
        let start = usize::try_from(offset).ok()?;
        // SAFETY: the bytes lie within the allocation.
        (end <= self.len).then(|| unsafe { self.base.add(start) })
    }
    /// Copies bytes out. Nothing happens if they are not all in the file.
    pub(super) fn read(&self, offset: u64, dst: &mut [u8]) {
        if let Some(p) = self.at(offset, dst.len()) {
            // SAFETY: `p` points to that many bytes; `dst` is elsewhere, as nobody has references into guest memory.
            unsafe { core::ptr::copy_nonoverlapping(p, dst.as_mut_ptr(), dst.len()) };
        }
    }
    /// Copies bytes in. Nothing happens if they would not all be in the file.
    pub(super) fn write(&self, offset: u64, src: &[u8]) {
        if let Some(p) = self.at(offset, src.len()) {
            // SAFETY: as in `read`.
            unsafe { core::ptr::copy_nonoverlapping(src.as_ptr(), p, src.len()) };
        }
    }
}

// SAFETY: the allocation lives as long as the object, at one address; the object makes no references into it.
unsafe impl MemoryFile for SimMemory {
    fn base(&self) -> *mut u8 {
        self.base
    }
    fn len(&self) -> u64 {
        self.len
    }
    fn decommit(&self, offset: u64, len: u64) -> Result<(), Errno> {
        let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
        let p = self.at(offset, len).ok_or(Errno::EINVAL)?;
        // SAFETY: `p` points to that many bytes.
        unsafe { core::ptr::write_bytes(p, 0, len) };
        Ok(())
    }
}

impl Drop for SimMemory {
    fn drop(&mut self) {
        // SAFETY: the allocation was made with this layout, and is given back once.
        unsafe { dealloc(self.raw, self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_until_they_are_given_back() {
        let m = SimMemory::new(4 * PAGE_SIZE).unwrap();
        assert!(m.base().addr().is_multiple_of(4096));
        m.write(PAGE_SIZE - 1, b"abc");
        let mut back = [0; 3];
        m.read(PAGE_SIZE - 1, &mut back);
        assert_eq!(&back, b"abc");
        m.decommit(PAGE_SIZE, PAGE_SIZE).unwrap();
        m.read(PAGE_SIZE - 1, &mut back);
        assert_eq!(&back, b"a\0\0");
        assert_eq!(m.decommit(3 * PAGE_SIZE, 2 * PAGE_SIZE), Err(Errno::EINVAL));
        assert!(SimMemory::new(5).is_err() && SimMemory::new(0).is_err());
    }
}
