//! The allocator of the memory file's pages.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use kcore::frame::{FileOffset, FrameStore};
use kcore::host::MemoryFile;
use kcore::sync::{LockClass, Mutex};
use spin::Once;

use crate::raw::RawMemory;

static FRAMES: LockClass = LockClass::new("frame allocator", 700);

/// Pages per table of counts: 128 MiB of memory file.
const CHUNK: u64 = 1 << 15;
/// Runs up to this many pages are zeroed by writing rather than by giving the memory back to the host.
const SMALL: u64 = 16;
/// Most freed pages that keep their memory for reuse: 64 MiB.
const DIRTY_MAX: u64 = 1 << 14;

/// Allocates pages of one memory file and counts their references.
///
/// Freed pages keep their content for a while and are zeroed when they are given out again: by writing for small runs, by
/// decommitting them otherwise.
pub struct FrameAllocator {
    memory: RawMemory,
    max: u64,
    used: AtomicU64,
    counts: Vec<Once<Box<[AtomicU32]>>>,
    free: Mutex<Free>,
}

struct Free {
    /// Pages from here on were never used.
    bump: u64,
    clean: Extents,
    dirty: Extents,
}

/// Free extents, in pages, by position and by size.
#[derive(Default)]
struct Extents {
    by_start: BTreeMap<u64, u64>,
    by_size: BTreeSet<(u64, u64)>,
    pages: u64,
}

impl Extents {
    fn insert(&mut self, mut start: u64, mut pages: u64) {
        self.pages += pages;
        if let Some((&s, &n)) = self.by_start.range(..start).next_back()
            && s + n == start
        {
            self.unlink(s, n);
            start = s;
            pages += n;
        }
        if let Some(&n) = self.by_start.get(&(start + pages)) {
            self.unlink(start + pages, n);
            pages += n;
        }
        self.by_start.insert(start, pages);
        self.by_size.insert((pages, start));
    }
    fn unlink(&mut self, start: u64, pages: u64) {
        self.by_start.remove(&start);
        self.by_size.remove(&(pages, start));
    }
    /// The first part of the smallest extent that fits.
    fn take(&mut self, pages: u64) -> Option<u64> {
        let &(n, start) = self.by_size.range((pages, 0)..).next()?;
        self.unlink(start, n);
        self.pages -= n;
        if n > pages {
            self.insert(start + pages, n - pages);
        }
        Some(start)
    }
    fn take_largest(&mut self) -> Option<(u64, u64)> {
        let &(n, start) = self.by_size.last()?;
        self.unlink(start, n);
        self.pages -= n;
        Some((start, n))
    }
}

