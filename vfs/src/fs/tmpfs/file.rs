//! Content of regular files in a tmpfs.

use alloc::string::String;
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use kcore::addr::PAGE_SIZE;
use kcore::frame::{FileOffset, Frame, FrameRun, FrameStore};
use kcore::io::{IoResult, IoSink, IoSource};
use kcore::mappable::{Mappable, MappableInfo, MappingObserver, Removal};
use kcore::pages::FilePages;
use kcore::sync::{LockClass, RwLock};

use super::TmpInode;
use super::reserved::Reserved;
use crate::Errno;
use crate::consts::*;
use crate::file::{FileOps, Whence, seek_in};
use crate::inode::Inode;
use crate::open_file::OpenFile;

static CONTENT: LockClass = LockClass::new("tmpfs content", 330);

/// Most pages that are copied in one piece.
const RUN: u64 = 16;

/// Bytes of a regular file. The size is atomic, because faults must see it without a lock of rank below 500.
pub(super) struct Content {
    pub(super) pages: FilePages,
    pub(super) reserved: Reserved,
    size: AtomicU64,
    pub(super) seals: AtomicU32,
    writable_maps: AtomicI32,
    /// Readers share it; whoever writes or changes the size has it alone.
    rw: RwLock<()>,
}

impl Content {
    pub(super) fn new(store: Arc<dyn FrameStore>) -> Content {
        Content {
            pages: FilePages::new(store),
            reserved: Reserved::new(),
            size: AtomicU64::new(0),
            seals: AtomicU32::new(F_SEAL_SEAL),
            writable_maps: AtomicI32::new(0),
            rw: RwLock::new(&CONTENT, ()),
        }
    }
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }
    fn sealed(&self, mask: u32) -> Result<(), Errno> {
        if self.seals.load(Ordering::Acquire) & mask != 0 { Err(Errno::EPERM) } else { Ok(()) }
    }
}

