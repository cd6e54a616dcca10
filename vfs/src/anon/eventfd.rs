//! Event counters, [`eventfd(2)`](https://man7.org/linux/man-pages/man2/eventfd.2.html).

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use kcore::io::{IoError, IoResult, IoSink, IoSource};
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};

use crate::Errno;
use crate::file::FileOps;
use crate::open_file::OpenFile;

static COUNTER: LockClass = LockClass::new("eventfd", 360);

/// A counter that can be waited for.
pub struct EventFd {
    count: Mutex<u64>,
    semaphore: bool,
    queue: WaitQueue,
}

impl EventFd {
    /// A counter at `initial`; with `semaphore` (`EFD_SEMAPHORE`) reads take one at a time.
    pub fn new(initial: u64, semaphore: bool) -> Arc<EventFd> {
        Arc::new(EventFd { count: Mutex::new(&COUNTER, initial), semaphore, queue: WaitQueue::new() })
    }
    /// Adds `n`, stopping at the largest value, as a kernel-side signal does. Never waits.
    pub fn signal(&self, n: u64) {
        {
            let mut c = self.count.lock();
            *c = c.saturating_add(n);
        }
        self.queue.wake(Events::READABLE);
    }
}

impl FileOps for EventFd {
    fn takes_nowait(&self) -> bool {
        true
    }
    fn lseeks(&self) -> bool {
        true
    }
    fn read(&self, _f: &OpenFile, _at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        if dst.remaining() < 8 {
            return Err(Errno::EINVAL.into());
        }
        let value = {
            let mut c = self.count.lock();
            match *c {
                0 => return Err(IoError::Again),
                _ if self.semaphore => {
                    *c -= 1;
                    1
                }
                n => {
                    *c = 0;
                    n
                }
            }
        };
        self.queue.wake(Events::WRITABLE);
        super::put(dst, &value.to_ne_bytes())?;
        Ok(8)
    }
    fn write(&self, _f: &OpenFile, _at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        if src.remaining() != 8 {
            return Err(Errno::EINVAL.into());
        }
        // The value is loaded before it is known whether it fits; a caller that waits must offer it again.
        let n = u64::from_ne_bytes(super::get(src)?);
        if n == u64::MAX {
            return Err(Errno::EINVAL.into());
        }
        {
            let mut c = self.count.lock();
            match c.checked_add(n) {
                Some(sum) if sum < u64::MAX => *c = sum,
                _ => return Err(IoError::Again),
            }
        }
        self.queue.wake(Events::READABLE);
        Ok(8)
    }
    fn ready(&self, _f: &OpenFile, want: Events) -> Events {
        let c = *self.count.lock();
        let mut now = Events::empty();
        if c > 0 {
            now |= Events::READABLE;
        }
        if c < u64::MAX - 1 {
            now |= Events::WRITABLE;
        }
        if c == u64::MAX {
            now |= Events::ERR;
        }
        now & (want | Events::ERR)
    }
    fn queue(&self, _f: &OpenFile) -> Option<WaitQueue> {
        Some(self.queue.clone())
    }
    fn name(&self) -> String {
        String::from("anon_inode:[eventfd]")
    }
    fn fdinfo(&self, _f: &OpenFile) -> String {
        format!(
            "eventfd-count: {:16x}\neventfd-semaphore: {}\n",
            *self.count.lock(),
            u32::from(self.semaphore)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consts::O_RDWR;
    use kcore::io::{SliceSource, VecSink};

    fn read(f: &OpenFile) -> IoResult<u64> {
        let mut s = VecSink::new(8);
        f.read(&mut s)?;
        Ok(u64::from_ne_bytes(s.into_vec().try_into().unwrap()))
    }
    fn write(f: &OpenFile, n: u64) -> IoResult<usize> {
        f.write(&mut SliceSource::new(&n.to_ne_bytes()))
    }

    #[test]
    fn counts() {
        let f = OpenFile::new(EventFd::new(2, false), O_RDWR, None);
        write(&f, 3).unwrap();
        assert_eq!(read(&f), Ok(5));
        assert_eq!(read(&f), Err(IoError::Again));
        assert_eq!(write(&f, u64::MAX - 1), Ok(8));
        assert_eq!(f.ready(Events::all()), Events::READABLE);
        assert_eq!(write(&f, 1), Err(IoError::Again));
        assert_eq!(write(&f, u64::MAX), Err(Errno::EINVAL.into()));
    }

    #[test]
    fn semaphore() {
        let f = OpenFile::new(EventFd::new(2, true), O_RDWR, None);
        assert_eq!((read(&f), read(&f)), (Ok(1), Ok(1)));
        assert_eq!(read(&f), Err(IoError::Again));
    }
}
