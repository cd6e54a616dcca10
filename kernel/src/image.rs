//! What an address space remembers of the program that was loaded into it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::sync::{LockClass, Mutex};
use vfs::Path;

static IMAGE: LockClass = LockClass::new("program image", 272);

/// A file that is being executed: while this lives it cannot be opened for writing (`ETXTBSY`).
pub(crate) struct Executable(Path);

impl Executable {
    /// Errors: `ETXTBSY` if the file is open for writing.
    pub(crate) fn new(path: Path) -> Result<Arc<Executable>, Errno> {
        path.inode().common().deny_write()?;
        Ok(Arc::new(Executable(path)))
    }
    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Executable {
    fn drop(&mut self) {
        self.0.inode().common().allow_write();
    }
}

/// The loaded program, shared by all tasks that share the address space.
pub(crate) struct Image(Mutex<Parts>);

/// Kinds of memory that a core dump has at first: anonymous, and ELF headers (`MMF_DUMP_FILTER_DEFAULT`).
const COREDUMP_FILTER: u32 = 0x33;

#[derive(Clone)]
struct Parts {
    exe: Arc<Executable>,
    auxv: Arc<[u64]>,
    coredump_filter: u32,
}

impl Image {
    /// Of a program in `exe`.
    pub(crate) fn new(exe: Arc<Executable>) -> Arc<Image> {
        Arc::new(Image(Mutex::new(
            &IMAGE,
            Parts { exe, auxv: Arc::default(), coredump_filter: COREDUMP_FILTER },
        )))
    }
    /// A copy, for a copy of the address space.
    pub(crate) fn fork(&self) -> Arc<Image> {
        let parts = self.0.lock().clone();
        Arc::new(Image(Mutex::new(&IMAGE, parts)))
    }
    /// Where the program's file is (`/proc/PID/exe`).
    pub(crate) fn exe(&self) -> Path {
        self.0.lock().exe.path().clone()
    }
    /// Says that the program came from another file (`PR_SET_MM_EXE_FILE`).
    pub(crate) fn set_exe(&self, exe: Arc<Executable>) {
        let old = core::mem::replace(&mut self.0.lock().exe, exe);
        drop(old);
    }
    /// The auxiliary vector, pairs of words with the `AT_NULL` at the end (`/proc/PID/auxv`).
    pub(crate) fn auxv(&self) -> Arc<[u64]> {
        self.0.lock().auxv.clone()
    }
    /// Replaces the auxiliary vector (`execve`, `PR_SET_MM_AUXV`).
    pub(crate) fn set_auxv(&self, auxv: Vec<u64>) {
        let old = core::mem::replace(&mut self.0.lock().auxv, auxv.into());
        drop(old);
    }
    /// Which memory a core dump has, `core(5)`.
    pub(crate) fn coredump_filter(&self) -> u32 {
        self.0.lock().coredump_filter
    }
    /// Sets that.
    pub(crate) fn set_coredump_filter(&self, kinds: u32) {
        self.0.lock().coredump_filter = kinds;
    }
}
