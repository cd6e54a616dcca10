//! What the host gives to the kernel: directories, standard streams, sleep.

mod idle;
mod lower;
mod node;
mod owners;
mod poller;
mod shared;
mod stream;
mod thrift;

pub(crate) use idle::FutexIdle;
pub(crate) use node::HostTree;
pub(crate) use owners::Owners;
pub(crate) use stream::Streams;
pub(crate) use thrift::Thrifty;

use abi::Errno;
use platform::host::confine::HostCalls;

/// The host calls for streams and for files that are only read.
pub(crate) const CALLS: [HostCalls; 3] = [stream::CALLS, poller::CALLS, lower::CALLS];
/// Those for files that are changed.
pub(crate) const WRITE_CALLS: HostCalls = shared::CALLS;

/// The kernel's error for a host error.
fn errno(e: rustix::io::Errno) -> Errno {
    Errno::from_raw(e.raw_os_error()).unwrap_or(Errno::EIO)
}
