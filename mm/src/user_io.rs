//! Guest memory as a source or sink of bytes.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::frame::{FileOffset, FrameStore};
use kcore::io::{IoSink, IoSource, Moved, drain_through_buffer, fill_through_buffer};
use kcore::raw::RawBytes;
use smallvec::SmallVec;

use crate::access::Mode;
use crate::space::AddressSpace;

/// A piece of guest memory: where, and how many bytes.
pub type Iovec = (GuestAddr, u64);
/// Pieces of guest memory, in order.
pub type IovecList = SmallVec<[Iovec; 4]>;

/// What lies in shorter pieces is copied by way of a buffer: a call to the host for each would cost more.
const PIECE: usize = 16 << 10;

/// A place in a list of pieces.
#[derive(Clone)]
struct Cursor<'a> {
    space: &'a AddressSpace,
    iov: &'a [Iovec],
    index: usize,
    within: u64,
    done: usize,
    left: usize,
}

impl<'a> Cursor<'a> {
    fn new(space: &'a AddressSpace, iov: &'a [Iovec]) -> Cursor<'a> {
        let total = iov.iter().fold(0u64, |n, (_, len)| n.saturating_add(*len));
        let left = usize::try_from(total).unwrap_or(usize::MAX);
        Cursor { space, iov, index: 0, within: 0, done: 0, left }
    }
    /// Goes on `len` bytes further, or at the end.
    fn skip(&mut self, len: usize) {
        let len = len.min(self.left);
        self.done += len;
        self.left -= len;
        let mut len = len as u64;
        while let Some((_, size)) = self.iov.get(self.index) {
            let step = len.min(size - self.within);
            self.within += step;
            len -= step;
            if self.within < *size {
                break;
            }
            self.index += 1;
            self.within = 0;
        }
    }
    /// Calls `f` with the next bytes, `len` at most, if many of them or all lie in one piece; they count as passed over if it says so.
    fn piece(
        &mut self,
        len: usize,
        mode: Mode,
        f: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Option<Result<Moved, Errno>> {
        let len = len.min(self.left);
        // Past what has no bytes.
        self.skip(0);
        let &(base, size) = self.iov.get(self.index)?;
        let here = usize::try_from(size - self.within).unwrap_or(usize::MAX).min(len);
        let least = len.min(PIECE);
        if here < least {
            return None;
        }
        let mut given = 0;
        let taken = self.space.with_piece(base.checked_add(self.within)?, here, least, mode, |bytes| {
            given = bytes.len();
            f(bytes)
        })?;
        Some(taken.map(|taken| {
            self.skip(taken);
            Moved { given, taken }
        }))
    }
    /// Walks over up to `len` bytes; `f(at, done, n)` as in [`AddressSpace::walk`].
    fn go(
        &mut self,
        len: usize,
        mode: Mode,
        mut f: impl FnMut(FileOffset, usize, usize),
    ) -> Result<usize, Errno> {
        let len = len.min(self.left);
        let mut done = 0;
        while done < len {
            let Some(&(base, size)) = self.iov.get(self.index) else { break };
            if self.within == size {
                self.index += 1;
                self.within = 0;
                continue;
            }
            let want = usize::try_from(size - self.within).unwrap_or(usize::MAX).min(len - done);
            let got = match base.checked_add(self.within) {
                Some(at) => self.space.walk(at, want, mode, |at, d, n| f(at, done + d, n)),
                None => 0,
            };
            done += got;
            self.within += got as u64;
            if got < want {
                break;
            }
        }
        self.done += done;
        self.left -= done;
        if done == 0 && len > 0 { Err(Errno::EFAULT) } else { Ok(done) }
    }
}

/// Stores what it takes in guest memory.
#[derive(Clone)]
pub struct UserSink<'a>(Cursor<'a>);

impl<'a> UserSink<'a> {
    /// A sink over the pieces `iov` of `space`.
    pub fn new(space: &'a AddressSpace, iov: &'a [Iovec]) -> UserSink<'a> {
        UserSink(Cursor::new(space, iov))
    }
    /// The same sink `len` bytes further on.
    pub fn skip(&mut self, len: usize) {
        self.0.skip(len);
    }
    /// Bytes taken so far.
    pub fn done(&self) -> usize {
        self.0.done
    }
}

impl IoSink for UserSink<'_> {
    fn remaining(&self) -> usize {
        self.0.left
    }
    fn write(&mut self, src: &[u8]) -> Result<usize, Errno> {
        let frames = &self.0.space.frames;
        self.0.go(src.len(), Mode::Write, |at, done, n| frames.write(at, &src[done..done + n]))
    }
    fn write_frames(&mut self, store: &dyn FrameStore, from: FileOffset, len: usize) -> Result<usize, Errno> {
        self.0.go(len, Mode::Write, |at, done, n| store.copy(FileOffset(from.0 + done as u64), at, n as u64))
    }
    fn fill(
        &mut self,
        len: usize,
        source: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Result<Moved, Errno> {
        match self.0.piece(len, Mode::Write, source) {
            Some(filled) => filled,
            None => fill_through_buffer(self, len, source),
        }
    }
    fn write_zeros(&mut self, len: usize) -> Result<usize, Errno> {
        let frames = &self.0.space.frames;
        self.0.go(len, Mode::Write, |at, _, n| frames.zero(at, n as u64))
    }
}

/// Gives what is in guest memory.
#[derive(Clone)]
pub struct UserSource<'a> {
    at: Cursor<'a>,
    in_place: bool,
}

impl<'a> UserSource<'a> {
    /// A source over the pieces `iov` of `space`.
    pub fn new(space: &'a AddressSpace, iov: &'a [Iovec]) -> UserSource<'a> {
        UserSource { at: Cursor::new(space, iov), in_place: false }
    }
    /// The same source, whose bytes a host may take straight from guest memory: nobody but the caller uses the address space, which
    /// has to stay as it is until the host has them, and that may be long when it cannot write as fast.
    #[must_use]
    pub fn in_place(self) -> UserSource<'a> {
        UserSource { in_place: true, ..self }
    }
    /// The same source `len` bytes further on.
    pub fn skip(&mut self, len: usize) {
        self.at.skip(len);
    }
    /// Bytes given so far.
    pub fn done(&self) -> usize {
        self.at.done
    }
}

impl IoSource for UserSource<'_> {
    fn remaining(&self) -> usize {
        self.at.left
    }
    fn read(&mut self, dst: &mut [u8]) -> Result<usize, Errno> {
        let frames = &self.at.space.frames;
        self.at.go(dst.len(), Mode::Read, |at, done, n| frames.read(at, &mut dst[done..done + n]))
    }
    fn drain(
        &mut self,
        len: usize,
        sink: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Result<Moved, Errno> {
        match self.in_place.then(|| self.at.piece(len, Mode::Read, sink)).flatten() {
            Some(moved) => moved,
            None => drain_through_buffer(self, len, sink),
        }
    }
    fn read_frames(&mut self, store: &dyn FrameStore, to: FileOffset, len: usize) -> Result<usize, Errno> {
        self.at.go(len, Mode::Read, |at, done, n| store.copy(at, FileOffset(to.0 + done as u64), n as u64))
    }
}
