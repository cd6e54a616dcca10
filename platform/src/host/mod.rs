//! The services of the host that a kernel needs: memory, clocks, randomness, sleeping.

mod barrier;
mod clock;
pub mod confine;
mod content;
mod counter;
mod entropy;
mod info;
mod inherited;
mod memory;
mod park;
#[cfg(any(feature = "ptrace", feature = "systrap"))]
mod proc;
mod signals;
mod stdio;
mod thrift;

pub use barrier::{barrier, register_barrier};
pub use clock::HostClock;
pub use content::{pread, pwrite};
pub use counter::CounterClock;
pub use entropy::HostEntropy;
pub use info::host_machine;
pub use inherited::{close_others, inherited};
pub use memory::HostMemory;
pub use park::{FutexParker, install_parker};
#[cfg(any(feature = "ptrace", feature = "systrap"))]
pub(crate) use proc::mapped_ranges;
#[cfg(feature = "systrap")]
pub(crate) use proc::open_again;
#[cfg(any(feature = "ptrace", feature = "systrap"))]
pub use proc::open_own_proc;
pub use signals::{HostSignals, Received};
pub use stdio::was_closed;
pub use thrift::give_memory_back;

use abi::Errno;
use confine::HostCalls;

/// The host calls of these services.
pub const CALLS: [HostCalls; 4] = [memory::CALLS, clock::CALLS, entropy::CALLS, barrier::CALLS];

/// The calling thread's `errno`.
pub(crate) fn last_errno() -> Errno {
    std::io::Error::last_os_error().raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EIO)
}
