//! The only unsafe code of the crate: volatile-in-spirit copies through raw pointers into the memory file, which guests write at
//! any time. No Rust reference to plain bytes of it ever exists.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use kcore::host::MemoryFile;
use kcore::raw::RawBytes;

/// Checked access to the bytes of a memory file. Panics on offsets outside it: those are kernel bugs.
pub(crate) struct RawMemory {
    file: Arc<dyn MemoryFile>,
    /// Where the file is mapped, and its length, which never change.
    base: *mut u8,
    len: u64,
}

// SAFETY: the pointer is to the mapping of `file`, which threads may share; access goes through its contract.
unsafe impl Send for RawMemory {}
// SAFETY: as above; the object itself never changes.
unsafe impl Sync for RawMemory {}

impl RawMemory {
    pub(crate) fn new(file: Arc<dyn MemoryFile>) -> RawMemory {
        let (base, len) = (file.base(), file.len());
        RawMemory { file, base, len }
    }
    pub(crate) fn file(&self) -> &dyn MemoryFile {
        &*self.file
    }
    #[inline]
    fn at(&self, offset: u64, len: usize) -> *mut u8 {
        let end = offset.checked_add(len as u64);
        assert!(end.is_some_and(|e| e <= self.len), "access past the end of the memory file");
        // SAFETY: the range is inside the mapping that `MemoryFile` promises to keep, as just checked.
        unsafe { self.base.add(offset as usize) }
    }
    pub(crate) fn read(&self, offset: u64, dst: &mut [u8]) {
        let src = self.at(offset, dst.len());
        // SAFETY: `src` is good for `dst.len()` bytes, and `dst` is Rust memory, which the memory file never overlaps. A guest that
        // writes at the same time can only make the copied bytes arbitrary, and any byte is a valid u8.
        unsafe { core::ptr::copy_nonoverlapping(src.cast_const(), dst.as_mut_ptr(), dst.len()) }
    }
    pub(crate) fn write(&self, offset: u64, src: &[u8]) {
        let dst = self.at(offset, src.len());
        // SAFETY: as in `read`, the other way round; nobody holds references into the memory file.
        unsafe { core::ptr::copy_nonoverlapping(src.as_ptr(), dst, src.len()) }
    }
    /// The bytes themselves, which stay where they are as long as the file does.
    pub(crate) fn bytes(&self, offset: u64, len: usize) -> RawBytes<'_> {
        let start = self.at(offset, len);
        // SAFETY: the range is inside the mapping, which lives as long as `self`; nobody holds references into it.
        unsafe { RawBytes::new(start, len) }
    }
    /// The ranges may overlap as far as memory safety goes.
    pub(crate) fn copy(&self, from: u64, to: u64, len: usize) {
        let (src, dst) = (self.at(from, len), self.at(to, len));
        // SAFETY: both ranges are inside the mapping; `ptr::copy` allows them to overlap.
        unsafe { core::ptr::copy(src.cast_const(), dst, len) }
    }
    pub(crate) fn zero(&self, offset: u64, len: usize) {
        let dst = self.at(offset, len);
        // SAFETY: the range is inside the mapping and nobody holds references into it.
        unsafe { core::ptr::write_bytes(dst, 0, len) }
    }
    /// Runs `f` on the aligned word at `offset`. The reference is to an atomic, whose content may change under it.
    fn word<R>(&self, offset: u64, f: impl FnOnce(&AtomicU32) -> R) -> R {
        assert!(offset.is_multiple_of(4), "misaligned atomic access");
        let p = self.at(offset, 4).cast::<u32>();
        // SAFETY: `p` is valid and, with a page-aligned base, aligned; all accesses by guests are the processor's own atomic or
        // plain ones, and this process makes no plain Rust reference to the bytes. The reference ends with this call.
        f(unsafe { AtomicU32::from_ptr(p) })
    }
    pub(crate) fn load_u32(&self, offset: u64) -> u32 {
        self.word(offset, |w| w.load(Ordering::SeqCst))
    }
    pub(crate) fn store_u32(&self, offset: u64, value: u32) {
        self.word(offset, |w| w.store(value, Ordering::SeqCst));
    }
    pub(crate) fn cmpxchg_u32(&self, offset: u64, old: u32, new: u32) -> Result<u32, u32> {
        self.word(offset, |w| w.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst))
    }
}

/// A memory file in this process's heap: for tests, and for platforms that interpret guests.
#[derive(Debug)]
pub struct VecMemory {
    raw: *mut [u8],
    base: *mut u8,
    len: u64,
}

// SAFETY: the pointers are to an allocation that this object owns; access to it goes through `MemoryFile`'s contract.
unsafe impl Send for VecMemory {}
// SAFETY: as above; the object itself never changes.
unsafe impl Sync for VecMemory {}

impl VecMemory {
    /// `pages` zeroed pages. Panics if that many do not fit the host's address space.
    pub fn new(pages: u64) -> VecMemory {
        let len = pages.checked_mul(PAGE_SIZE).expect("memory file too large");
        let bytes = usize::try_from(len + PAGE_SIZE).expect("memory file too large");
        // From the allocator zeroed, so an operating system may supply the pages lazily.
        let raw = Box::into_raw(vec![0u8; bytes].into_boxed_slice());
        let first = raw.cast::<u8>();
        let skip = first.align_offset(PAGE_SIZE as usize);
        // SAFETY: the allocation has a page more than `len`, so the aligned start plus `len` is inside it.
        let base = unsafe { first.add(skip) };
        VecMemory { raw, base, len }
    }
}

impl Drop for VecMemory {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `Box::into_raw` and is freed once, here.
        drop(unsafe { Box::from_raw(self.raw) });
    }
}

// SAFETY: the allocation lives as long as the object, at one address, and no references into it are made.
unsafe impl MemoryFile for VecMemory {
    fn base(&self) -> *mut u8 {
        self.base
    }
    fn len(&self) -> u64 {
        self.len
    }
    fn decommit(&self, offset: u64, len: u64) -> Result<(), Errno> {
        if offset.checked_add(len).is_none_or(|e| e > self.len) {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the range is inside the allocation, as just checked.
        unsafe { core::ptr::write_bytes(self.base.add(offset as usize), 0, len as usize) }
        Ok(())
    }
}
