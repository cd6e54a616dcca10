//! Descriptor tables.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kcore::id::Fd;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::file::OpenFile;

static FDS: LockClass = LockClass::new("fd table", 300);

#[derive(Clone)]
struct Entry {
    file: Arc<OpenFile>,
    cloexec: bool,
}

#[derive(Clone, Default)]
struct Inner {
    files: Vec<Option<Entry>>,
    /// No free number below this one.
    hint: usize,
}

/// The descriptors of a process, or of several that were cloned with `CLONE_FILES`.
pub struct FdTable(Mutex<Inner>);

impl Default for FdTable {
    fn default() -> Self {
        FdTable(Mutex::new(&FDS, Inner::default()))
    }
}

impl Inner {
    fn slot(&mut self, fd: Fd) -> Option<&mut Option<Entry>> {
        self.files.get_mut(usize::try_from(fd.0).ok()?)
    }
    fn free_from(&self, min: usize) -> usize {
        let start = min.max(self.hint);
        (start..self.files.len()).find(|i| self.files[*i].is_none()).unwrap_or(self.files.len().max(start))
    }
    fn put(&mut self, at: usize, e: Entry) -> Option<Entry> {
        if self.files.len() <= at {
            self.files.resize(at + 1, None);
        }
        self.files[at].replace(e)
    }
    fn take(&mut self, at: usize) -> Option<Entry> {
        let e = self.files.get_mut(at)?.take()?;
        self.hint = self.hint.min(at);
        Some(e)
    }
}

impl FdTable {
    /// No descriptors.
    pub fn new() -> Arc<FdTable> {
        Arc::new(FdTable::default())
    }
    /// A copy, for `fork` and `unshare(CLONE_FILES)`.
    pub fn fork(&self) -> Arc<FdTable> {
        let copy = self.0.lock().clone();
        Arc::new(FdTable(Mutex::new(&FDS, copy)))
    }
    /// The file. Errors: `EBADF`.
    pub fn get(&self, fd: Fd) -> Result<Arc<OpenFile>, Errno> {
        let mut t = self.0.lock();
        t.slot(fd).and_then(|e| e.as_ref()).map(|e| e.file.clone()).ok_or(Errno::EBADF)
    }
    /// The file, but not one opened with `O_PATH`. Errors: `EBADF`.
    pub fn get_open(&self, fd: Fd) -> Result<Arc<OpenFile>, Errno> {
        self.get(fd).and_then(|f| if f.is_path_only() { Err(Errno::EBADF) } else { Ok(f) })
    }
    /// Gives `file` the lowest free number from `min` on, below `limit` (`RLIMIT_NOFILE`). Errors: `EMFILE`.
    pub fn insert(&self, file: Arc<OpenFile>, cloexec: bool, min: usize, limit: usize) -> Result<Fd, Errno> {
        let mut t = self.0.lock();
        let at = t.free_from(min);
        if at >= limit.min(i32::MAX as usize) {
            return Err(Errno::EMFILE);
        }
        t.put(at, Entry { file, cloexec });
        if min <= t.hint {
            t.hint = at + 1;
        }
        Ok(Fd(at as i32))
    }
    /// `dup3(2)`: puts `file` at `at` and returns what was there, for the caller to close. Errors: `EBADF` beyond `limit`.
    pub fn replace(
        &self,
        at: Fd,
        file: Arc<OpenFile>,
        cloexec: bool,
        limit: usize,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        let i = usize::try_from(at.0).ok().filter(|i| *i < limit).ok_or(Errno::EBADF)?;
        Ok(self.0.lock().put(i, Entry { file, cloexec }).map(|e| e.file))
    }
    /// Frees the number and returns the file, for the caller to release locks, flush and drop. Errors: `EBADF`.
    pub fn close(&self, fd: Fd) -> Result<Arc<OpenFile>, Errno> {
        let at = usize::try_from(fd.0).map_err(|_| Errno::EBADF)?;
        self.0.lock().take(at).map(|e| e.file).ok_or(Errno::EBADF)
    }
    /// Frees all numbers in `first..=last` and returns the files (`close_range(2)`).
    pub fn close_range(&self, first: u32, last: u32) -> Vec<Arc<OpenFile>> {
        let mut t = self.0.lock();
        let end = t.files.len().min((last as usize).saturating_add(1));
        (first as usize..end).filter_map(|i| t.take(i)).map(|e| e.file).collect()
    }
    /// Marks all in `first..=last` to be closed at `execve` (`CLOSE_RANGE_CLOEXEC`).
    pub fn cloexec_range(&self, first: u32, last: u32) {
        let mut t = self.0.lock();
        let end = t.files.len().min((last as usize).saturating_add(1));
        for e in t.files.iter_mut().take(end).skip(first as usize).flatten() {
            e.cloexec = true;
        }
    }
    /// Frees what is marked, at `execve`, and returns the files.
    pub fn close_on_exec(&self) -> Vec<Arc<OpenFile>> {
        let mut t = self.0.lock();
        let marked: Vec<_> =
            (0..t.files.len()).filter(|i| t.files[*i].as_ref().is_some_and(|e| e.cloexec)).collect();
        marked.into_iter().filter_map(|i| t.take(i)).map(|e| e.file).collect()
    }
    /// Frees everything, at exit, and returns the files.
    pub fn close_all(&self) -> Vec<Arc<OpenFile>> {
        let old = core::mem::take(&mut *self.0.lock());
        old.files.into_iter().flatten().map(|e| e.file).collect()
    }
    /// `F_GETFD`. Errors: `EBADF`.
    pub fn cloexec(&self, fd: Fd) -> Result<bool, Errno> {
        self.0.lock().slot(fd).and_then(|e| e.as_ref()).map(|e| e.cloexec).ok_or(Errno::EBADF)
    }
    /// `F_SETFD`. Errors: `EBADF`.
    pub fn set_cloexec(&self, fd: Fd, on: bool) -> Result<(), Errno> {
        let mut t = self.0.lock();
        t.slot(fd).and_then(|e| e.as_mut()).map(|e| e.cloexec = on).ok_or(Errno::EBADF)
    }
    /// All numbers and files.
    pub fn list(&self) -> Vec<(Fd, Arc<OpenFile>)> {
        let t = self.0.lock();
        let all = t.files.iter().enumerate();
        all.filter_map(|(i, e)| e.as_ref().map(|e| (Fd(i as i32), e.file.clone()))).collect()
    }
}
