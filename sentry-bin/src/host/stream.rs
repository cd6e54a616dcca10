//! Streams of the host as files of the sandbox: pipes, sockets, terminals, files that this process inherited.

use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use kcore::id::{Gid, Uid};
use kcore::io::{IoError, IoResult, IoSink, IoSource};
use kcore::wait::{Events, WaitQueue};
use platform::host::confine::{HostCall, HostCalls};
use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::{Errno, ReadWriteFlags};
use vfs::consts::{O_RDWR, O_WRONLY};
use vfs::{FileOps, InodeAttr, OpenFile};

use super::errno;
use super::poller::Poller;

/// Bytes moved between a stream and guest memory at once: what a pipe holds.
const CHUNK: usize = 64 << 10;
/// Bytes that a stream without non-blocking operations takes without making a worker wait: what a ready pipe always takes.
const SMALL: usize = 4096;
/// As the offset of `preadv2(2)`: the current position.
const HERE: u64 = u64::MAX;

thread_local! {
    /// Between the host and guest memory, one for each worker.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

pub(super) const CALLS: HostCalls = HostCalls {
    of: "streams",
    list: &[
        HostCall::new(libc::SYS_fsync, "a guest's fsync(2) of a stream"),
        HostCall::new(libc::SYS_fdatasync, "a guest's fdatasync(2) of a stream"),
        HostCall::new(libc::SYS_preadv2, "read a stream without waiting"),
        HostCall::new(libc::SYS_pwritev2, "write to one"),
        HostCall::new(libc::SYS_read, "read one that has no such call but is ready, or a file"),
        HostCall::new(libc::SYS_ppoll, "whether it is ready"),
        HostCall::new(libc::SYS_fstat, "what a stream is"),
    ],
};

/// A stream of the host.
#[derive(Clone)]
pub(crate) struct Stream(Arc<Inner>);

struct Inner {
    fd: OwnedFd,
    /// `None` if it is always ready, as files are.
    queue: Option<WaitQueue>,
    /// Single operations can be told not to wait (`RWF_NOWAIT`). The descriptor itself is not made non-blocking: whoever gave it to
    /// us shares it.
    nowait: AtomicBool,
    poller: Arc<Poller>,
}

impl Stream {
    fn new(fd: OwnedFd, poller: &Arc<Poller>) -> Stream {
        let queue = WaitQueue::new();
        let queue = poller.add(&fd, &queue).then_some(queue);
        Stream(Arc::new(Inner { fd, queue, nowait: AtomicBool::new(true), poller: poller.clone() }))
    }
    fn poll(&self, want: PollFlags) -> PollFlags {
        let mut fds = [PollFd::new(&self.0.fd, want)];
        match rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) => fds[0].revents(),
            Err(_) => PollFlags::ERR,
        }
    }
    fn arm(&self, events: Events) {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, events.intersects(Events::READABLE));
        flags.set(EventFlags::OUT, events.intersects(Events::WRITABLE));
        self.0.poller.arm(&self.0.fd, flags);
    }
    /// One transfer of up to `most` bytes that does not wait: `now` asks the host not to, `ready` is called when that cannot be asked
    /// but the stream is ready, or is a file.
    fn transfer(
        &self,
        events: Events,
        poll: PollFlags,
        mut now: impl FnMut() -> rustix::io::Result<usize>,
        ready: impl FnOnce() -> rustix::io::Result<usize>,
    ) -> IoResult<usize> {
        let fail = |e| IoError::Errno(errno(e));
        if self.0.queue.is_none() {
            return ready().map_err(fail);
        }
        // Armed before it is looked at again, so that nothing is missed in between.
        for last in [false, true] {
            let result = if self.0.nowait.load(Ordering::Relaxed) { now() } else { Err(Errno::OPNOTSUPP) };
            match result {
                Ok(n) => return Ok(n),
                Err(Errno::AGAIN) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    self.0.nowait.store(false, Ordering::Relaxed);
                    if !self.poll(poll).is_empty() {
                        return ready().map_err(fail);
                    }
                }
                Err(e) => return Err(fail(e)),
            }
            if !last {
                self.arm(events);
            }
        }
        Err(IoError::Again)
    }
}

