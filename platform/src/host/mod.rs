//! The services of the host that a kernel needs: memory, clocks, randomness, sleeping.

mod barrier;
mod clock;
mod entropy;
mod info;
mod inherited;
#[cfg(any(feature = "ptrace", feature = "systrap"))]
mod maps;
mod memory;
mod park;
mod signals;

pub use barrier::{barrier, register_barrier};
pub use clock::HostClock;
pub use entropy::HostEntropy;
pub use info::host_machine;
pub use inherited::inherited;
#[cfg(any(feature = "ptrace", feature = "systrap"))]
pub(crate) use maps::mapped_ranges;
pub use memory::HostMemory;
pub use park::{FutexParker, install_parker};
pub use signals::{HostSignals, Received};

use abi::Errno;

/// The calling thread's `errno`.
pub(crate) fn last_errno() -> Errno {
    std::io::Error::last_os_error().raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EIO)
}
