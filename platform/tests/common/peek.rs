//! How tests look at what guests have written.

use kcore::host::MemoryFile;
use platform::host::HostMemory;

/// Reads a byte of the memory file.
pub(crate) fn peek(m: &HostMemory, at: u64) -> u8 {
    assert!(at < m.len());
    // SAFETY: the address lies in the mapping, as checked.
    unsafe { m.base().add(at as usize).read_volatile() }
}
