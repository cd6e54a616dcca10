//! Frames on the heap.

use alloc::vec::Vec;

use abi::Errno;

use super::{FileOffset, FrameStore};
use crate::addr::PAGE_SIZE;
use crate::sync::{LockClass, Mutex};

static FRAMES: LockClass = LockClass::new("frames on the heap", 700);

/// A [`FrameStore`] on the heap, for a file system that no guest maps: a library's use of it, or a test.
///
/// ```
/// use kcore::frame::{FrameStore, HeapFrames};
///
/// let frames = HeapFrames::new(16);
/// let at = frames.alloc(1)?;
/// frames.write(at, b"hello");
/// frames.release(at, 1);
/// assert_eq!(frames.used_pages(), 0);
/// # Ok::<(), abi::Errno>(())
/// ```
pub struct HeapFrames {
    max_pages: u64,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    bytes: Vec<u8>,
    /// References of each page.
    counts: Vec<u32>,
    /// Pages without references, to be given out one by one.
    free: Vec<usize>,
}

impl HeapFrames {
    /// No frame yet, and never more than `max_pages`.
    pub fn new(max_pages: u64) -> HeapFrames {
        HeapFrames { max_pages, pages: Mutex::new(&FRAMES, Pages::default()) }
    }
}

impl Pages {
    fn used(&self) -> usize {
        self.counts.len() - self.free.len()
    }

    /// `n` new pages at the end.
    fn extend(&mut self, n: usize) -> usize {
        let first = self.counts.len();
        self.counts.resize(first + n, 1);
        self.bytes.resize(self.counts.len() * PAGE, 0);
        first
    }

    fn slice(&mut self, at: FileOffset, len: usize) -> &mut [u8] {
        let start = index(at.0);
        &mut self.bytes[start..start + len]
    }

    fn counts_of(&mut self, at: FileOffset, pages: u64) -> &mut [u32] {
        let first = index(at.0 / PAGE_SIZE);
        &mut self.counts[first..first + index(pages)]
    }
}

const PAGE: usize = PAGE_SIZE as usize;

fn index(n: u64) -> usize {
    usize::try_from(n).expect("an offset in memory fits the address size")
}

impl FrameStore for HeapFrames {
    fn alloc(&self, pages: u64) -> Result<FileOffset, Errno> {
        let mut p = self.pages.lock();
        let left = self.max_pages.saturating_sub(p.used() as u64);
        if pages > left {
            return Err(Errno::ENOMEM);
        }
        let reused = if pages == 1 { p.free.pop() } else { None };
        let first = match reused {
            Some(page) => {
                p.counts[page] = 1;
                p.bytes[page * PAGE..][..PAGE].fill(0);
                page
            }
            None => p.extend(index(pages)),
        };
        Ok(FileOffset((first * PAGE) as u64))
    }

    fn retain(&self, at: FileOffset, pages: u64) {
        for count in self.pages.lock().counts_of(at, pages) {
            assert!(*count > 0, "a free frame is retained");
            *count += 1;
        }
    }

    fn release(&self, at: FileOffset, pages: u64) {
        let mut p = self.pages.lock();
        let first = index(at.0 / PAGE_SIZE);
        for page in first..first + index(pages) {
            p.counts[page] = p.counts[page].checked_sub(1).expect("a free frame is released");
            if p.counts[page] == 0 {
                p.free.push(page);
            }
        }
    }

    fn count(&self, at: FileOffset) -> u32 {
        self.pages.lock().counts_of(at, 1)[0]
    }

    fn read(&self, at: FileOffset, dst: &mut [u8]) {
        dst.copy_from_slice(self.pages.lock().slice(at, dst.len()));
    }

    fn write(&self, at: FileOffset, src: &[u8]) {
        self.pages.lock().slice(at, src.len()).copy_from_slice(src);
    }

    fn copy(&self, from: FileOffset, to: FileOffset, len: u64) {
        let (from, to, len) = (index(from.0), index(to.0), index(len));
        self.pages.lock().bytes.copy_within(from..from + len, to);
    }

    fn zero(&self, at: FileOffset, len: u64) {
        self.pages.lock().slice(at, index(len)).fill(0);
    }

    fn used_pages(&self) -> u64 {
        self.pages.lock().used() as u64
    }

    fn max_pages(&self) -> u64 {
        self.max_pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_back_zeroed_and_the_limit_holds() {
        let frames = HeapFrames::new(2);
        let (a, b) = (frames.alloc(1).unwrap(), frames.alloc(1).unwrap());
        assert_eq!(frames.alloc(1), Err(Errno::ENOMEM));
        frames.write(a, b"x");
        frames.copy(a, b, 1);
        frames.retain(a, 1);
        frames.release(a, 1);
        assert_eq!((frames.count(a), frames.used_pages()), (1, 2));
        frames.release(a, 1);
        assert_eq!(frames.alloc(1), Ok(a));
        let mut got = [9; 2];
        frames.read(a, &mut got[..1]);
        frames.read(b, &mut got[1..]);
        assert_eq!(&got, b"\0x");
    }
}
