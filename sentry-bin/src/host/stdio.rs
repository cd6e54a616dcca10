//! The host's standard streams as files of the sandbox.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use kcore::id::{Gid, Uid};
use kcore::io::{IoError, IoResult, IoSink, IoSource};
use kcore::wait::{Events, WaitQueue};
use rustix::event::{PollFd, PollFlags, Timespec, epoll};
use vfs::consts::{O_RDWR, O_WRONLY};
use vfs::{FileOps, InodeAttr, OpenFile};

use super::errno;

/// Bytes moved between a stream and guest memory at once.
const CHUNK: usize = 64 << 10;

/// A thread that waits for streams on behalf of the kernel, which never waits on the host itself.
struct Poller {
    epoll: OwnedFd,
    queues: Mutex<HashMap<u64, WaitQueue>>,
}

impl Poller {
    fn start() -> Result<Arc<Poller>> {
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).context("the host refuses an epoll instance")?;
        let poller = Arc::new(Poller { epoll, queues: Mutex::default() });
        let mine = poller.clone();
        std::thread::Builder::new().name("picket-stdio".into()).spawn(move || mine.run())?;
        Ok(poller)
    }
    fn run(&self) {
        let mut events = Vec::with_capacity(8);
        loop {
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
            for event in events.drain(..) {
                let key = event.data.u64();
                let queue = self.queues.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
                if let Some(q) = queue {
                    q.wake_all();
                }
            }
        }
    }
    /// Adds a stream. `false` if it is always ready, as files are.
    fn add(&self, fd: &OwnedFd, queue: &WaitQueue) -> bool {
        let key = fd.as_raw_fd().cast_unsigned().into();
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).insert(key, queue.clone());
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(key), epoll::EventFlags::ONESHOT).is_ok()
    }
    /// Wakes the stream's queue once when it is ready for any of `flags`.
    fn arm(&self, fd: &OwnedFd, flags: epoll::EventFlags) {
        let key: u64 = fd.as_raw_fd().cast_unsigned().into();
        let flags = flags | epoll::EventFlags::ONESHOT;
        // The stream was added at start; if the host has lost it, the next read says so.
        epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(key), flags).ok();
    }
}

/// A stream of the host: pipe, terminal, socket or file.
struct Stream {
    fd: OwnedFd,
    queue: Option<WaitQueue>,
    poller: Arc<Poller>,
}

impl Stream {
    fn poll(&self, want: PollFlags) -> PollFlags {
        let mut fds = [PollFd::new(&self.fd, want)];
        match rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) => fds[0].revents(),
            Err(_) => PollFlags::ERR,
        }
    }
    /// Errors: `Again` unless one operation in this direction would complete at once.
    fn check(&self, want: PollFlags) -> IoResult<()> {
        if self.queue.is_none() || !self.poll(want).is_empty() {
            return Ok(());
        }
        let both = epoll::EventFlags::IN | epoll::EventFlags::OUT;
        self.poller.arm(
            &self.fd,
            if want == PollFlags::IN { epoll::EventFlags::IN } else { both - epoll::EventFlags::IN },
        );
        Err(IoError::Again)
    }
}

impl FileOps for Stream {
    fn read(&self, _: &OpenFile, _: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        self.check(PollFlags::IN)?;
        let mut buf = vec![0; dst.remaining().min(CHUNK)];
        let n = rustix::io::read(&self.fd, &mut buf).map_err(|e| IoError::Errno(errno(e)))?;
        Ok(dst.write(&buf[..n])?)
    }
    fn write(&self, _: &OpenFile, _: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        self.check(PollFlags::OUT)?;
        // A pipe that is ready takes PIPE_BUF bytes without blocking; more could keep a worker waiting.
        let most = if self.queue.is_some() { 4096 } else { CHUNK };
        let mut buf = vec![0; src.remaining().min(most)];
        let n = src.read(&mut buf)?;
        let mut done = 0;
        while done < n {
            done += rustix::io::write(&self.fd, &buf[done..n]).map_err(|e| IoError::Errno(errno(e)))?;
        }
        Ok(done)
    }
    fn ready(&self, _: &OpenFile, want: Events) -> Events {
        if self.queue.is_none() {
            return want & (Events::READABLE | Events::WRITABLE);
        }
        let got = self.poll(PollFlags::IN | PollFlags::OUT | PollFlags::HUP | PollFlags::ERR);
        let got = Events::from_bits_truncate(u32::from(got.bits())) & (want | Events::ALWAYS);
        if !got.intersects(want) {
            let mut flags = epoll::EventFlags::empty();
            flags.set(epoll::EventFlags::IN, want.intersects(Events::READABLE));
            flags.set(epoll::EventFlags::OUT, want.intersects(Events::WRITABLE));
            self.poller.arm(&self.fd, flags);
        }
        got
    }
    fn queue(&self, _: &OpenFile) -> Option<WaitQueue> {
        self.queue.clone()
    }
    fn stat(&self, _: &OpenFile) -> Option<InodeAttr> {
        let s = rustix::fs::fstat(&self.fd).ok()?;
        Some(InodeAttr {
            dev: s.st_dev,
            ino: s.st_ino,
            uid: Uid(s.st_uid),
            gid: Gid(s.st_gid),
            size: u64::try_from(s.st_size).unwrap_or(0),
            ..InodeAttr::anonymous(s.st_mode)
        })
    }
    fn name(&self) -> String {
        "host:[stream]".into()
    }
}

/// Descriptors 0, 1 and 2 of the sandbox.
pub(crate) struct StdioFiles;

impl StdioFiles {
    /// Opens copies of this process's standard streams. Errors: the host refuses a thread or a descriptor; a closed stream is left out.
    pub(crate) fn open() -> Result<Vec<(i32, Arc<OpenFile>)>> {
        let poller = Poller::start()?;
        let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        let mut files = Vec::new();
        for (n, stream) in (0..).zip(streams) {
            let Ok(fd) = rustix::io::fcntl_dupfd_cloexec(stream, 3) else { continue };
            let queue = WaitQueue::new();
            let queue = poller.add(&fd, &queue).then_some(queue);
            let flags = rustix::fs::fcntl_getfl(&fd).map_or(O_RDWR, |f| f.bits() & (O_RDWR | O_WRONLY));
            files.push((
                n,
                OpenFile::new(Arc::new(Stream { fd, queue, poller: poller.clone() }), flags, None),
            ));
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::Errno;
    use kcore::io::{SliceSource, VecSink};

    fn pipe() -> (Arc<OpenFile>, Arc<OpenFile>) {
        let poller = Poller::start().unwrap();
        let (r, w) = rustix::pipe::pipe().unwrap();
        let file = |fd: OwnedFd, flags| {
            let queue = WaitQueue::new();
            let queue = poller.add(&fd, &queue).then_some(queue);
            OpenFile::new(Arc::new(Stream { fd, queue, poller: poller.clone() }), flags, None)
        };
        (file(r, 0), file(w, O_WRONLY))
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
}
