//! Pipes, [`pipe(7)`](https://man7.org/linux/man-pages/man7/pipe.7.html).

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use kcore::io::{IoError, IoResult, IoSink, IoSource};
use kcore::sync::{LockClass, Mutex, MutexGuard};
use kcore::user::{UserPtr, Write};
use kcore::wait::{Events, WaitQueue};

use super::ring::{Ring, SEGMENT};
use crate::Errno;
use crate::consts::*;
use crate::file::{FileOps, IoctlContext};
use crate::open_file::OpenFile;
use crate::path::Path;

/// Two pipes are locked together in order of address.
static PIPE: LockClass = LockClass::nesting("pipe", 350);

/// Bytes waiting to be read, `ioctl_tty(2)`.
const FIONREAD: u32 = 0x541B;
/// Largest size that an unprivileged process may set (`/proc/sys/fs/pipe-max-size`).
pub const MAX_SIZE: usize = 1 << 20;
/// Largest size at all.
const LIMIT: usize = 1 << 31;

/// The buffer between the ends of a pipe or FIFO.
pub struct Pipe {
    state: Mutex<State>,
    queue: WaitQueue,
}

/// What is under a pipe's lock.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) ring: Ring,
    pub(crate) readers: usize,
    pub(crate) writers: usize,
    /// How often it was opened for reading, ever.
    pub(crate) read_opens: u64,
    /// How often it was opened for writing, ever.
    pub(crate) write_opens: u64,
}

impl Default for Pipe {
    fn default() -> Self {
        Pipe { state: Mutex::new(&PIPE, State::default()), queue: WaitQueue::new() }
    }
}

impl Pipe {
    /// An empty pipe without ends.
    pub fn new() -> Arc<Pipe> {
        Arc::new(Pipe::default())
    }
    /// Where readers and writers wait.
    pub fn wait_queue(&self) -> &WaitQueue {
        &self.queue
    }
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
    /// Locks two different pipes.
    pub(crate) fn lock_both<'a>(a: &'a Pipe, b: &'a Pipe) -> (MutexGuard<'a, State>, MutexGuard<'a, State>) {
        if core::ptr::from_ref(a) < core::ptr::from_ref(b) {
            let first = a.lock();
            (first, b.lock())
        } else {
            let first = b.lock();
            (a.lock(), first)
        }
    }
    /// Bytes that wait to be read.
    pub fn len(&self) -> usize {
        self.lock().ring.len()
    }
    /// Whether no bytes wait.
    pub fn is_empty(&self) -> bool {
        self.lock().ring.is_empty()
    }

    /// Makes the two ends of a new pipe, for reading and for writing, with `O_NONBLOCK` and `O_DIRECT` of `flags`. Both lie at `place`.
    pub fn pair(flags: u32, place: Option<Path>) -> (Arc<OpenFile>, Arc<OpenFile>) {
        let pipe = Pipe::new();
        let flags = flags & (O_NONBLOCK | O_DIRECT);
        let r = PipeEnd::open(&pipe, O_RDONLY, None);
        let w = PipeEnd::open(&pipe, O_WRONLY, None);
        (OpenFile::new(r, flags | O_RDONLY, place.clone()), OpenFile::new(w, flags | O_WRONLY, place))
    }

    /// Takes what fits. Errors: `Again` if full, `EPIPE` without readers (the caller raises `SIGPIPE`), `EFAULT`.
    pub(crate) fn put(&self, src: &mut dyn IoSource, packet: bool) -> IoResult<usize> {
        if src.remaining() == 0 {
            return Ok(0);
        }
        let n = {
            let mut s = self.lock();
            if s.readers == 0 {
                return Err(Errno::EPIPE.into());
            }
            s.ring.fill(src, packet)?
        };
        if n == 0 {
            return Err(IoError::Again);
        }
        self.queue.wake(Events::READABLE);
        Ok(n)
    }

    /// Gives what is there; 0 at the end. Errors: `Again` if empty, `EFAULT`.
    pub(crate) fn take(&self, dst: &mut dyn IoSink) -> IoResult<usize> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        let (n, freed) = {
            let mut s = self.lock();
            if s.ring.is_empty() {
                return if s.writers == 0 { Ok(0) } else { Err(IoError::Again) };
            }
            let full = s.ring.is_full();
            let n = s.ring.drain(dst, usize::MAX)?;
            (n, full && !s.ring.is_full())
        };
        if freed {
            self.queue.wake(Events::WRITABLE);
        }
        Ok(n)
    }
}

