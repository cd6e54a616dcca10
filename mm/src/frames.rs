//! The allocator of the memory file's pages.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use kcore::frame::{FileOffset, FrameStore};
use kcore::host::MemoryFile;
use kcore::raw::RawBytes;
use kcore::sync::{LockClass, Mutex};
use spin::Once;

use crate::raw::RawMemory;

static FRAMES: LockClass = LockClass::new("frame allocator", 700);

/// Pages per table of counts: 128 MiB of memory file.
const CHUNK: u64 = 1 << 15;
/// Runs up to this many pages are zeroed by writing rather than by giving the memory back to the host.
const SMALL: u64 = 16;
/// Most freed pages that keep their memory, if nobody says otherwise: 64 MiB.
const KEPT: u64 = 1 << 14;
/// Freed pages that keep their memory for good: 4 MiB.
const KEPT_LONG: u64 = 1 << 10;
/// Most pages that [`FrameAllocator::trim`] gives back at once: 32 MiB, which takes about 5 ms.
const TRIM_STEP: u64 = 1 << 13;

/// Allocates pages of one memory file and counts their references.
///
/// Freed pages keep their content for a while and are zeroed when they are given out again: by writing for small runs and for those that
/// will be used as a whole, by decommitting them otherwise. What has not been used again goes back to the host by
/// [`FrameAllocator::trim`].
pub struct FrameAllocator {
    memory: RawMemory,
    max: u64,
    used: AtomicU64,
    counts: Vec<Once<Box<[AtomicU32]>>>,
    free: Mutex<Free>,
    /// Most freed pages that keep their memory.
    keep: AtomicU64,
    /// Whether more of them are there than are kept for good, and `on_excess` has been told.
    is_excess: AtomicBool,
    on_excess: Once<Box<dyn Fn() + Send + Sync>>,
}

struct Free {
    /// How much of the freed memory was there at the last trim, or the least since.
    idle: u64,
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
    /// The end of the largest extent.
    fn take_largest_up_to(&mut self, pages: u64) -> Option<(u64, u64)> {
        let &(n, start) = self.by_size.last()?;
        self.unlink(start, n);
        self.pages -= n;
        let taken = n.min(pages);
        if n > taken {
            self.insert(start, n - taken);
        }
        Some((start + (n - taken), taken))
    }
}

impl Free {
    fn take_dirty(&mut self, pages: u64) -> Option<u64> {
        let start = self.dirty.take(pages)?;
        self.idle = self.idle.min(self.dirty.pages);
        Some(start)
    }
}

impl FrameAllocator {
    /// An allocator of all pages of `file`, which must be zeroed and used by nobody else.
    pub fn new(file: Arc<dyn MemoryFile>) -> Arc<FrameAllocator> {
        let max = file.len() / PAGE_SIZE;
        let counts = (0..max.div_ceil(CHUNK)).map(|_| Once::new()).collect();
        let free = Free { idle: 0, bump: 0, clean: Extents::default(), dirty: Extents::default() };
        Arc::new(FrameAllocator {
            memory: RawMemory::new(file),
            max,
            used: AtomicU64::new(0),
            counts,
            free: Mutex::new(&FRAMES, free),
            keep: AtomicU64::new(KEPT),
            is_excess: AtomicBool::new(false),
            on_excess: Once::new(),
        })
    }
    /// Lets up to `pages` freed pages keep their memory. `on_excess` is called, with locks held, when they become more than are kept for good:
    /// someone should call [`FrameAllocator::trim`] a while later, until that says that it is done.
    pub fn keep_freed(&self, pages: u64, on_excess: Box<dyn Fn() + Send + Sync>) {
        self.keep.store(pages, Ordering::Relaxed);
        self.on_excess.call_once(|| on_excess);
    }
    /// Gives some memory of freed pages back to the host that has not been used since the last call. Returns whether there may be
    /// more of it later.
    pub fn trim(&self) -> bool {
        let step = {
            let mut free = self.free.lock();
            let unused = free.idle.min(free.dirty.pages).saturating_sub(KEPT_LONG).min(TRIM_STEP);
            let step = if unused > 0 { free.dirty.take_largest_up_to(unused) } else { None };
            free.idle = free.dirty.pages;
            let more = free.dirty.pages > KEPT_LONG;
            self.is_excess.store(more, Ordering::Relaxed);
            step.map(|s| (s, more)).ok_or(more)
        };
        match step {
            Ok(((start, pages), more)) => {
                self.clean(start, pages);
                self.free.lock().clean.insert(start, pages);
                more
            }
            Err(more) => more,
        }
    }
    /// As [`FrameStore::alloc`], for pages that will all be used soon: takes pages that have memory, if there are any in one piece.
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn alloc_to_use(&self, pages: u64) -> Result<FileOffset, Errno> {
        let Some(start) = self.free.lock().take_dirty(pages) else { return self.alloc(pages) };
        let (offset, len) = (start * PAGE_SIZE, pages * PAGE_SIZE);
        self.memory.file().prepare(offset, len);
        self.memory.zero(offset, len as usize);
        Ok(self.hand_out(start, pages))
    }
    /// Bytes of host memory that the memory file holds now; 0 if that is not known.
    pub(crate) fn committed(&self) -> u64 {
        self.memory.file().committed()
    }
    fn hand_out(&self, start: u64, pages: u64) -> FileOffset {
        for p in start..start + pages {
            self.counter(p).store(1, Ordering::Relaxed);
        }
        self.used.fetch_add(pages, Ordering::Relaxed);
        FileOffset(start * PAGE_SIZE)
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
            && let Some(s) = free.take_dirty(pages)
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
        if let Some(s) = free.take_dirty(pages) {
            return Some((s, true));
        }
        // Last resort: what is free may be contiguous only across both lists.
        while let Some((s, n)) = free.dirty.take_largest_up_to(u64::MAX) {
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
        let is_news = {
            let mut free = self.free.lock();
            free.dirty.insert(start, pages);
            if free.dirty.pages > self.keep.load(Ordering::Relaxed) {
                excess = free.dirty.take_largest_up_to(u64::MAX);
            }
            free.dirty.pages > KEPT_LONG && !self.is_excess.swap(true, Ordering::Relaxed)
        };
        if is_news && let Some(tell) = self.on_excess.get() {
            tell();
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
        Ok(self.hand_out(start, pages))
    }
    fn alloc_to_fill(&self, pages: u64) -> Result<FileOffset, Errno> {
        if pages == 0 || pages > self.max {
            return Err(Errno::ENOMEM);
        }
        let dirty = self.free.lock().take_dirty(pages);
        let start = match dirty {
            Some(start) => start,
            None => self.find(pages).ok_or(Errno::ENOMEM)?.0,
        };
        if pages > 1 {
            self.memory.file().prepare(start * PAGE_SIZE, pages * PAGE_SIZE);
        }
        Ok(self.hand_out(start, pages))
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
    fn bytes(&self, at: FileOffset, len: usize) -> Option<RawBytes<'_>> {
        Some(self.memory.bytes(at.0, len))
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
