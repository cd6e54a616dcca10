//! Frames: pages of the memory file that holds all guest memory of a sandbox.
//!
//! A frame is named by its offset in that file, never by an address, so that a sandbox can be written down or shared
//! copy-on-write. Every page has a reference count; a [`Frame`] owns one reference.

mod heap;

use alloc::sync::Arc;
use core::fmt;

use abi::Errno;

use crate::addr::PAGE_SIZE;
use crate::raw::RawBytes;

pub use heap::HeapFrames;

/// A byte offset in the memory file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileOffset(pub u64);

impl fmt::Debug for FileOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:#x}", self.0)
    }
}

/// The memory file's allocator and its contents.
///
/// Contents may be changed by guests at any moment; every access is a volatile copy, and two reads may differ.
/// Offsets and lengths must lie in allocated frames; implementations check that and panic on a kernel bug.
pub trait FrameStore: Send + Sync {
    /// `pages` contiguous zeroed pages with one reference each.
    ///
    /// Errors: `ENOMEM` when the memory file is full or the sandbox's limit is reached.
    fn alloc(&self, pages: u64) -> Result<FileOffset, Errno>;
    /// As [`FrameStore::alloc`], for pages that the caller fills before anyone else sees them: they may have the content of freed ones.
    ///
    /// Errors: `ENOMEM`.
    fn alloc_to_fill(&self, pages: u64) -> Result<FileOffset, Errno> {
        self.alloc(pages)
    }
    /// Adds one reference to each of `pages` pages from `at`.
    fn retain(&self, at: FileOffset, pages: u64);
    /// Drops one reference of each of `pages` pages from `at`; pages without references are freed and their content is gone.
    fn release(&self, at: FileOffset, pages: u64);
    /// Number of references to the page at `at`.
    fn count(&self, at: FileOffset) -> u32;
    /// Copies from the memory file. May cross pages as long as all bytes are allocated.
    fn read(&self, at: FileOffset, dst: &mut [u8]);
    /// Copies to the memory file.
    fn write(&self, at: FileOffset, src: &[u8]);
    /// Stores a word at an address that is a multiple of four, all of it at once, after all that was written before.
    fn store_u32(&self, at: FileOffset, value: u32) {
        self.write(at, &value.to_ne_bytes());
    }
    /// Copies within the memory file; the ranges must not overlap.
    fn copy(&self, from: FileOffset, to: FileOffset, len: u64);
    /// Zeroes `len` bytes.
    fn zero(&self, at: FileOffset, len: u64);
    /// `len` bytes at `at` themselves, which stay where they are while the store lives, for the host to copy to or from. Default: `None`,
    /// for a store that moves its content.
    fn bytes(&self, _at: FileOffset, _len: usize) -> Option<RawBytes<'_>> {
        None
    }
    /// Pages in use, for `/proc/meminfo` and limits.
    fn used_pages(&self) -> u64;
    /// Most pages that can be in use.
    fn max_pages(&self) -> u64;
}

/// References to pages that follow each other in the memory file, one to each.
pub struct FrameRun {
    store: Arc<dyn FrameStore>,
    at: FileOffset,
    pages: u64,
}

impl FrameRun {
    /// Takes another reference to each of `pages` pages from `at`, which somebody else holds.
    pub(crate) fn retain(store: &Arc<dyn FrameStore>, at: FileOffset, pages: u64) -> FrameRun {
        store.retain(at, pages);
        FrameRun { store: store.clone(), at, pages }
    }
    /// Where the first page lies.
    pub fn at(&self) -> FileOffset {
        self.at
    }
    /// How many bytes the pages have.
    pub fn bytes(&self) -> u64 {
        self.pages * PAGE_SIZE
    }
}

impl Drop for FrameRun {
    fn drop(&mut self) {
        self.store.release(self.at, self.pages);
    }
}

/// One reference to one page of the memory file.
pub struct Frame {
    store: Arc<dyn FrameStore>,
    at: FileOffset,
}

impl Frame {
    /// A new zeroed page.
    ///
    /// Errors: `ENOMEM`.
    pub fn alloc(store: &Arc<dyn FrameStore>) -> Result<Frame, Errno> {
        let at = store.alloc(1)?;
        Ok(Frame { store: store.clone(), at })
    }
    /// Takes over one reference that the caller owns to the page at `at`.
    pub fn from_owned(store: &Arc<dyn FrameStore>, at: FileOffset) -> Frame {
        Frame { store: store.clone(), at }
    }
    /// Where the page lies in the memory file.
    pub fn at(&self) -> FileOffset {
        self.at
    }
    /// The memory file.
    pub fn store(&self) -> &Arc<dyn FrameStore> {
        &self.store
    }
    /// Copies from byte `offset` of the page. `offset + dst.len()` must not exceed the page.
    pub fn read(&self, offset: usize, dst: &mut [u8]) {
        self.store.read(self.byte(offset, dst.len()), dst);
    }
    /// Copies to byte `offset` of the page. `offset + src.len()` must not exceed the page.
    pub fn write(&self, offset: usize, src: &[u8]) {
        self.store.write(self.byte(offset, src.len()), src);
    }
    /// Zeroes `len` bytes from byte `offset` of the page.
    pub fn zero(&self, offset: usize, len: usize) {
        self.store.zero(self.byte(offset, len), len as u64);
    }
    /// The memory-file offset of byte `offset` of the page, checked to leave room for `len` bytes.
    pub fn byte(&self, offset: usize, len: usize) -> FileOffset {
        assert!(offset.saturating_add(len) as u64 <= PAGE_SIZE, "access past the end of a frame");
        FileOffset(self.at.0 + offset as u64)
    }
}

impl Clone for Frame {
    fn clone(&self) -> Frame {
        self.store.retain(self.at, 1);
        Frame { store: self.store.clone(), at: self.at }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.store.release(self.at, 1);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?})", self.at)
    }
}