/// One open end of a pipe or FIFO; a FIFO opened with `O_RDWR` is both.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
    fifo: bool,
    closed: AtomicBool,
    /// For a FIFO: the opens of the other end at the time of this open, when there was no peer.
    peer_opens: Option<u64>,
}

/// The size that a pipe has for `bytes`: a power of two, of a page at least. `None` if there is none so large.
pub fn whole_size(bytes: usize) -> Option<usize> {
    (bytes <= LIMIT).then(|| bytes.max(SEGMENT).next_power_of_two())
}

impl PipeEnd {
    /// Opens an end of `pipe`, of a FIFO perhaps, with the access mode of `flags`.
    pub(crate) fn open(pipe: &Arc<Pipe>, flags: u32, fifo: Option<()>) -> Arc<PipeEnd> {
        let reads = flags & O_ACCMODE != O_WRONLY;
        let writes = flags & O_ACCMODE != O_RDONLY;
        let peer_opens = {
            let mut s = pipe.lock();
            if reads {
                s.readers += 1;
                s.read_opens += 1;
            }
            if writes {
                s.writers += 1;
                s.write_opens += 1;
            }
            match (s.readers, s.writers) {
                (_, 0) => Some(s.write_opens),
                (0, _) => Some(s.read_opens),
                _ => None,
            }
        };
        pipe.queue.wake(Events::READABLE | Events::WRITABLE);
        let peer_opens = fifo.and(peer_opens);
        Arc::new(PipeEnd {
            pipe: pipe.clone(),
            reads,
            writes,
            fifo: fifo.is_some(),
            closed: AtomicBool::new(false),
            peer_opens,
        })
    }
    /// The end behind `file`, if it is one.
    pub fn of(file: &OpenFile) -> Option<&PipeEnd> {
        file.ops_as()
    }
    /// The pipe.
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }
    /// Whether it reads.
    pub fn reads(&self) -> bool {
        self.reads
    }
    /// Whether it writes.
    pub fn writes(&self) -> bool {
        self.writes
    }
    /// The size in bytes, `F_GETPIPE_SZ`.
    pub fn size(&self) -> usize {
        self.pipe.lock().ring.size()
    }
    /// `F_SETPIPE_SZ`: at least `bytes`; says what it became. `most` is what the caller may have it grow to.
    ///
    /// Errors: `EBUSY` if more is in use, `EPERM` above `most`, `EINVAL`.
    pub fn set_size(&self, bytes: usize, most: usize) -> Result<usize, Errno> {
        let size = whole_size(bytes).ok_or(Errno::EINVAL)?;
        let (grown, size) = {
            let mut s = self.pipe.lock();
            if size > s.ring.size() && size > most {
                return Err(Errno::EPERM);
            }
            let full = s.ring.is_full();
            s.ring.resize(size / SEGMENT)?;
            (full && !s.ring.is_full(), s.ring.size())
        };
        if grown {
            self.pipe.queue.wake(Events::WRITABLE);
        }
        Ok(size)
    }
    /// Whether the other end was opened since this one, or was open then.
    fn met_peer(&self, s: &State) -> bool {
        match self.peer_opens {
            None => true,
            Some(n) if self.reads => s.write_opens != n,
            Some(n) => s.read_opens != n,
        }
    }
    fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut events = Events::empty();
        let dropped = {
            let mut s = self.pipe.lock();
            if self.reads {
                s.readers -= 1;
                if s.readers == 0 {
                    events |= Events::WRITABLE | Events::ERR;
                }
            }
            if self.writes {
                s.writers -= 1;
                if s.writers == 0 {
                    events |= Events::READABLE | Events::HUP;
                }
            }
            // A FIFO without ends forgets what was written.
            (s.readers + s.writers == 0).then(|| core::mem::take(&mut s.ring))
        };
        drop(dropped);
        if !events.is_empty() {
            self.pipe.queue.wake_all();
        }
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.close();
    }
}