impl FileOps for Stream {
    fn read(&self, _: &OpenFile, _: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        BUFFER.with_borrow_mut(|buf| {
            let most = dst.remaining().min(CHUNK);
            let buf = RefCell::new(&mut buf[..most]);
            let n = self.transfer(
                Events::READABLE,
                PollFlags::IN,
                || {
                    let mut b = buf.borrow_mut();
                    let mut slices = [IoSliceMut::new(&mut b)];
                    rustix::io::preadv2(&self.0.fd, &mut slices, HERE, ReadWriteFlags::NOWAIT)
                },
                || rustix::io::read(&self.0.fd, &mut **buf.borrow_mut()),
            )?;
            Ok(dst.write(&buf.borrow()[..n])?)
        })
    }
    fn write(&self, _: &OpenFile, _: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        BUFFER.with_borrow_mut(|buf| {
            let most = src.remaining().min(CHUNK);
            let n = src.read(&mut buf[..most])?;
            let bytes = &buf[..n];
            let small = if self.0.queue.is_some() { &bytes[..n.min(SMALL)] } else { bytes };
            self.transfer(
                Events::WRITABLE,
                PollFlags::OUT,
                || rustix::io::pwritev2(&self.0.fd, &[IoSlice::new(bytes)], HERE, ReadWriteFlags::NOWAIT),
                || rustix::io::write(&self.0.fd, small),
            )
        })
    }
    fn ready(&self, _: &OpenFile, want: Events) -> Events {
        if self.0.queue.is_none() {
            return want & (Events::READABLE | Events::WRITABLE);
        }
        let look = || {
            let got = self.poll(PollFlags::IN | PollFlags::OUT | PollFlags::HUP | PollFlags::ERR);
            let mut got = Events::from_bits_truncate(u32::from(got.bits()));
            got.set(Events::RDNORM, got.contains(Events::IN));
            got.set(Events::WRNORM, got.contains(Events::OUT));
            got & (want | Events::ALWAYS)
        };
        let got = look();
        if got.intersects(want) {
            return got;
        }
        self.arm(want);
        look()
    }
    fn queue(&self, _: &OpenFile) -> Option<WaitQueue> {
        self.0.queue.clone()
    }
    fn sync(&self, _: &OpenFile, datasync: bool) -> Result<(), abi::Errno> {
        let fd = &self.0.fd;
        if datasync { rustix::fs::fdatasync(fd) } else { rustix::fs::fsync(fd) }.map_err(errno)
    }
    fn stat(&self, _: &OpenFile) -> Option<InodeAttr> {
        let s = rustix::fs::fstat(&self.0.fd).ok()?;
        Some(InodeAttr {
            dev: s.st_dev,
            ino: s.st_ino,
            uid: Uid(s.st_uid),
            gid: Gid(s.st_gid),
            size: u64::try_from(s.st_size).unwrap_or(0),
            ..InodeAttr::anonymous(s.st_mode)
        })
    }
    fn reopen(&self, _: &OpenFile, _: u32) -> IoResult<Arc<dyn FileOps>> {
        Ok(Arc::new(self.clone()))
    }
    fn name(&self) -> String {
        "host:[stream]".into()
    }
}

/// Makes files of descriptors of this process.
pub(crate) struct Streams(Arc<Poller>);

impl Streams {
    /// Without any yet. Errors: the host refuses a thread or a descriptor.
    pub(crate) fn new() -> Result<Streams> {
        Poller::start().map(Streams)
    }
    /// A file that is `fd`, which stays open here. `None` if it is closed.
    pub(crate) fn file(&self, fd: BorrowedFd<'_>) -> Result<Option<Arc<OpenFile>>> {
        let fd = match rustix::io::fcntl_dupfd_cloexec(fd, 3) {
            Ok(fd) => fd,
            Err(Errno::BADF) => return Ok(None),
            Err(e) => return Err(e).context("the host refuses a descriptor"),
        };
        let flags = rustix::fs::fcntl_getfl(&fd).map_or(O_RDWR, |f| f.bits() & (O_RDWR | O_WRONLY));
        Ok(Some(OpenFile::new(Arc::new(Stream::new(fd, &self.0)), flags, None)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use abi::Errno;
    use kcore::io::{SliceSource, VecSink};

    use super::*;

    fn pipe() -> (Arc<OpenFile>, Arc<OpenFile>) {
        let streams = Streams::new().unwrap();
        let (r, w) = rustix::pipe::pipe().unwrap();
        (streams.file(r.as_fd()).unwrap().unwrap(), streams.file(w.as_fd()).unwrap().unwrap())
    }

    #[test]
    fn reading_an_empty_pipe_never_blocks() {
        let (r, w) = pipe();
        assert_eq!(r.read(&mut VecSink::new(10)), Err(IoError::Again));
        assert_eq!(w.write(&mut SliceSource::new(b"hello")), Ok(5));
        let mut sink = VecSink::new(10);
        assert_eq!(r.read(&mut sink), Ok(5));
        assert_eq!(sink.into_vec(), b"hello");
        assert_eq!(r.write(&mut SliceSource::new(b"x")), Err(IoError::Errno(Errno::EBADF)));
    }

    #[test]
    fn a_pipe_takes_what_it_has_room_for() {
        let (r, w) = pipe();
        let big = vec![7; 1 << 20];
        let mut written = 0;
        while let Ok(n) = w.write(&mut SliceSource::new(&big)) {
            written += n;
        }
        assert!(written >= 64 << 10 && written < big.len(), "{written}");
        assert!(!w.ready(Events::WRITABLE).intersects(Events::OUT));
        assert_eq!(r.read(&mut VecSink::new(big.len())), Ok(64 << 10));
        assert!(w.ready(Events::WRITABLE).contains(Events::OUT | Events::WRNORM));
    }

    #[test]
    fn both_directions_of_a_socket_are_waited_for() {
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        let streams = Streams::new().unwrap();
        let file = streams.file(a.as_fd()).unwrap().unwrap();
        assert_eq!(file.read(&mut VecSink::new(1)), Err(IoError::Again));
        while file.write(&mut SliceSource::new(&[0; 4096])).is_ok() {}
        // Waiting to write must not end the wait to read.
        let queue = file.queue().unwrap();
        let (tx, rx) = std::sync::mpsc::channel::<()>();
        struct Tell(std::sync::mpsc::Sender<()>);
        impl std::task::Wake for Tell {
            fn wake(self: Arc<Self>) {
                self.0.send(()).ok();
            }
        }
        let waker = std::task::Waker::from(Arc::new(Tell(tx)));
        let _registration = queue.register(Events::READABLE, &waker);
        std::io::Write::write_all(&mut &b, b"x").unwrap();
        rx.recv_timeout(std::time::Duration::from_secs(60)).expect("woken by the byte");
        assert_eq!(file.read(&mut VecSink::new(1)), Ok(1));
    }
}
