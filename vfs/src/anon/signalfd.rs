//! Signals as bytes, [`signalfd(2)`](https://man7.org/linux/man-pages/man2/signalfd.2.html).

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use kcore::io::{IoError, IoResult, IoSink};
use kcore::wait::{Events, WaitQueue};

use crate::Errno;
use crate::file::FileOps;
use crate::open_file::OpenFile;

/// Size of `struct signalfd_siginfo`.
pub const SIGINFO: usize = 128;

/// The pending signals of whoever calls, supplied by the kernel.
pub trait SignalSource: Send + Sync {
    /// Takes a pending signal of `mask` (bit `n - 1` for signal `n`), as `struct signalfd_siginfo`.
    fn dequeue(&self, mask: u64) -> Option<[u8; SIGINFO]>;
    /// Whether a signal of `mask` is pending.
    fn pending(&self, mask: u64) -> bool;
    /// Woken with `IN` when a signal arrives.
    fn queue(&self) -> WaitQueue;
}

/// A descriptor that reads signals.
pub struct SignalFd {
    mask: Arc<AtomicU64>,
    source: Arc<dyn SignalSource>,
}

/// `SIGKILL` and `SIGSTOP`, which cannot be caught.
const UNCATCHABLE: u64 = 1 << 8 | 1 << 18;

impl SignalFd {
    /// Reads signals of `mask`.
    pub fn new(mask: u64, source: Arc<dyn SignalSource>) -> Arc<SignalFd> {
        Arc::new(SignalFd { mask: Arc::new(AtomicU64::new(mask & !UNCATCHABLE)), source })
    }
    /// The same descriptor as another task sees it, whose signals `source` has.
    pub fn seen_by(&self, source: Arc<dyn SignalSource>) -> Arc<SignalFd> {
        Arc::new(SignalFd { mask: self.mask.clone(), source })
    }
    /// Changes the mask.
    pub fn set_mask(&self, mask: u64) {
        self.mask.store(mask & !UNCATCHABLE, Ordering::Relaxed);
        self.source.queue().wake(Events::READABLE);
    }
    fn mask(&self) -> u64 {
        self.mask.load(Ordering::Relaxed)
    }
}

impl FileOps for SignalFd {
    fn takes_nowait(&self) -> bool {
        true
    }
    fn lseeks(&self) -> bool {
        true
    }
    fn can_write(&self) -> bool {
        false
    }
    fn read(&self, _f: &OpenFile, _at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        if dst.remaining() < SIGINFO {
            return Err(Errno::EINVAL.into());
        }
        let mut done = 0;
        while dst.remaining() >= SIGINFO
            && let Some(info) = self.source.dequeue(self.mask())
        {
            match super::put(dst, &info) {
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
                Ok(()) => done += SIGINFO,
            }
        }
        if done == 0 { Err(IoError::Again) } else { Ok(done) }
    }
    fn ready(&self, _f: &OpenFile, want: Events) -> Events {
        if self.source.pending(self.mask()) { want & Events::READABLE } else { Events::empty() }
    }
    fn queue(&self, _f: &OpenFile) -> Option<WaitQueue> {
        Some(self.source.queue())
    }
    fn name(&self) -> String {
        String::from("anon_inode:[signalfd]")
    }
    fn fdinfo(&self, _f: &OpenFile) -> String {
        format!("sigmask:\t{:016x}\n", self.mask())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;
    use kcore::io::VecSink;

    struct Two(AtomicU32, WaitQueue);
    impl SignalSource for Two {
        fn dequeue(&self, _: u64) -> Option<[u8; SIGINFO]> {
            let n = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).ok()?;
            Some([n as u8; SIGINFO])
        }
        fn pending(&self, mask: u64) -> bool {
            mask != 0 && self.0.load(Ordering::Relaxed) > 0
        }
        fn queue(&self) -> WaitQueue {
            self.1.clone()
        }
    }

    #[test]
    fn reads_whole_records() {
        let f = OpenFile::new(SignalFd::new(2, Arc::new(Two(2.into(), WaitQueue::new()))), 0, None);
        assert_eq!(f.ready(Events::IN), Events::IN);
        assert_eq!(f.read(&mut VecSink::new(127)), Err(Errno::EINVAL.into()));
        assert_eq!(f.read(&mut VecSink::new(500)), Ok(256));
        assert_eq!(f.read(&mut VecSink::new(500)), Err(IoError::Again));
    }
}
