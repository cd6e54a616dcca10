//! What the host gives to the kernel: directories, standard streams, sleep.

mod idle;
mod lower;
mod node;
mod owners;
mod poller;
mod shared;
mod stream;

pub(crate) use idle::FutexIdle;
pub(crate) use node::open_tree;
pub(crate) use owners::Owners;
pub(crate) use stream::Streams;

use abi::Errno;

/// The kernel's error for a host error.
fn errno(e: rustix::io::Errno) -> Errno {
    Errno::from_raw(e.raw_os_error()).unwrap_or(Errno::EIO)
}
