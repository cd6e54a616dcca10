//! What a kernel asks of the host it runs on. Nothing else in the `no_std` crates reads clocks or randomness.

use abi::Errno;

/// Nanoseconds on some clock.
pub type Nanos = u64;

/// A source of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockSource {
    /// `CLOCK_MONOTONIC`: never steps, starts near zero at boot.
    Monotonic,
    /// `CLOCK_REALTIME`: nanoseconds since the epoch.
    Realtime,
}

/// The host's clocks.
pub trait Clock: Send + Sync {
    /// Nanoseconds now on `source`.
    fn now(&self, source: ClockSource) -> Nanos;
    /// Nanoseconds now on the monotonic clock.
    fn monotonic(&self) -> Nanos {
        self.now(ClockSource::Monotonic)
    }
    /// Nanoseconds since the epoch.
    fn realtime(&self) -> Nanos {
        self.now(ClockSource::Realtime)
    }
}

/// The host's randomness.
pub trait Entropy: Send + Sync {
    /// Fills `dst` with random bytes fit for keys.
    fn fill(&self, dst: &mut [u8]);
    /// A random number.
    fn next_u64(&self) -> u64 {
        let mut b = [0; 8];
        self.fill(&mut b);
        u64::from_le_bytes(b)
    }
}

/// The memory behind all guest memory: one sparse file that is mapped once.
///
/// # Safety
/// `base()..base() + len()` must stay mapped readable and writable for the life of the object, at the same address. Other
/// processes may write it at any time. Nothing else in this process may hold Rust references into it.
pub unsafe trait MemoryFile: Send + Sync {
    /// Where the file is mapped in this process; page-aligned.
    fn base(&self) -> *mut u8;
    /// Length in bytes; a multiple of the page size.
    fn len(&self) -> u64;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Gives the pages' memory back; they read as zero afterwards. `offset` and `len` are page-aligned.
    ///
    /// Errors: whatever the host says; the pages then keep their content.
    fn decommit(&self, offset: u64, len: u64) -> Result<(), Errno>;
}
