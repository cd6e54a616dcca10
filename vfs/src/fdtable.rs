//! Descriptor tables.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use kcore::id::Fd;
use kcore::sync::{LockClass, Mutex};

use crate::Errno;
use crate::attr::FileKind;
use crate::locks::LockOwner;
use crate::open_file::OpenFile;

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
pub struct FdTable {
    inner: Mutex<Inner>,
    /// No number from here on is in use. Changes with the table, but can be looked at without its lock.
    size: AtomicUsize,
}

impl Default for FdTable {
    fn default() -> Self {
        FdTable::with(Inner::default())
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
    fn with(inner: Inner) -> FdTable {
        let size = AtomicUsize::new(inner.files.len());
        FdTable { inner: Mutex::new(&FDS, inner), size }
    }
    /// Puts an entry into the table, which is locked.
    fn put(&self, t: &mut Inner, at: usize, e: Entry) -> Option<Entry> {
        let old = t.put(at, e);
        self.size.store(t.files.len(), Ordering::Relaxed);
        old
    }
    /// No descriptors.
    pub fn new() -> Arc<FdTable> {
        Arc::new(FdTable::default())
    }
    /// A copy, for `fork` and `unshare(CLONE_FILES)`.
    pub fn fork(&self) -> Arc<FdTable> {
        let copy = self.inner.lock().clone();
        Arc::new(FdTable::with(copy))
    }
    /// The file. Errors: `EBADF`.
    pub fn get(&self, fd: Fd) -> Result<Arc<OpenFile>, Errno> {
        let mut t = self.inner.lock();
        t.slot(fd).and_then(|e| e.as_ref()).map(|e| e.file.clone()).ok_or(Errno::EBADF)
    }
    /// The file, but not one opened with `O_PATH`. Errors: `EBADF`.
    pub fn get_open(&self, fd: Fd) -> Result<Arc<OpenFile>, Errno> {
        self.get(fd).and_then(|f| if f.is_path_only() { Err(Errno::EBADF) } else { Ok(f) })
    }
    /// Gives `file` the lowest free number from `min` on, below `limit` (`RLIMIT_NOFILE`). Errors: `EMFILE`.
    pub fn insert(&self, file: Arc<OpenFile>, cloexec: bool, min: usize, limit: usize) -> Result<Fd, Errno> {
        let mut t = self.inner.lock();
        let at = t.free_from(min);
        if at >= limit.min(i32::MAX as usize) {
            return Err(Errno::EMFILE);
        }
        self.put(&mut t, at, Entry { file, cloexec });
        if min <= t.hint {
            t.hint = at + 1;
        }
        Ok(Fd(at as i32))
    }
    /// Whether [`FdTable::insert`] would find a number, from 0 on. Errors: `EMFILE`.
    pub fn has_room(&self, limit: usize) -> Result<(), Errno> {
        // Beyond what is in use all are free.
        let has = self.size.load(Ordering::Relaxed) < limit || self.inner.lock().free_from(0) < limit;
        if has { Ok(()) } else { Err(Errno::EMFILE) }
    }
    /// `dup3(2)`: puts `file` at `at` and closes what was there. Errors: `EBADF` beyond `limit`.
    pub fn replace(&self, at: Fd, file: Arc<OpenFile>, cloexec: bool, limit: usize) -> Result<(), Errno> {
        let i = usize::try_from(at.0).ok().filter(|i| *i < limit).ok_or(Errno::EBADF)?;
        let old = self.put(&mut self.inner.lock(), i, Entry { file, cloexec });
        if let Some(e) = old {
            // What the replaced file says is lost, as on Linux.
            self.release(&e.file).ok();
        }
        Ok(())
    }
    /// [`close(2)`](https://man7.org/linux/man-pages/man2/close.2.html): the number is free even if the file reports an error.
    /// Errors: `EBADF`, and what the file's last writes say.
    pub fn close(&self, fd: Fd) -> Result<(), Errno> {
        let at = usize::try_from(fd.0).map_err(|_| Errno::EBADF)?;
        let e = self.inner.lock().take(at).ok_or(Errno::EBADF)?;
        self.release(&e.file)
    }
    /// Takes back a number that was given out and not yet told to anybody.
    pub fn retract(&self, fd: Fd) {
        let e = usize::try_from(fd.0).ok().and_then(|at| self.inner.lock().take(at));
        drop(e);
    }
    /// Closes all numbers in `first..=last` (`close_range(2)`).
    pub fn close_range(&self, first: u32, last: u32) {
        let files: Vec<_> = {
            let mut t = self.inner.lock();
            let end = t.files.len().min((last as usize).saturating_add(1));
            (first as usize..end).filter_map(|i| t.take(i)).collect()
        };
        self.release_all(files);
    }
    /// Marks all in `first..=last` to be closed at `execve` (`CLOSE_RANGE_CLOEXEC`).
    pub fn cloexec_range(&self, first: u32, last: u32) {
        let mut t = self.inner.lock();
        let end = t.files.len().min((last as usize).saturating_add(1));
        for e in t.files.iter_mut().take(end).skip(first as usize).flatten() {
            e.cloexec = true;
        }
    }
    /// Closes what is marked, at `execve`.
    pub fn close_on_exec(&self) {
        let marked: Vec<_> = {
            let mut t = self.inner.lock();
            let marked: Vec<_> =
                (0..t.files.len()).filter(|i| t.files[*i].as_ref().is_some_and(|e| e.cloexec)).collect();
            marked.into_iter().filter_map(|i| t.take(i)).collect()
        };
        self.release_all(marked);
    }
    /// Closes everything.
    pub fn close_all(&self) {
        let old = {
            let mut t = self.inner.lock();
            self.size.store(0, Ordering::Relaxed);
            core::mem::take(&mut *t)
        };
        self.release_all(old.files.into_iter().flatten());
    }
    /// What tells this table's record locks from others', while the table lives.
    pub fn lock_owner(&self) -> LockOwner {
        LockOwner::Process(core::ptr::from_ref(self).addr() as u64)
    }
    /// A descriptor of `file` was closed. Any close of a file gives up all record locks that the process has on it,
    /// [`fcntl_locking(2)`](https://man7.org/linux/man-pages/man2/F_SETLK.2const.html), and ends its notification of a directory.
    fn release(&self, file: &OpenFile) -> Result<(), Errno> {
        if file.is_path_only() {
            return Ok(());
        }
        if let Some(inode) = file.inode_ref() {
            inode.common().locks().unlock(self.lock_owner(), 0, u64::MAX);
            if inode.kind() == FileKind::Directory {
                file.change_async_state(|s| s.forget_directory(self.lock_owner()));
            }
        }
        file.ops().flush(file, self.lock_owner())
    }
    fn release_all(&self, entries: impl IntoIterator<Item = Entry>) {
        for e in entries {
            // Nobody is there to hear of errors.
            self.release(&e.file).ok();
        }
    }
    /// No number from here on is in use.
    pub fn size(&self) -> usize {
        self.inner.lock().files.len()
    }
    /// `F_GETFD`. Errors: `EBADF`.
    pub fn cloexec(&self, fd: Fd) -> Result<bool, Errno> {
        self.inner.lock().slot(fd).and_then(|e| e.as_ref()).map(|e| e.cloexec).ok_or(Errno::EBADF)
    }
    /// `F_SETFD`. Errors: `EBADF`.
    pub fn set_cloexec(&self, fd: Fd, on: bool) -> Result<(), Errno> {
        let mut t = self.inner.lock();
        t.slot(fd).and_then(|e| e.as_mut()).map(|e| e.cloexec = on).ok_or(Errno::EBADF)
    }
    /// All numbers and files.
    pub fn list(&self) -> Vec<(Fd, Arc<OpenFile>)> {
        let t = self.inner.lock();
        let all = t.files.iter().enumerate();
        all.filter_map(|(i, e)| e.as_ref().map(|e| (Fd(i as i32), e.file.clone()))).collect()
    }
}

impl Drop for FdTable {
    fn drop(&mut self) {
        self.close_all();
    }
}