impl TmpInode {
    fn identity(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
    fn page_at(&self, c: &Content, index: u64) -> Result<Frame, Errno> {
        if let Some(f) = c.pages.get(index) {
            return Ok(f);
        }
        if c.reserved.remove(index..index + 1) == 0 {
            self.shared().charge(1)?;
        }
        let got = c.pages.get_or_zero(index);
        if !matches!(got, Ok((_, true))) {
            self.shared().uncharge(1);
        }
        got.map(|(f, _)| f)
    }
    fn drop_range(&self, c: &Content, from: u64, to: u64, why: Removal) {
        let n = c.pages.remove(self.identity(), from, to, why);
        let reserved = c.reserved.remove(from.div_ceil(PAGE_SIZE)..to / PAGE_SIZE);
        self.shared().uncharge(n + reserved);
    }
    /// Sets missing pages aside; the content is locked for writing. Errors: `ENOSPC`.
    fn reserve(&self, c: &Content, pages: Range<u64>) -> Result<(), Errno> {
        let present = c.pages.present(pages.start, pages.end);
        let missing = pages.end - pages.start - present.len() as u64 - c.reserved.count(pages.clone());
        let used = self.shared().pages.load(Ordering::Relaxed);
        if missing > self.shared().store.max_pages().saturating_sub(used) {
            return Err(Errno::ENOSPC);
        }
        self.shared().charge(missing)?;
        let mut from = pages.start;
        for index in present {
            c.reserved.add(from..index);
            from = index + 1;
        }
        c.reserved.add(from..pages.end);
        Ok(())
    }
    /// Sets the length. Errors: `EFBIG`, `EPERM` if sealed, `EINVAL` if it is no regular file.
    pub(super) fn set_size(&self, size: u64) -> Result<(), Errno> {
        let c = self.content()?;
        if size > MAX_FILE_SIZE {
            return Err(Errno::EFBIG);
        }
        {
            let _w = c.rw.write();
            let old = c.size();
            if size < old {
                c.sealed(F_SEAL_SHRINK)?;
            } else if size > old {
                c.sealed(F_SEAL_GROW)?;
            }
            c.size.store(size, Ordering::Release);
            if size < old {
                self.drop_range(c, size, MAX_FILE_SIZE - MAX_FILE_SIZE % PAGE_SIZE, Removal::Truncated);
            }
        }
        self.touch_modified();
        Ok(())
    }
    /// Pages for `len` bytes at `pos`, or for the first of them; a missing one is added. Errors: as [`TmpInode::page_at`].
    fn run_at(&self, c: &Content, pos: u64, len: u64) -> Result<FrameRun, Errno> {
        let (index, most) = (pos / PAGE_SIZE, RUN.min((pos % PAGE_SIZE + len).div_ceil(PAGE_SIZE)));
        if let Some(run) = c.pages.run(index, most) {
            return Ok(run);
        }
        self.page_at(c, index)?;
        // Nobody removes it while the content is locked.
        c.pages.run(index, 1).ok_or(Errno::EIO)
    }
    fn write_locked(&self, c: &Content, at: u64, src: &mut dyn IoSource) -> Result<usize, Errno> {
        c.sealed(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)?;
        if at >= MAX_FILE_SIZE && src.remaining() > 0 {
            return Err(Errno::EFBIG);
        }
        let mut len = (src.remaining() as u64).min(MAX_FILE_SIZE - at);
        if at + len > c.size() && c.sealed(F_SEAL_GROW).is_err() {
            len = c.size().saturating_sub(at);
            if len == 0 {
                return Err(Errno::EPERM);
            }
        }
        let mut done = 0u64;
        while done < len {
            let pos = at + done;
            let within = pos % PAGE_SIZE;
            let step = self.run_at(c, pos, len - done).and_then(|run| {
                let n = (len - done).min(run.bytes() - within);
                let k = src.read_frames(&**c.pages.store(), FileOffset(run.at().0 + within), n as usize)?;
                Ok((k as u64, n))
            });
            match step {
                Ok((k, n)) => {
                    done += k;
                    c.size.fetch_max(at + done, Ordering::AcqRel);
                    if k < n {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done as usize)
    }
    fn read_at(&self, c: &Content, at: u64, dst: &mut dyn IoSink) -> Result<usize, Errno> {
        let len = c.size().saturating_sub(at).min(dst.remaining() as u64);
        let mut done = 0u64;
        while done < len {
            let pos = at + done;
            let within = pos % PAGE_SIZE;
            let run = c.pages.run(pos / PAGE_SIZE, RUN.min((within + len - done).div_ceil(PAGE_SIZE)));
            let n = (len - done).min(run.as_ref().map_or(PAGE_SIZE, FrameRun::bytes) - within);
            let step = match run {
                Some(run) => {
                    let from = FileOffset(run.at().0 + within);
                    dst.write_frames(&**c.pages.store(), from, n as usize)
                }
                None => dst.write_zeros(n as usize),
            };
            match step {
                Ok(k) => {
                    done += k as u64;
                    if (k as u64) < n {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done as usize)
    }
}

/// An open regular file of a tmpfs.
pub struct TmpFile {
    inode: Arc<TmpInode>,
}

impl TmpFile {
    pub(super) fn new(inode: Arc<TmpInode>) -> TmpFile {
        TmpFile { inode }
    }
}

impl FileOps for TmpFile {
    fn seekable(&self) -> bool {
        true
    }
    fn takes_direct(&self) -> bool {
        true
    }
    fn inode(&self) -> Option<Arc<dyn Inode>> {
        Some(self.inode.clone())
    }
    fn inode_ref(&self) -> Option<&dyn Inode> {
        Some(&*self.inode)
    }
    fn read(&self, f: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let c = self.inode.content()?;
        let n = {
            let _r = c.rw.read();
            self.inode.read_at(c, at.unwrap_or(0), dst)?
        };
        if n > 0 && f.flags() & O_NOATIME == 0 {
            self.inode.touch_accessed();
        }
        Ok(n)
    }
    fn write(&self, _: &OpenFile, at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        let c = self.inode.content()?;
        let n = {
            let _w = c.rw.write();
            self.inode.write_locked(c, at.unwrap_or(0), src)?
        };
        if n > 0 {
            self.inode.touch_modified();
        }
        Ok(n)
    }
    fn append(&self, _: &OpenFile, src: &mut dyn IoSource) -> IoResult<(usize, u64)> {
        let c = self.inode.content()?;
        let out = {
            let _w = c.rw.write();
            let end = c.size();
            let n = self.inode.write_locked(c, end, src)?;
            (n, end + n as u64)
        };
        if out.0 > 0 {
            self.inode.touch_modified();
        }
        Ok(out)
    }
    fn seek(&self, _: &OpenFile, pos: u64, whence: Whence, off: i64) -> Result<u64, Errno> {
        let c = self.inode.content()?;
        let size = c.size();
        let at = match whence {
            Whence::Data | Whence::Hole => seek_in(pos, size, Whence::Data, off)?,
            _ => return seek_in(pos, size, whence, off),
        };
        let mut index = at / PAGE_SIZE;
        if whence == Whence::Data {
            let next = c.pages.next_present(index).map(|i| i.saturating_mul(PAGE_SIZE).max(at));
            return next.filter(|p| *p < size).ok_or(Errno::ENXIO);
        }
        while index * PAGE_SIZE < size && c.pages.next_present(index) == Some(index) {
            index += 1;
        }
        Ok((index * PAGE_SIZE).clamp(at, size))
    }
    fn mappable(&self, _: &OpenFile) -> Option<Arc<dyn Mappable>> {
        Some(self.inode.clone())
    }
    fn sync(&self, _: &OpenFile, _: bool) -> Result<(), Errno> {
        Ok(())
    }
    fn truncate(&self, _: &OpenFile, len: u64) -> Result<(), Errno> {
        self.inode.set_size(len)
    }
    fn allocate(&self, _: &OpenFile, mode: u32, off: u64, len: u64) -> Result<(), Errno> {
        let (i, c) = (&self.inode, self.inode.content()?);
        let keep = mode & FALLOC_FL_KEEP_SIZE != 0;
        let end = off + len;
        if mode & !(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE) != 0 {
            return Err(Errno::ENOTSUP);
        }
        {
            let _w = c.rw.write();
            if mode & FALLOC_FL_PUNCH_HOLE != 0 {
                c.sealed(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)?;
            }
            let grows = mode & FALLOC_FL_PUNCH_HOLE == 0 && !keep && end > c.size();
            if grows {
                c.sealed(F_SEAL_GROW)?;
            }
            if mode & FALLOC_FL_PUNCH_HOLE != 0 {
                i.drop_range(c, off, end, Removal::Punched);
            } else {
                i.reserve(c, off / PAGE_SIZE..end.div_ceil(PAGE_SIZE))?;
            }
            if grows {
                c.size.store(end, Ordering::Release);
            }
        }
        i.touch_modified();
        Ok(())
    }
    fn seals(&self, add: Option<u32>) -> Result<u32, Errno> {
        let c = self.inode.content()?;
        let Some(add) = add else { return Ok(c.seals.load(Ordering::Acquire)) };
        if add & !0x3f != 0 {
            return Err(Errno::EINVAL);
        }
        let _w = c.rw.write();
        c.sealed(F_SEAL_SEAL)?;
        if add & F_SEAL_WRITE != 0 && c.writable_maps.load(Ordering::Acquire) > 0 {
            return Err(Errno::EBUSY);
        }
        Ok(c.seals.fetch_or(add, Ordering::AcqRel) | add)
    }
}

impl Mappable for TmpInode {
    fn page(&self, offset: u64, _write: bool) -> Result<Frame, Errno> {
        let c = self.content()?;
        if offset >= c.size() {
            return Err(Errno::EFAULT);
        }
        self.page_at(c, offset / PAGE_SIZE)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        let c = self.content().ok()?;
        if offset < c.size() { c.pages.get(offset / PAGE_SIZE) } else { None }
    }
    fn resident_runs(&self, from: u64, to: u64, found: &mut dyn FnMut(u64, FileOffset, u64)) {
        if let Ok(c) = self.content() {
            let end = to.min(c.size()).div_ceil(PAGE_SIZE);
            c.pages.runs(from / PAGE_SIZE, end, &mut |index, at, n| found(index * PAGE_SIZE, at, n));
        }
    }
    fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        if let Ok(c) = self.content() {
            c.pages.observe(observer);
        }
    }
    fn note_writable(&self, mapped: bool) -> Result<(), Errno> {
        let c = self.content()?;
        if !mapped {
            c.writable_maps.fetch_sub(1, Ordering::AcqRel);
            return Ok(());
        }
        c.writable_maps.fetch_add(1, Ordering::AcqRel);
        c.sealed(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE).inspect_err(|_| {
            c.writable_maps.fetch_sub(1, Ordering::AcqRel);
        })
    }
    fn info(&self) -> MappableInfo {
        let (dev, ino) = self.number();
        MappableInfo { dev, ino, name: String::new() }
    }
}
