//! The host's clocks.

use kcore::host::{Clock, ClockSource, Nanos};

use super::confine::{HostCall, HostCalls};

pub(super) const CALLS: HostCalls = HostCalls {
    of: "clocks",
    list: &[HostCall::new(libc::SYS_clock_gettime, "clocks that the host does not show without a call")],
};

/// The host's clocks, read through the vDSO.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostClock;

impl Clock for HostClock {
    fn now(&self, source: ClockSource) -> Nanos {
        let id = match source {
            ClockSource::Monotonic => rustix::time::ClockId::Monotonic,
            ClockSource::Realtime => rustix::time::ClockId::Realtime,
        };
        let t = rustix::time::clock_gettime(id);
        // Times before 1970 read as zero.
        let secs = u64::try_from(t.tv_sec).unwrap_or(0);
        secs.saturating_mul(1_000_000_000).saturating_add(u64::try_from(t.tv_nsec).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_advance() {
        let (a, b) = (HostClock.monotonic(), HostClock.monotonic());
        assert!(a <= b);
        assert!(HostClock.realtime() > 1_600_000_000_000_000_000);
    }
}
