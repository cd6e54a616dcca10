//! The pages of a host's file that are mapped, and how they stay the same as the host's.
//!
//! Only mappings fill pages. Reads and writes go to the host, but for pages that are here: those are read from here, because a shared mapping
//! may have changed them, and written in both places. Pages that a shared mapping may have changed are *dirty* until the last such
//! mapping is gone; `msync`, `fsync` and the end of that mapping write them back.
//!
//! The host may change a file at any time. Its time and size are compared whenever attributes are asked for (which opening does, and
//! reading if the tree is writable), and pages that are not dirty are dropped when they differ.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use kcore::addr::PAGE_SIZE;
use kcore::frame::{FileOffset, Frame, FrameStore};
use kcore::mappable::{MappingObserver, Removal};
use kcore::pages::FilePages;
use kcore::raw::RawBytes;
use kcore::sync::{LockClass, Mutex};

use super::HostNode;
use crate::Errno;
use crate::attr::{InodeAttr, Timestamp};

// Faults take these under the lock of an address space (500).
static FILLING: LockClass = LockClass::new("host file filling", 595);
static STATE: LockClass = LockClass::new("host file state", 610);

/// Pages that a fault reads at once, aligned: a dynamic loader touches files here and there, and each call to the host costs.
const CLUSTER: u64 = 32;
/// Most pages that a fault reads at once when faults go through the file from front to back: each such fault then reads twice as much as the
/// one before. Not before so many have followed each other: libraries are touched here and there, and what they do not need would stay.
const MOST: u64 = 256;
const PATIENCE: u32 = 4;

/// The cached part of a file.
pub(super) struct Cache {
    pages: FilePages,
    /// Known without a lock, because faults must see it.
    size: AtomicU64,
    /// Held while pages are read from the host, and while the host and the pages here are changed.
    filling: Mutex<Ahead>,
    state: Mutex<State>,
}

/// The last fault that read something.
#[derive(Clone, Copy, Default)]
struct Ahead {
    /// The page after those that it read.
    next: u64,
    /// How many it asked for.
    pages: u64,
    /// How many before it have followed each other.
    in_row: u32,
}

impl Ahead {
    /// Notes that a fault reads from page `first` on, and says up to which it should.
    fn reach(&mut self, first: u64) -> u64 {
        let follows = first > 0 && first == self.next;
        self.in_row = if follows { self.in_row.saturating_add(1) } else { 0 };
        self.pages = if self.in_row >= PATIENCE { (self.pages * 2).min(MOST) } else { CLUSTER };
        self.next = first + self.pages;
        self.next
    }
}

struct State {
    /// The modification time that the pages belong to.
    version: Timestamp,
    dirty: BTreeSet<u64>,
    /// Shared mappings that may be written to.
    writers: u32,
}

/// Reads until `dst` is full or the file ends, which is where `size` says unless it grows. Errors: the host's.
fn read_full(node: &dyn HostNode, size: u64, at: u64, dst: RawBytes<'_>) -> Result<usize, Errno> {
    let mut done = 0;
    while done < dst.len() {
        match node.read_at(at + done as u64, dst.skip(done))? {
            0 => break,
            n => done += n,
        }
        if at + done as u64 == size {
            break;
        }
    }
    Ok(done)
}