impl FrameAllocator {
    /// An allocator of all pages of `file`, which must be zeroed and used by nobody else.
    pub fn new(file: Arc<dyn MemoryFile>) -> Arc<FrameAllocator> {
        let max = file.len() / PAGE_SIZE;
        let counts = (0..max.div_ceil(CHUNK)).map(|_| Once::new()).collect();
        let free = Free { bump: 0, clean: Extents::default(), dirty: Extents::default() };
        Arc::new(FrameAllocator {
            memory: RawMemory::new(file),
            max,
            used: AtomicU64::new(0),
            counts,
            free: Mutex::new(&FRAMES, free),
        })
    }
    pub(crate) fn raw(&self) -> &RawMemory {
        &self.memory
    }
    fn counter(&self, page: u64) -> &AtomicU32 {
        let chunk = self.counts[(page / CHUNK) as usize]
            .call_once(|| (0..CHUNK).map(|_| AtomicU32::new(0)).collect());
        &chunk[(page % CHUNK) as usize]
    }
    fn page(at: FileOffset) -> u64 {
        assert!(at.0.is_multiple_of(PAGE_SIZE), "unaligned frame {at:?}");
        at.0 / PAGE_SIZE
    }
    /// Makes the pages read as zero; `pages` is what was asked for, not the remainder.
    fn clean(&self, start: u64, pages: u64) {
        let (offset, len) = (start * PAGE_SIZE, pages * PAGE_SIZE);
        if pages <= SMALL || self.memory.file().decommit(offset, len).is_err() {
            self.memory.zero(offset, len as usize);
        }
    }
    /// A run, and whether it may have old content.
    fn find(&self, pages: u64) -> Option<(u64, bool)> {
        let mut free = self.free.lock();
        if pages <= SMALL
            && let Some(s) = free.dirty.take(pages)
        {
            return Some((s, true));
        }
        if let Some(s) = free.clean.take(pages) {
            return Some((s, false));
        }
        if self.max - free.bump >= pages {
            let s = free.bump;
            free.bump += pages;
            return Some((s, false));
        }
        if let Some(s) = free.dirty.take(pages) {
            return Some((s, true));
        }
        // Last resort: what is free may be contiguous only across both lists.
        while let Some((s, n)) = free.dirty.take_largest() {
            self.clean(s, n);
            free.clean.insert(s, n);
        }
        let tail = self.max - free.bump;
        if tail > 0 {
            let bump = free.bump;
            free.clean.insert(bump, tail);
            free.bump = self.max;
        }
        free.clean.take(pages).map(|s| (s, false))
    }
    fn put(&self, start: u64, pages: u64) {
        self.used.fetch_sub(pages, Ordering::Relaxed);
        let mut excess = None;
        {
            let mut free = self.free.lock();
            free.dirty.insert(start, pages);
            if free.dirty.pages > DIRTY_MAX {
                excess = free.dirty.take_largest();
            }
        }
        if let Some((s, n)) = excess {
            self.clean(s, n);
            self.free.lock().clean.insert(s, n);
        }
    }
}

impl FrameStore for FrameAllocator {
    fn alloc(&self, pages: u64) -> Result<FileOffset, Errno> {
        if pages == 0 || pages > self.max {
            return Err(Errno::ENOMEM);
        }
        let (start, dirty) = self.find(pages).ok_or(Errno::ENOMEM)?;
        if dirty {
            self.clean(start, pages);
        }
        for p in start..start + pages {
            self.counter(p).store(1, Ordering::Relaxed);
        }
        self.used.fetch_add(pages, Ordering::Relaxed);
        Ok(FileOffset(start * PAGE_SIZE))
    }
    fn retain(&self, at: FileOffset, pages: u64) {
        let start = Self::page(at);
        for p in start..start + pages {
            let old = self.counter(p).fetch_add(1, Ordering::Relaxed);
            assert!(old > 0 && old < u32::MAX / 2, "retaining frame {p} with count {old}");
        }
    }
    fn release(&self, at: FileOffset, pages: u64) {
        let start = Self::page(at);
        let mut run: Option<u64> = None;
        for p in start..start + pages {
            let old = self.counter(p).fetch_sub(1, Ordering::AcqRel);
            assert!(old > 0, "releasing free frame {p}");
            match (old == 1, run) {
                (true, None) => run = Some(p),
                (false, Some(s)) => {
                    self.put(s, p - s);
                    run = None;
                }
                _ => {}
            }
        }
        if let Some(s) = run {
            self.put(s, start + pages - s);
        }
    }
    fn count(&self, at: FileOffset) -> u32 {
        self.counter(Self::page(at)).load(Ordering::Acquire)
    }
    fn read(&self, at: FileOffset, dst: &mut [u8]) {
        self.memory.read(at.0, dst);
    }
    fn write(&self, at: FileOffset, src: &[u8]) {
        self.memory.write(at.0, src);
    }
    fn store_u32(&self, at: FileOffset, value: u32) {
        self.memory.store_u32(at.0, value);
    }
    fn copy(&self, from: FileOffset, to: FileOffset, len: u64) {
        self.memory.copy(from.0, to.0, usize::try_from(len).expect("length of a copy"));
    }
    fn zero(&self, at: FileOffset, len: u64) {
        self.memory.zero(at.0, usize::try_from(len).expect("length to zero"));
    }
    fn used_pages(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
    fn max_pages(&self) -> u64 {
        self.max
    }
}

impl core::fmt::Debug for FrameAllocator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FrameAllocator({} of {} pages)", self.used_pages(), self.max)
    }
}
