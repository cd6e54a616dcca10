//! The memory file: one sparse memfd, mapped once.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use kcore::host::MemoryFile;

use super::confine::{HostCall, HostCalls};
use super::last_errno;

pub(super) const CALLS: HostCalls = HostCalls {
    of: "guest memory",
    list: &[
        HostCall::new(libc::SYS_fallocate, "pages that no guest uses any more"),
        HostCall::new(libc::SYS_fstat, "how much memory the guests have"),
        HostCall::new(libc::SYS_madvise, "memory that is about to be used"),
    ],
};

/// All guest memory of a sandbox: a memfd, mapped whole into this process and in pieces into the stubs.
///
/// The file is sparse: its length bounds what guests can use, and memory is taken from the host at first touch.
#[derive(Debug)]
pub struct HostMemory {
    fd: OwnedFd,
    base: *mut u8,
    len: u64,
}

// SAFETY: `base` is an address, never a reference; the mapping may be used from any thread.
unsafe impl Send for HostMemory {}
// SAFETY: as above, and nothing in the object changes after construction.
unsafe impl Sync for HostMemory {}

impl HostMemory {
    /// Length of the file that [`HostMemory::new`] makes.
    pub const DEFAULT_LEN: u64 = 64 << 30;

    /// A memory file of [`HostMemory::DEFAULT_LEN`] bytes.
    ///
    /// Errors: as [`HostMemory::with_len`].
    pub fn new() -> Result<Arc<HostMemory>, Errno> {
        HostMemory::with_len(HostMemory::DEFAULT_LEN)
    }

    /// A memory file of `len` bytes, a non-zero multiple of the page size.
    ///
    /// Errors: `EINVAL` for another length; what `memfd_create(2)`, `ftruncate(2)` and `mmap(2)` give, such as `ENOMEM` when the
    /// process's address space is limited.
    pub fn with_len(len: u64) -> Result<Arc<HostMemory>, Errno> {
        let size = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
        let end = libc::off_t::try_from(len).map_err(|_| Errno::EINVAL)?;
        if len == 0 || !len.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the name is a NUL-terminated string.
        let raw = unsafe { libc::memfd_create(c"picket-memory".as_ptr(), libc::MFD_CLOEXEC) };
        if raw < 0 {
            return Err(last_errno());
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        // SAFETY: the call takes no pointers.
        if unsafe { libc::ftruncate(fd.as_raw_fd(), end) } != 0 {
            return Err(last_errno());
        }
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_NORESERVE;
        // SAFETY: the host chooses a free range of addresses.
        let base = unsafe { libc::mmap(core::ptr::null_mut(), size, prot, flags, fd.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(last_errno());
        }
        // Stubs are forked from this process and map what they need themselves; a core dump must not hold guest memory.
        // SAFETY: the range is the mapping just made; both calls only set flags on it.
        unsafe {
            libc::madvise(base, size, libc::MADV_DONTFORK);
            libc::madvise(base, size, libc::MADV_DONTDUMP);
        }
        Ok(Arc::new(HostMemory { fd, base: base.cast(), len }))
    }

    /// The memfd, for backends that map parts of it elsewhere. It stays owned by this object.
    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Copies bytes out; guests may change them meanwhile.
    ///
    /// Panics if they lie beyond the file.
    #[cfg(feature = "systrap")]
    pub(crate) fn copy_out(&self, offset: u64, dst: &mut [u8]) {
        let end = offset.checked_add(dst.len() as u64);
        assert!(end.is_some_and(|end| end <= self.len), "beyond the memory file");
        // SAFETY: the source lies in the mapping, as just checked, and does not overlap `dst`, which is a Rust object.
        unsafe {
            core::ptr::copy_nonoverlapping(self.base.add(offset as usize), dst.as_mut_ptr(), dst.len());
        }
    }

    /// Bytes of host memory that the file holds now.
    ///
    /// Errors: what `fstat(2)` gives.
    pub fn committed(&self) -> Result<u64, Errno> {
        // SAFETY: an all-zero `stat` is a valid value.
        let mut st: libc::stat = unsafe { core::mem::zeroed() };
        // SAFETY: `st` is a valid place for the result.
        if unsafe { libc::fstat(self.fd.as_raw_fd(), &raw mut st) } != 0 {
            return Err(last_errno());
        }
        Ok(u64::try_from(st.st_blocks).unwrap_or(0) * 512)
    }
}

// SAFETY: the mapping lives as long as the object, readable and writable, at one address; the object makes no references into it.
unsafe impl MemoryFile for HostMemory {
    fn base(&self) -> *mut u8 {
        self.base
    }
    fn len(&self) -> u64 {
        self.len
    }
    fn decommit(&self, offset: u64, len: u64) -> Result<(), Errno> {
        if len == 0 {
            return Ok(());
        }
        let start = libc::off_t::try_from(offset).map_err(|_| Errno::EINVAL)?;
        let size = libc::off_t::try_from(len).map_err(|_| Errno::EINVAL)?;
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(Errno::EINVAL);
        }
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        loop {
            // SAFETY: the call takes no pointers; holes read as zeros, so the mapping stays valid.
            if unsafe { libc::fallocate(self.fd.as_raw_fd(), mode, start, size) } == 0 {
                return Ok(());
            }
            match last_errno() {
                Errno::EINTR => {}
                e => return Err(e),
            }
        }
    }
    fn prepare(&self, offset: u64, len: u64) {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return;
        }
        // SAFETY: the range lies in the mapping, as just checked; the call changes no content. If it fails, the pages come by faults.
        unsafe {
            libc::madvise(self.base.add(offset as usize).cast(), len as usize, libc::MADV_POPULATE_WRITE)
        };
    }
    fn committed(&self) -> u64 {
        HostMemory::committed(self).unwrap_or(0)
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by this object, and by the contract of `MemoryFile` users keep the object alive.
        unsafe { libc::munmap(self.base.cast(), self.len as usize) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decommit_zeroes_and_frees() {
        let m = HostMemory::with_len(1 << 20).unwrap();
        // SAFETY: the byte lies in the mapping.
        let p = unsafe { m.base().add(0x3000) };
        // SAFETY: as above.
        unsafe { p.write_volatile(7) };
        assert_eq!(m.committed(), Ok(4096));
        m.decommit(0x3000, 0x1000).unwrap();
        // SAFETY: as above.
        assert_eq!(unsafe { p.read_volatile() }, 0);
        m.decommit(0x3000, 0x1000).unwrap();
        assert_eq!(m.decommit(0xff000, 0x2000), Err(Errno::EINVAL));
        assert!(HostMemory::with_len(5).is_err());
    }
    #[test]
    fn default_size_maps() {
        assert_eq!(HostMemory::new().unwrap().len(), HostMemory::DEFAULT_LEN);
    }
}
