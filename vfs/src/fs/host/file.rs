//! Contents of the host's files, cached in pages that can be mapped.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use kcore::addr::PAGE_SIZE;
use kcore::frame::{Frame, FrameStore};
use kcore::io::{IoResult, IoSink, IoSource};
use kcore::mappable::{Mappable, MappableInfo, MappingObserver};
use kcore::pages::FilePages;
use kcore::sync::{LockClass, Mutex, RwLock};

use super::inode::HostInode;
use crate::Errno;
use crate::attr::{AttrChange, InodeAttr, Timestamp};
use crate::consts::MAX_FILE_SIZE;
use crate::file::{FileOps, OpenFile};
use crate::inode::Inode;

static CONTENT: LockClass = LockClass::new("host file content", 330);
static VERSION: LockClass = LockClass::new("host file version", 344);

/// Pages read from the host at once when a file is read in order.
const READ_AHEAD: u64 = 16;

/// The cached part of a file.
pub(super) struct Content {
    pages: FilePages,
    /// Known without a lock, because faults must see it.
    size: AtomicU64,
    /// The modification time that the cached pages belong to.
    version: Mutex<Timestamp>,
    rw: RwLock<()>,
}

impl Content {
    pub(super) fn new(store: Arc<dyn FrameStore>, attr: &InodeAttr) -> Content {
        Content {
            pages: FilePages::new(store),
            size: AtomicU64::new(attr.size),
            version: Mutex::new(&VERSION, attr.mtime),
            rw: RwLock::new(&CONTENT, ()),
        }
    }
    fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }
    /// Drops what is cached if the file was changed on the host meanwhile.
    pub(super) fn refresh(&self, object: usize, attr: &InodeAttr) {
        let stale = {
            let mut version = self.version.lock();
            let stale = *version != attr.mtime || self.size() != attr.size;
            *version = attr.mtime;
            stale
        };
        if stale {
            self.size.store(attr.size, Ordering::Release);
            self.pages.remove(object, 0, u64::MAX - PAGE_SIZE);
        }
    }
    pub(super) fn set_size(&self, object: usize, size: u64) {
        let old = self.size.swap(size, Ordering::AcqRel);
        if size < old {
            self.pages.remove(object, size, old.next_multiple_of(PAGE_SIZE));
        }
    }
}

