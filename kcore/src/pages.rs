//! The pages of one file in memory: the content of a tmpfs file, or the cache of a file that lives elsewhere.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;

use crate::addr::PAGE_SIZE;
use crate::frame::{FileOffset, Frame, FrameRun, FrameStore};
use crate::mappable::{MappingObserver, Removal};
use crate::raw::RawBytes;
use crate::sync::{LockClass, Mutex};

/// The lock class of every file's pages.
pub static FILE_PAGES: LockClass = LockClass::new("file pages", 600);

/// Pages by index, and who maps them. Knows nothing of a file's size: its owner does.
pub struct FilePages {
    store: Arc<dyn FrameStore>,
    inner: Mutex<Inner>,
}

struct Inner {
    pages: BTreeMap<u64, Frame>,
    observers: Vec<Weak<dyn MappingObserver>>,
    /// Frames allocated ahead, contiguous, so that sequential files can be mapped in one piece.
    ahead: Vec<Frame>,
    ahead_for: u64,
}

/// Pages allocated at once when a file grows sequentially.
const RUN: u64 = 16;

impl FilePages {
    /// No pages yet, in `store`.
    pub fn new(store: Arc<dyn FrameStore>) -> FilePages {
        let inner = Inner { pages: BTreeMap::new(), observers: Vec::new(), ahead: Vec::new(), ahead_for: 0 };
        FilePages { store, inner: Mutex::new(&FILE_PAGES, inner) }
    }
    /// The memory file that holds the pages.
    pub fn store(&self) -> &Arc<dyn FrameStore> {
        &self.store
    }
    /// The page with this index, if present.
    pub fn get(&self, index: u64) -> Option<Frame> {
        self.inner.lock().pages.get(&index).cloned()
    }
    /// Calls `found` with pieces of the pages `from..to` that are present and follow each other in the memory file: a piece's first
    /// index, where it is, and how many pages it has, each with a reference that `found` takes over.
    pub fn runs(&self, from: u64, to: u64, found: &mut dyn FnMut(u64, FileOffset, u64)) {
        if from >= to {
            return;
        }
        let inner = self.inner.lock();
        let mut give = |(index, at, pages): (u64, FileOffset, u64)| {
            self.store.retain(at, pages);
            found(index, at, pages);
        };
        let mut open: Option<(u64, FileOffset, u64)> = None;
        for (index, frame) in inner.pages.range(from..to) {
            match &mut open {
                Some((first, at, pages))
                    if *first + *pages == *index && at.0 + *pages * PAGE_SIZE == frame.at().0 =>
                {
                    *pages += 1;
                }
                _ => open.replace((*index, frame.at(), 1)).into_iter().for_each(&mut give),
            }
        }
        open.into_iter().for_each(give);
    }
    /// The pages from this index on, `max` at most, that are present and follow each other in the memory file.
    pub fn run(&self, index: u64, max: u64) -> Option<FrameRun> {
        let inner = self.inner.lock();
        let mut pages = inner.pages.range(index..index.saturating_add(max));
        let (_, first) = pages.next().filter(|(i, _)| **i == index)?;
        let at = first.at();
        let follows =
            |n: &(u64, (&u64, &Frame))| *n.1.0 == index + n.0 && n.1.1.at().0 == at.0 + n.0 * PAGE_SIZE;
        let more = (1..).zip(pages).take_while(follows).count() as u64;
        Some(FrameRun::retain(&self.store, at, 1 + more))
    }
    /// The page with this index; a missing one is added, zeroed. The flag says that it was added.
    ///
    /// Errors: `ENOMEM`.
    pub fn get_or_zero(&self, index: u64) -> Result<(Frame, bool), Errno> {
        let mut inner = self.inner.lock();
        if let Some(f) = inner.pages.get(&index) {
            return Ok((f.clone(), false));
        }
        let frame = inner.take_frame(&self.store, index)?;
        inner.pages.insert(index, frame.clone());
        Ok((frame, true))
    }
    /// The page with this index; a missing one is made by `fill`, which runs without the lock. If two race, the first one stays.
    ///
    /// Errors: `ENOMEM`, or what `fill` says.
    pub fn get_or_fill(
        &self,
        index: u64,
        fill: impl FnOnce(&Frame) -> Result<(), Errno>,
    ) -> Result<Frame, Errno> {
        let frame = {
            let mut inner = self.inner.lock();
            if let Some(f) = inner.pages.get(&index) {
                return Ok(f.clone());
            }
            inner.take_frame(&self.store, index)?
        };
        fill(&frame)?;
        Ok(self.inner.lock().pages.entry(index).or_insert(frame).clone())
    }
    /// Adds the pages `from..to` that are missing, with what `read` stores: it gets a byte offset in the file and room, and says how much it
    /// stored, which is less only at the file's end. The last page is filled up with zeroes; pages behind it are not added. It runs
    /// without the lock; pages that others add meanwhile stay as they are.
    ///
    /// Errors: `ENOMEM`, and what `read` says.
    pub fn fill(
        &self,
        from: u64,
        to: u64,
        read: &mut dyn FnMut(u64, RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Result<(), Errno> {
        let mut index = from;
        while index < to {
            let missing = {
                let inner = self.inner.lock();
                let next = inner.pages.range(index..to).next().map_or(to, |(i, _)| *i);
                next - index
            };
            if missing == 0 {
                index += 1;
                continue;
            }
            let got = self.fill_run(index, missing, read)?;
            if got < missing {
                break;
            }
            index += missing;
        }
        Ok(())
    }
    /// As [`FilePages::fill`], for pages that are all missing. Returns how many pages there are before the file's end.
    fn fill_run(
        &self,
        index: u64,
        pages: u64,
        read: &mut dyn FnMut(u64, RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Result<u64, Errno> {
        // In one piece, so that it can be mapped in one.
        let at = self.store.alloc_to_fill(pages)?;
        let frames: Vec<Frame> =
            (0..pages).map(|i| Frame::from_owned(&self.store, FileOffset(at.0 + i * PAGE_SIZE))).collect();
        let len = usize::try_from(pages * PAGE_SIZE).map_err(|_| Errno::ENOMEM)?;
        let offset = index * PAGE_SIZE;
        let got = match self.store.bytes(at, len) {
            Some(room) => read(offset, room)?.min(len),
            None => {
                let mut buf = vec![0; len];
                let got = read(offset, RawBytes::of(&mut buf))?.min(len);
                self.store.write(at, &buf[..got]);
                got
            }
        };
        let used = (got as u64).div_ceil(PAGE_SIZE);
        self.store.zero(FileOffset(at.0 + got as u64), used * PAGE_SIZE - got as u64);
        let mut inner = self.inner.lock();
        for (i, frame) in (index..index + used).zip(frames) {
            inner.pages.entry(i).or_insert(frame);
        }
        Ok(used)
    }
    /// Changes bytes from `offset` on in the pages that are there.
    pub fn overwrite(&self, offset: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let pos = offset + done as u64;
            let within = (pos % PAGE_SIZE) as usize;
            let n = (PAGE_SIZE as usize - within).min(data.len() - done);
            if let Some(f) = self.get(pos / PAGE_SIZE) {
                f.write(within, &data[done..done + n]);
            }
            done += n;
        }
    }
    /// Puts `frame` at this index, in place of what was there.
    pub fn insert(&self, index: u64, frame: Frame) {
        self.inner.lock().pages.insert(index, frame);
    }
    /// Indexes of the pages present in `from..to`.
    pub fn present(&self, from: u64, to: u64) -> Vec<u64> {
        if from >= to {
            return Vec::new();
        }
        self.inner.lock().pages.range(from..to).map(|(i, _)| *i).collect()
    }
    /// The first index at or after `from` that is present.
    pub fn next_present(&self, from: u64) -> Option<u64> {
        self.inner.lock().pages.range(from..).next().map(|(i, _)| *i)
    }
    /// Number of pages present.
    pub fn len(&self) -> u64 {
        self.inner.lock().pages.len() as u64
    }
    /// Whether no page is present.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Registers an address space that maps these pages.
    pub fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        let mut inner = self.inner.lock();
        let new = Arc::downgrade(observer);
        inner.observers.retain(|o| o.strong_count() > 0 && !o.ptr_eq(&new));
        inner.observers.push(new);
    }
    /// Removes bytes `start..end`: whole pages go, partial ones are zeroed there, and everyone who maps them is told (with `object`
    /// as the identity). Call it without locks of rank 500 and above. Returns the number of pages removed.
    pub fn remove(&self, object: usize, start: u64, end: u64, why: Removal) -> u64 {
        let first_whole = start.div_ceil(PAGE_SIZE);
        let end_whole = end / PAGE_SIZE;
        let mut removed = Vec::new();
        let observers: Vec<_>;
        {
            let mut inner = self.inner.lock();
            if first_whole > end_whole {
                // Within one page.
                inner.zero_part(start / PAGE_SIZE, start % PAGE_SIZE, end % PAGE_SIZE);
            } else {
                if !start.is_multiple_of(PAGE_SIZE) {
                    inner.zero_part(start / PAGE_SIZE, start % PAGE_SIZE, PAGE_SIZE);
                }
                if !end.is_multiple_of(PAGE_SIZE) {
                    inner.zero_part(end_whole, 0, end % PAGE_SIZE);
                }
                let mut tail = inner.pages.split_off(&first_whole);
                let mut keep = tail.split_off(&end_whole);
                inner.pages.append(&mut keep);
                removed.extend(tail.into_values());
            }
            inner.ahead.clear();
            observers = inner.observers.iter().filter_map(Weak::upgrade).collect();
        }
        if first_whole < end_whole {
            let end_byte = end_whole.saturating_mul(PAGE_SIZE);
            for o in observers {
                o.invalidate(object, first_whole * PAGE_SIZE, end_byte, why);
            }
        }
        removed.len() as u64
    }
    /// Reads present pages' bytes into `dst` from byte `offset`; missing pages read as zero.
    pub fn read(&self, offset: u64, dst: &mut [u8]) {
        let mut done = 0;
        while done < dst.len() {
            let pos = offset + done as u64;
            let (index, within) = (pos / PAGE_SIZE, (pos % PAGE_SIZE) as usize);
            let n = (PAGE_SIZE as usize - within).min(dst.len() - done);
            match self.get(index) {
                Some(f) => f.read(within, &mut dst[done..done + n]),
                None => dst[done..done + n].fill(0),
            }
            done += n;
        }
    }
}

impl Inner {
    fn take_frame(&mut self, store: &Arc<dyn FrameStore>, index: u64) -> Result<Frame, Errno> {
        if self.ahead_for == index
            && let Some(f) = self.ahead.pop()
        {
            self.ahead_for += 1;
            return Ok(f);
        }
        let sequential = index == 0 || self.pages.contains_key(&(index - 1));
        if sequential
            && index >= RUN
            && let Ok(at) = store.alloc(RUN)
        {
            self.ahead =
                (1..RUN).rev().map(|i| Frame::from_owned(store, FileOffset(at.0 + i * PAGE_SIZE))).collect();
            self.ahead_for = index + 1;
            return Ok(Frame::from_owned(store, at));
        }
        Frame::alloc(store)
    }

    fn zero_part(&mut self, index: u64, from: u64, to: u64) {
        if let Some(f) = self.pages.get(&index)
            && from < to
        {
            f.zero(from as usize, (to - from) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::HeapFrames;

    #[test]
    fn missing_pages_are_filled_up_to_the_end_of_the_file() {
        let store: Arc<dyn FrameStore> = Arc::new(HeapFrames::new(16));
        // Frames that had another content.
        let old = store.alloc(8).unwrap();
        store.write(old, &[9; 8 * 4096]);
        store.release(old, 8);
        let pages = FilePages::new(store.clone());
        pages.insert(2, Frame::alloc(&store).unwrap());
        let mut calls = Vec::new();
        let file = [7; 4 * 4096 + 10];
        let mut read = |at: u64, room: RawBytes<'_>| {
            calls.push((at, room.len()));
            let rest = &file[file.len().min(at as usize)..];
            let n = rest.len().min(room.len());
            room.write(0, &rest[..n]);
            Ok(n)
        };
        pages.fill(0, 8, &mut read).unwrap();
        assert_eq!(calls, [(0, 2 * 4096), (3 * 4096, 5 * 4096)]);
        assert_eq!(pages.present(0, 8), [0, 1, 2, 3, 4]);
        let mut content = [1; 5 * 4096];
        pages.read(0, &mut content);
        let expected = [&file[..2 * 4096], &[0; 4096], &file[3 * 4096..], &[0; 4086]].concat();
        assert_eq!(content[..], expected[..]);
        assert_eq!(store.used_pages(), 5);
        let run = |index, max| pages.run(index, max).map(|r| r.bytes() / PAGE_SIZE);
        assert_eq!(
            (run(0, 8), run(0, 1), run(2, 8), run(3, 8), run(5, 8)),
            (Some(2), Some(1), Some(1), Some(2), None)
        );
        assert_eq!(pages.fill(5, 6, &mut |_, _| Err(Errno::EIO)), Err(Errno::EIO));
        assert_eq!(store.used_pages(), 5);
    }
}