/// Writes all of `src`. Errors: the host's, if not one byte was written.
fn write_full(node: &dyn HostNode, at: u64, src: RawBytes<'_>) -> Result<usize, Errno> {
    let mut done = 0;
    while done < src.len() {
        match node.write_at(at + done as u64, src.skip(done)) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

impl Cache {
    pub(super) fn new(store: Arc<dyn FrameStore>, attr: &InodeAttr) -> Cache {
        Cache {
            pages: FilePages::new(store),
            size: AtomicU64::new(attr.size),
            filling: Mutex::new(&FILLING, Ahead::default()),
            state: Mutex::new(&STATE, State { version: attr.mtime, dirty: BTreeSet::new(), writers: 0 }),
        }
    }
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
    pub(super) fn get(&self, index: u64) -> Option<Frame> {
        self.pages.get(index)
    }
    /// The pages of the file's bytes `from..to` that are here: see [`Mappable::resident_runs`](kcore::mappable::Mappable::resident_runs).
    pub(super) fn runs(&self, from: u64, to: u64, found: &mut dyn FnMut(u64, FileOffset, u64)) {
        let end = to.min(self.size()).div_ceil(PAGE_SIZE);
        self.pages.runs(from / PAGE_SIZE, end, &mut |index, at, pages| found(index * PAGE_SIZE, at, pages));
    }
    pub(super) fn next_present(&self, index: u64) -> Option<u64> {
        self.pages.next_present(index)
    }
    pub(super) fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        self.pages.observe(observer);
    }
    /// The page with this index, read from the host with its neighbours if needed; `write` says that it is about to be changed here.
    ///
    /// Errors: `EFAULT` past the end, `ENOMEM`, the host's.
    pub(super) fn page(&self, node: &dyn HostNode, index: u64, write: bool) -> Result<Frame, Errno> {
        if index >= self.size().div_ceil(PAGE_SIZE) {
            return Err(Errno::EFAULT);
        }
        let frame = match self.pages.get(index) {
            Some(f) => f,
            None => self.fill(node, index)?,
        };
        if write {
            self.state.lock().dirty.insert(index);
        }
        Ok(frame)
    }
    fn fill(&self, node: &dyn HostNode, index: u64) -> Result<Frame, Errno> {
        let mut ahead = self.filling.lock();
        if let Some(f) = self.pages.get(index) {
            return Ok(f);
        }
        let first = index - index % CLUSTER;
        let end = ahead.reach(first).min(self.size().div_ceil(PAGE_SIZE)).max(index + 1);
        let size = self.size();
        self.pages.fill(first, end, &mut |at, dst| read_full(node, size, at, dst))?;
        // The host's file may have become shorter than it was known to be.
        self.pages.get(index).ok_or(Errno::EFAULT)
    }
    /// Drops what is no longer the host's content, if `attr` says that it changed. `object` identifies the file to who maps it.
    pub(super) fn refresh(&self, object: usize, attr: &InodeAttr) {
        let kept: Vec<u64> = {
            let mut s = self.state.lock();
            if s.version == attr.mtime && self.size() == attr.size {
                return;
            }
            s.version = attr.mtime;
            s.dirty.iter().copied().collect()
        };
        self.size.store(attr.size, Ordering::Release);
        let mut from = 0;
        for index in kept.into_iter().filter(|i| *i < attr.size.div_ceil(PAGE_SIZE)) {
            if from < index {
                self.pages.remove(object, from * PAGE_SIZE, index * PAGE_SIZE, Removal::Punched);
            }
            from = index + 1;
        }
        self.pages.remove(object, from * PAGE_SIZE, u64::MAX - PAGE_SIZE + 1, Removal::Punched);
    }
    /// Writes to the host and to the pages that are here. Errors: the host's, if not one byte was written.
    pub(super) fn write(&self, node: &dyn HostNode, at: u64, src: RawBytes<'_>) -> Result<usize, Errno> {
        let _filling = self.filling.lock();
        if self.pages.is_empty() {
            let n = write_full(node, at, src)?;
            self.size.fetch_max(at + n as u64, Ordering::AcqRel);
            return Ok(n);
        }
        // A copy, so that both get the same whatever a guest does to the source meanwhile.
        let mut copy = alloc::vec![0; src.len()];
        src.read(0, &mut copy);
        let n = write_full(node, at, RawBytes::of(&mut copy))?;
        self.size.fetch_max(at + n as u64, Ordering::AcqRel);
        self.pages.overwrite(at, &copy[..n]);
        self.adopt_version(node)?;
        Ok(n)
    }
    /// Runs `change` of the host's file that makes it `size` bytes long. Errors: what `change` says.
    pub(super) fn resize(
        &self,
        object: usize,
        size: u64,
        change: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let old = {
            let _filling = self.filling.lock();
            change()?;
            self.size.swap(size, Ordering::AcqRel)
        };
        if size < old {
            self.state.lock().dirty.split_off(&size.div_ceil(PAGE_SIZE));
            self.pages.remove(object, size, old.next_multiple_of(PAGE_SIZE), Removal::Truncated);
        }
        Ok(())
    }
    /// Runs `change` of the host's file in bytes `from..to` and drops what is here of them. Errors: what `change` says.
    pub(super) fn punch(
        &self,
        object: usize,
        from: u64,
        to: u64,
        change: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        {
            let _filling = self.filling.lock();
            change()?;
        }
        self.pages.remove(object, from - from % PAGE_SIZE, to.next_multiple_of(PAGE_SIZE), Removal::Punched);
        Ok(())
    }
    /// Writes dirty pages of a byte range to the host. Errors: the host's.
    pub(super) fn write_back(&self, node: &dyn HostNode, from: u64, to: u64) -> Result<(), Errno> {
        let dirty: Vec<u64> = {
            let mut s = self.state.lock();
            let range = from / PAGE_SIZE..to.div_ceil(PAGE_SIZE).max(from / PAGE_SIZE);
            let dirty = s.dirty.range(range.clone()).copied().collect();
            if s.writers == 0 {
                s.dirty.retain(|i| !range.contains(i));
            }
            dirty
        };
        if dirty.is_empty() {
            return Ok(());
        }
        let _filling = self.filling.lock();
        for index in dirty {
            let at = index * PAGE_SIZE;
            let n = usize::try_from(self.size().saturating_sub(at).min(PAGE_SIZE)).map_err(|_| Errno::EIO)?;
            let mut buf = [0u8; 4096];
            let Some(frame) = self.pages.get(index) else { continue };
            frame.read(0, &mut buf[..n]);
            write_full(node, at, RawBytes::of(&mut buf[..n]))?;
        }
        self.adopt_version(node)
    }
    /// Counts shared mappings that may be written to; with the last one the dirty pages go to the host. Errors: the host's.
    pub(super) fn note_writable(&self, node: &dyn HostNode, mapped: bool) -> Result<(), Errno> {
        {
            let mut s = self.state.lock();
            if mapped {
                s.writers = s.writers.saturating_add(1);
                return Ok(());
            }
            s.writers = s.writers.saturating_sub(1);
            if s.writers > 0 {
                return Ok(());
            }
        }
        self.write_back(node, 0, u64::MAX)
    }
    /// Takes the host's time as that of the pages here, after a change made from here.
    fn adopt_version(&self, node: &dyn HostNode) -> Result<(), Errno> {
        let mtime = node.stat()?.mtime;
        self.state.lock().version = mtime;
        Ok(())
    }
}