impl HostInode {
    pub(super) fn identity(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
    fn page_at(&self, index: u64) -> Result<Frame, Errno> {
        self.content.pages.get_or_fill(index, |frame| {
            let mut buf = [0u8; 4096];
            let mut done = 0;
            while done < buf.len() {
                match self.node.read_at(index * PAGE_SIZE + done as u64, &mut buf[done..])? {
                    0 => break,
                    n => done += n,
                }
            }
            frame.write(0, &buf[..done]);
            Ok(())
        })
    }
    /// Reads pages that are missing from `index` on in one call to the host, up to `end`.
    fn read_ahead(&self, index: u64, end: u64) -> Result<(), Errno> {
        let last = (index + READ_AHEAD).min(end);
        if last - index < 2 || self.content.pages.get(index).is_some() {
            return Ok(());
        }
        let len = usize::try_from((last - index) * PAGE_SIZE).map_err(|_| Errno::EFBIG)?;
        let mut buf = alloc::vec![0u8; len];
        let got = self.node.read_at(index * PAGE_SIZE, &mut buf)?;
        let whole_file_read = index * PAGE_SIZE + got as u64 >= self.content.size();
        for (i, chunk) in (index..).zip(buf[..got].chunks(4096)) {
            if chunk.len() < 4096 && !whole_file_read {
                break;
            }
            self.content.pages.get_or_fill(i, |frame| {
                frame.write(0, chunk);
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// An open file of the host.
pub(super) struct HostFile(pub(super) Arc<HostInode>);

impl FileOps for HostFile {
    fn seekable(&self) -> bool {
        true
    }
    fn inode(&self) -> Option<Arc<dyn Inode>> {
        Some(self.0.clone())
    }
    fn read(&self, _: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let mut pos = at.unwrap_or(0);
        let content = &self.0.content;
        let _r = content.rw.read();
        let mut done = 0;
        while dst.remaining() > 0 && pos < content.size() {
            let (index, within) = (pos / PAGE_SIZE, pos % PAGE_SIZE);
            let want = u64::try_from(dst.remaining()).unwrap_or(u64::MAX).min(content.size() - pos);
            self.0.read_ahead(index, (pos + want).div_ceil(PAGE_SIZE))?;
            let frame = self.0.page_at(index)?;
            let n = usize::try_from((PAGE_SIZE - within).min(want)).map_err(|_| Errno::EINVAL)?;
            let from = frame.byte(usize::try_from(within).map_err(|_| Errno::EINVAL)?, n);
            match dst.write_frames(&**frame.store(), from, n) {
                Ok(k) => {
                    done += k;
                    pos += k as u64;
                    if k < n {
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
        let _w = self.0.content.rw.write();
        self.put(at.unwrap_or(0), src)
    }
    fn append(&self, _: &OpenFile, src: &mut dyn IoSource) -> IoResult<(usize, u64)> {
        let _w = self.0.content.rw.write();
        let end = self.0.node.stat()?.size;
        let n = self.put(end, src)?;
        Ok((n, end + n as u64))
    }
    fn mappable(&self, _: &OpenFile) -> Option<Arc<dyn Mappable>> {
        Some(self.0.clone())
    }
    fn sync(&self, _: &OpenFile, datasync: bool) -> Result<(), Errno> {
        self.0.write_back(0, u64::MAX)?;
        self.0.node.sync(datasync)
    }
    fn truncate(&self, _: &OpenFile, len: u64) -> Result<(), Errno> {
        self.0.set_attr(&AttrChange { size: Some(len), ..AttrChange::default() })
    }
}

impl HostFile {
    /// Writes to the host and to what is cached. The caller holds the content lock for writing.
    fn put(&self, at: u64, src: &mut dyn IoSource) -> IoResult<usize> {
        let content = &self.0.content;
        let mut buf = [0u8; 4096];
        let mut done = 0;
        while src.remaining() > 0 {
            let pos = at + done as u64;
            let within = usize::try_from(pos % PAGE_SIZE).map_err(|_| Errno::EINVAL)?;
            if pos >= MAX_FILE_SIZE {
                return if done > 0 { Ok(done) } else { Err(Errno::EFBIG.into()) };
            }
            let n = match src.read(&mut buf[within..]) {
                Ok(0) => break,
                Ok(n) => n,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e.into()),
            };
            let k = match self.0.node.write_at(pos, &buf[within..within + n]) {
                Ok(k) => k,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e.into()),
            };
            if let Some(frame) = content.pages.get(pos / PAGE_SIZE) {
                frame.write(within, &buf[within..within + k]);
            }
            done += k;
            content.size.fetch_max(pos + k as u64, Ordering::AcqRel);
            if k < n {
                break;
            }
        }
        // The host's clock has moved the time; what is cached is still right.
        *content.version.lock() = self.0.node.stat()?.mtime;
        Ok(done)
    }
}

impl HostInode {
    /// Writes cached pages of a byte range to the host: they may have been changed through a shared mapping.
    fn write_back(&self, from: u64, to: u64) -> Result<(), Errno> {
        if self.shared.read_only {
            return Ok(());
        }
        let size = self.content.size();
        let to = to.min(size);
        for index in self.content.pages.present(from / PAGE_SIZE, to.div_ceil(PAGE_SIZE)) {
            let at = index * PAGE_SIZE;
            let n = usize::try_from((size.saturating_sub(at)).min(PAGE_SIZE)).map_err(|_| Errno::EIO)?;
            let mut buf = [0u8; 4096];
            let Some(frame) = self.content.pages.get(index) else { continue };
            frame.read(0, &mut buf[..n]);
            self.node.write_at(at, &buf[..n])?;
        }
        *self.content.version.lock() = self.node.stat()?.mtime;
        Ok(())
    }
}

impl Mappable for HostInode {
    fn page(&self, offset: u64, _write: bool) -> Result<Frame, Errno> {
        if offset >= self.content.size().next_multiple_of(PAGE_SIZE) {
            return Err(Errno::EFAULT);
        }
        self.page_at(offset / PAGE_SIZE)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        if offset >= self.content.size() { None } else { self.content.pages.get(offset / PAGE_SIZE) }
    }
    fn observe(&self, observer: &Arc<dyn MappingObserver>) {
        self.content.pages.observe(observer);
    }
    fn sync(&self, offset: u64, len: u64) -> Result<(), Errno> {
        self.write_back(offset, offset.saturating_add(len))
    }
    fn note_writable(&self, mapped: bool) -> Result<(), Errno> {
        // The last writer's pages go to the host; an error here has nobody to hear it, as on Linux.
        if !mapped {
            self.write_back(0, u64::MAX).ok();
        }
        Ok(())
    }
    fn info(&self) -> MappableInfo {
        let ino = self.node.stat().map_or(0, |a| a.ino);
        MappableInfo { dev: self.shared.dev, ino, ..MappableInfo::default() }
    }
}
