//! Files without a file system: pipes, eventfd, timerfd, signalfd, epoll, inotify, and polling of several files.

pub mod epoll;
pub mod eventfd;
pub mod fifo;
pub mod inotify;
pub mod pipe;
pub mod poll;
pub mod ring;
pub mod signalfd;
pub mod splice;
pub mod timerfd;

pub use epoll::{Epoll, EpollEvent};
pub use eventfd::EventFd;
pub use fifo::FifoTable;
pub use inotify::Inotify;
pub use pipe::{Pipe, PipeEnd};
pub use poll::PollSet;
pub use signalfd::{SignalFd, SignalSource};
pub use timerfd::TimerFd;

use kcore::io::{IoResult, IoSink, IoSource};

use crate::Errno;

/// Stores a small record whole. Errors: `EFAULT`.
pub(crate) fn put(dst: &mut dyn IoSink, record: &[u8]) -> IoResult<()> {
    if dst.write(record)? == record.len() { Ok(()) } else { Err(Errno::EFAULT.into()) }
}

/// Loads a small record whole. Errors: `EFAULT`.
pub(crate) fn get<const N: usize>(src: &mut dyn IoSource) -> IoResult<[u8; N]> {
    let mut record = [0; N];
    if src.read(&mut record)? == N { Ok(record) } else { Err(Errno::EFAULT.into()) }
}
