//! Files that the sentry shares with stubs, mapped whole into the sentry.

use core::sync::atomic::{AtomicU32, Ordering};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use abi::Errno;

use crate::host::last_errno;

/// A sparse memory file and the sentry's mapping of it.
///
/// Others may write to the file at any time: words are read once, and never through references to more than one atomic word.
#[derive(Debug)]
pub(super) struct SharedFile {
    fd: OwnedFd,
    base: *mut u8,
    len: u64,
}

// SAFETY: `base` is an address, never a reference; the mapping may be used from any thread.
unsafe impl Send for SharedFile {}
// SAFETY: as above; all accesses are atomic or volatile.
unsafe impl Sync for SharedFile {}

impl SharedFile {
    /// A file of `len` bytes, all zero. Errors: what `memfd_create(2)`, `ftruncate(2)` and `mmap(2)` give.
    pub(super) fn new(name: &core::ffi::CStr, len: u64) -> Result<SharedFile, Errno> {
        // SAFETY: the name is a NUL-terminated string.
        let raw = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
        if raw < 0 {
            return Err(last_errno());
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        // SAFETY: the call takes no pointers.
        if unsafe { libc::ftruncate(fd.as_raw_fd(), len as libc::off_t) } != 0 {
            return Err(last_errno());
        }
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_NORESERVE;
        // SAFETY: the host chooses a free range of addresses.
        let base = unsafe { libc::mmap(core::ptr::null_mut(), len as usize, prot, flags, fd.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(last_errno());
        }
        // SAFETY: the range is the mapping just made; the call only sets a flag on it.
        unsafe { libc::madvise(base, len as usize, libc::MADV_DONTFORK) };
        Ok(SharedFile { fd, base: base.cast(), len })
    }

    pub(super) fn fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// Another descriptor of the file, for reading only. Errors: what `open(2)` gives.
    pub(super) fn read_only(&self) -> Result<OwnedFd, Errno> {
        crate::host::open_again(self.fd.as_fd(), rustix::fs::OFlags::RDONLY)
    }

    fn at(&self, offset: u64, len: u64) -> *mut u8 {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len), "beyond the shared file");
        // SAFETY: the offset lies in the mapping, as just checked.
        unsafe { self.base.add(offset as usize) }
    }

    /// A word that is accessed atomically; `offset` is a multiple of four.
    pub(super) fn atomic(&self, offset: u64) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4));
        // SAFETY: the word lies in the mapping, which lives as long as `self`, is aligned, and is only accessed atomically here.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }
    }

    pub(super) fn load(&self, offset: u64) -> u32 {
        self.atomic(offset).load(Ordering::SeqCst)
    }

    pub(super) fn store(&self, offset: u64, value: u32) {
        self.atomic(offset).store(value, Ordering::SeqCst);
    }

    /// Reads one word; `offset` is a multiple of eight.
    pub(super) fn read(&self, offset: u64) -> u64 {
        assert!(offset.is_multiple_of(8));
        // SAFETY: the word lies in the mapping and is aligned; a concurrent writer can only change the value.
        unsafe { self.at(offset, 8).cast::<u64>().read_volatile() }
    }

    /// Writes one word; `offset` is a multiple of eight.
    pub(super) fn write(&self, offset: u64, value: u64) {
        assert!(offset.is_multiple_of(8));
        // SAFETY: the word lies in the mapping and is aligned; nobody holds a reference to it.
        unsafe { self.at(offset, 8).cast::<u64>().write_volatile(value) }
    }

    /// Makes words zero.
    pub(super) fn wipe(&self, offset: u64, len: u64) {
        (offset..offset + len).step_by(8).for_each(|at| self.write(at, 0));
    }

    /// Makes whole pages zero, and gives their memory back.
    pub(super) fn clear(&self, offset: u64, len: u64) {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let _ = self.at(offset, len);
        // SAFETY: the call takes no pointers; holes read as zeros, so the mapping stays valid.
        if unsafe { libc::fallocate(self.fd(), mode, offset as libc::off_t, len as libc::off_t) } != 0 {
            self.wipe(offset, len);
        }
    }

    /// Copies out bytes; others may change them meanwhile.
    pub(super) fn copy_out(&self, offset: u64, dst: &mut [u8]) {
        let src = self.at(offset, dst.len() as u64);
        // SAFETY: the source lies in the mapping and does not overlap `dst`, which is a Rust object.
        unsafe { core::ptr::copy_nonoverlapping(src, dst.as_mut_ptr(), dst.len()) };
    }

    /// Copies in bytes.
    pub(super) fn copy_in(&self, offset: u64, src: &[u8]) {
        let dst = self.at(offset, src.len() as u64);
        // SAFETY: the destination lies in the mapping and does not overlap `src`, which is a Rust object.
        unsafe { core::ptr::copy_nonoverlapping(src.as_ptr(), dst, src.len()) };
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by this object, whose methods are the only users.
        unsafe { libc::munmap(self.base.cast(), self.len as usize) };
    }
}

/// Sleeps until a word that is shared with other processes differs from `expected`, or `timeout` has passed. May return early.
pub(super) fn futex_wait(word: &AtomicU32, expected: u32, timeout: Option<core::time::Duration>) {
    let ts = timeout
        .map(|t| libc::timespec { tv_sec: t.as_secs() as libc::time_t, tv_nsec: t.subsec_nanos().into() });
    let ts = ts.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the word is live, and `ts` is null or points to a value that outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, ts) };
}

/// Wakes up to `count` sleepers on a word, in any process.
pub(super) fn futex_wake(word: &AtomicU32, count: i32) {
    // SAFETY: the word is live.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
}
