//! Open files of the host.

use alloc::sync::Arc;

use kcore::addr::PAGE_SIZE;
use kcore::frame::{FileOffset, Frame};
use kcore::io::{IoResult, IoSink, IoSource, Moved};
use kcore::mappable::{Mappable, MappableInfo, MappingObserver};

use super::cache::Cache;
use super::inode::HostInode;
use crate::Errno;
use crate::attr::AttrChange;
use crate::consts::{FALLOC_FL_KEEP_SIZE, MAX_FILE_SIZE};
use crate::file::{FileOps, OpenFile};
use crate::inode::Inode;

/// Bytes read from the host at once: a guest's address space stays as it is meanwhile.
const READ: usize = 256 << 10;
/// Bytes written to the host at once.
const WRITE: usize = 256 << 10;

/// An open regular file of the host.
pub(super) struct HostFile(pub(super) Arc<HostInode>);

impl FileOps for HostFile {
    fn seekable(&self) -> bool {
        true
    }
    /// The host's cache lies between in any case.
    fn takes_direct(&self) -> bool {
        true
    }
    fn inode(&self) -> Option<Arc<dyn Inode>> {
        Some(self.0.clone())
    }
    fn inode_ref(&self) -> Option<&dyn Inode> {
        Some(&*self.0)
    }
    fn read(&self, _: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let cache = self.0.cache()?;
        let _r = self.0.rw.read();
        if !self.0.shared.read_only && !cache.is_empty() {
            // Others may have changed the file: what is cached must be what they wrote.
            self.0.attr()?;
        }
        let mut pos = at.unwrap_or(0);
        let mut done = 0;
        while dst.remaining() > 0 {
            match self.read_step(cache, pos, dst) {
                Ok(Moved { given, taken }) => {
                    done += taken;
                    pos += taken as u64;
                    // The host gives less only at the end of the file; another call would say so again.
                    if taken < given || given == 0 {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(done)
    }
    fn write(&self, _: &OpenFile, at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        let _w = self.0.rw.write();
        Ok(self.put(at.unwrap_or(0), src)?)
    }
    fn append(&self, _: &OpenFile, src: &mut dyn IoSource) -> IoResult<(usize, u64)> {
        let _w = self.0.rw.write();
        let end = self.0.node.stat()?.size;
        let n = self.put(end, src)?;
        Ok((n, end + n as u64))
    }
    fn mappable(&self, _: &OpenFile) -> Option<Arc<dyn Mappable>> {
        Some(self.0.clone())
    }
    fn sync(&self, _: &OpenFile, datasync: bool) -> Result<(), Errno> {
        if self.0.shared.read_only {
            return Ok(());
        }
        self.0.cache()?.write_back(&*self.0.node, 0, u64::MAX)?;
        self.0.node.sync(datasync)
    }
    fn truncate(&self, _: &OpenFile, len: u64) -> Result<(), Errno> {
        self.0.set_attr(&AttrChange { size: Some(len), ..AttrChange::default() })
    }
    fn allocate(&self, _: &OpenFile, mode: u32, off: u64, len: u64) -> Result<(), Errno> {
        self.0.check_writable()?;
        let cache = self.0.cache()?;
        let _w = self.0.rw.write();
        let (node, object) = (&self.0.node, self.0.identity());
        if mode & !FALLOC_FL_KEEP_SIZE == 0 {
            node.allocate(mode, off, len)?;
        } else {
            cache.write_back(&**node, 0, u64::MAX)?;
            cache.punch(object, off, off.saturating_add(len), || node.allocate(mode, off, len))?;
        }
        self.0.attr().map(drop)
    }
}

impl HostInode {
    /// What was changed through mappings reaches the host's file. Errors: the host's.
    pub(super) fn write_back(&self) -> Result<(), Errno> {
        match self.cache() {
            Ok(cache) => cache.write_back(&*self.node, 0, u64::MAX),
            // Only regular files have pages.
            Err(_) => Ok(()),
        }
    }
}

impl HostFile {
    /// Moves one piece at `pos`.
    fn read_step(&self, cache: &Cache, pos: u64, dst: &mut dyn IoSink) -> Result<Moved, Errno> {
        let (index, within) = (pos / PAGE_SIZE, pos % PAGE_SIZE);
        let room = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).min(dst.remaining());
        let next = if cache.is_empty() { None } else { cache.next_present(index) };
        if next == Some(index)
            && let Some(frame) = cache.get(index)
        {
            let n = room((PAGE_SIZE - within).min(cache.size().saturating_sub(pos)));
            let from = frame.byte(usize::try_from(within).map_err(|_| Errno::EINVAL)?, n);
            return Ok(Moved { given: n, taken: dst.write_frames(&**frame.store(), from, n)? });
        }
        let until = next.map_or(u64::MAX, |i| i.saturating_mul(PAGE_SIZE));
        dst.fill(room(until - pos).min(READ), &mut |room| self.0.node.read_at(pos, room))
    }
    /// Writes from `at` on. The caller holds `rw` for writing.
    fn put(&self, at: u64, src: &mut dyn IoSource) -> Result<usize, Errno> {
        self.0.check_writable()?;
        let cache = self.0.cache()?;
        let mut done = 0;
        while src.remaining() > 0 {
            let pos = at + done as u64;
            let room = usize::try_from(MAX_FILE_SIZE.saturating_sub(pos)).unwrap_or(usize::MAX);
            if room == 0 {
                return if done > 0 { Ok(done) } else { Err(Errno::EFBIG) };
            }
            match src.drain(room.min(WRITE), &mut |bytes| cache.write(&*self.0.node, pos, bytes)) {
                Ok(Moved { given, taken }) => {
                    done += taken;
                    if taken < given || given == 0 {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

impl Mappable for HostInode {
    fn page(&self, offset: u64, write: bool) -> Result<Frame, Errno> {
        self.cache()?.page(&*self.node, offset / PAGE_SIZE, write)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        let cache = self.cache().ok()?;
        if offset < cache.size() { cache.get(offset / PAGE_SIZE) } else { None }
    }
    fn resident_runs(&self, from: u64, to: u64, found: &mut dyn FnMut(u64, FileOffset, u64)) {
        if let Ok(cache) = self.cache() {
            cache.runs(from, to, found);
        }
    }
    fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        if let Ok(cache) = self.cache() {
            cache.observe(observer);
        }
    }
    fn sync(&self, offset: u64, len: u64) -> Result<(), Errno> {
        self.cache()?.write_back(&*self.node, offset, offset.saturating_add(len))
    }
    fn note_writable(&self, mapped: bool) -> Result<(), Errno> {
        let noted = self.cache()?.note_writable(&*self.node, mapped);
        // The last writer's pages go to the host; an error there has nobody to hear it, as on Linux.
        if mapped { noted } else { Ok(()) }
    }
    fn info(&self) -> MappableInfo {
        MappableInfo { dev: self.shared.dev, ino: self.ino(), ..MappableInfo::default() }
    }
}