/// A blocking `write(2)` goes on after a partial write until all is written; that is the caller's loop.
impl FileOps for PipeEnd {
    fn takes_nowait(&self) -> bool {
        !self.fifo
    }
    fn takes_direct(&self) -> bool {
        true
    }
    fn read(&self, _f: &OpenFile, _at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        self.pipe.take(dst)
    }
    fn write(&self, f: &OpenFile, _at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        self.pipe.put(src, f.flags() & O_DIRECT != 0)
    }
    fn ready(&self, _f: &OpenFile, want: Events) -> Events {
        let s = self.pipe.lock();
        let mut now = Events::empty();
        if self.reads {
            if !s.ring.is_empty() {
                now |= Events::READABLE;
            }
            if s.writers == 0 && self.met_peer(&s) {
                now |= Events::HUP;
            }
        }
        if self.writes {
            if !s.ring.is_full() {
                now |= Events::WRITABLE;
            }
            if s.readers == 0 {
                now |= Events::ERR;
            }
        }
        now & (want | Events::ALWAYS)
    }
    fn queue(&self, _f: &OpenFile) -> Option<WaitQueue> {
        Some(self.pipe.queue.clone())
    }
    fn open_complete(&self, f: &OpenFile) -> bool {
        f.is_nonblocking() || self.met_peer(&self.pipe.lock())
    }
    fn ioctl(&self, _f: &OpenFile, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> IoResult<u64> {
        match cmd {
            FIONREAD => {
                let n = i32::try_from(self.pipe.len()).unwrap_or(i32::MAX);
                UserPtr::<i32, Write>::new(kcore::addr::GuestAddr(arg)).write(ctx.mem, &n)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY.into()),
        }
    }
    fn on_close(&self, _f: &OpenFile) {
        self.close();
    }
    fn reopen(&self, _f: &OpenFile, flags: u32) -> IoResult<Arc<dyn FileOps>> {
        Ok(PipeEnd::open(&self.pipe, flags, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use kcore::io::{SliceSource, VecSink};

    fn pair(flags: u32) -> (Arc<OpenFile>, Arc<OpenFile>) {
        Pipe::pair(flags, None)
    }
    fn read(f: &OpenFile, n: usize) -> IoResult<Vec<u8>> {
        let mut s = VecSink::new(n);
        f.read(&mut s)?;
        Ok(s.into_vec())
    }
    fn write(f: &OpenFile, b: &[u8]) -> IoResult<usize> {
        f.write(&mut SliceSource::new(b))
    }

    #[test]
    fn ends_of_life() {
        let (r, w) = pair(0);
        assert_eq!(read(&r, 5), Err(IoError::Again));
        assert_eq!(write(&w, b"abc"), Ok(3));
        assert_eq!(r.ready(Events::all()), Events::READABLE);
        drop(w);
        assert_eq!(r.ready(Events::all()), Events::READABLE | Events::HUP);
        assert_eq!(read(&r, 5).unwrap(), b"abc");
        assert_eq!(read(&r, 5).unwrap(), b"");
        let (r, w) = pair(0);
        drop(r);
        assert_eq!(write(&w, b"x"), Err(Errno::EPIPE.into()));
        assert!(w.ready(Events::OUT).contains(Events::ERR));
    }

    #[test]
    fn full_pipes_wait() {
        let (r, w) = pair(0);
        assert_eq!(write(&w, &[0; 70000]), Ok(65536));
        assert_eq!(write(&w, b"x"), Err(IoError::Again));
        assert!(w.ready(Events::OUT).is_empty());
        read(&r, 4095).unwrap();
        assert!(w.ready(Events::OUT).is_empty());
        read(&r, 1).unwrap();
        assert_eq!(w.ready(Events::OUT), Events::OUT);
    }

    #[test]
    fn sizes() {
        let (r, _w) = pair(0);
        let end = PipeEnd::of(&r).unwrap();
        assert_eq!(end.set_size(5000, MAX_SIZE), Ok(8192));
        assert_eq!(end.set_size(MAX_SIZE + 1, MAX_SIZE), Err(Errno::EPERM));
        assert_eq!(end.set_size(MAX_SIZE + 1, usize::MAX), Ok(2 * MAX_SIZE));
        assert_eq!(end.set_size(MAX_SIZE, 4096), Ok(MAX_SIZE), "nobody is kept from having less");
        assert_eq!(end.set_size((1 << 31) + 1, usize::MAX), Err(Errno::EINVAL));
        assert_eq!((whole_size(0), whole_size(4097)), (Some(4096), Some(8192)));
    }

    #[test]
    fn packets() {
        let (r, w) = pair(O_DIRECT);
        write(&w, b"one").unwrap();
        write(&w, b"two").unwrap();
        assert_eq!(read(&r, 10).unwrap(), b"one");
        assert_eq!(read(&r, 2).unwrap(), b"tw");
        assert_eq!(read(&r, 2), Err(IoError::Again));
    }
}
