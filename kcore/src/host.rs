//! What a kernel asks of the host it runs on. Nothing else in the `no_std` crates reads clocks or randomness.

use alloc::sync::Weak;

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

/// How the clocks follow from a counter that guests can read themselves, such as the time-stamp counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterScale {
    /// The counter at one moment.
    pub base: u64,
    /// The monotonic clock at that moment.
    pub nanos: Nanos,
    /// Nanoseconds for each step of the counter, in units of 2^-32.
    pub rate: u64,
    /// Steps after `base` from which on this must not be used any more.
    pub limit: u64,
    /// What to add to the monotonic clock for `CLOCK_REALTIME`, modulo 2^64.
    pub realtime: u64,
}

impl CounterScale {
    /// The monotonic clock at `counter`; at most what it was at the base for an earlier one.
    pub fn monotonic(&self, counter: u64) -> Nanos {
        let steps = counter.saturating_sub(self.base);
        let nanos = (u128::from(steps) * u128::from(self.rate)) >> 32;
        self.nanos.wrapping_add(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Where a clock leaves its scale for those who read the counter themselves.
pub trait ScaleSink: Send + Sync {
    /// Nobody may use the old scale for counter values read from now on; [`ScaleSink::set`] follows at once.
    fn open(&self);
    /// The scale in force.
    fn set(&self, scale: &CounterScale);
}

/// The host's clocks.
pub trait Clock: Send + Sync {
    /// Nanoseconds now on `source`.
    fn now(&self, source: ClockSource) -> Nanos;
    /// Keeps `sink`, as long as it lives, told of the scale by which this clock itself goes. Default: there is none.
    fn share(&self, _sink: Weak<dyn ScaleSink>) {}
    /// Nanoseconds now on the monotonic clock.
    fn monotonic(&self) -> Nanos {
        self.now(ClockSource::Monotonic)
    }
    /// As [`Clock::monotonic`], for accounting: where reading the clock may be cheaper when it need not be in order with the memory accesses
    /// around it, so that it may be a little early or late, it is read so.
    fn stamp(&self) -> Nanos {
        self.monotonic()
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
    /// Pages that this process is about to write, which are page-aligned as above: a host may do for all of them what each would else
    /// need. Default: nothing.
    fn prepare(&self, _offset: u64, _len: u64) {}
    /// Bytes of memory that the file has now. Default: 0, for not known.
    fn committed(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_exact_and_never_goes_back() {
        let scale = CounterScale { base: 1_000, nanos: 500, rate: 1 << 31, ..CounterScale::default() };
        assert_eq!(scale.monotonic(1_000), 500);
        assert_eq!(scale.monotonic(1_007), 503);
        assert_eq!(scale.monotonic(10), 500);
        // A day of a counter of 4 GHz.
        let day = 86_400 * 4_000_000_000;
        let scale = CounterScale { rate: 1 << 30, ..CounterScale::default() };
        assert_eq!(scale.monotonic(day), 86_400 * 1_000_000_000);
    }
}
