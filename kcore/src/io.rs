//! Sources and sinks of bytes: how files take and give data without knowing whether the other end is guest memory.
//!
//! Calls may fault on guest memory and then take locks of rank 500 and up (see the crate's lock order).

use alloc::vec::Vec;
use core::fmt;

use abi::Errno;

use crate::frame::{FileOffset, FrameStore};
use crate::raw::RawBytes;

/// Why an operation on a file did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoError {
    /// Nothing could be done without waiting. Wait on the object's queues and try again, or answer `EAGAIN`.
    Again,
    /// It failed.
    Errno(Errno),
}

impl From<Errno> for IoError {
    fn from(e: Errno) -> IoError {
        IoError::Errno(e)
    }
}

impl IoError {
    /// The errno for a caller that does not wait: `EAGAIN` for [`IoError::Again`].
    pub fn errno(self) -> Errno {
        match self {
            IoError::Again => Errno::EAGAIN,
            IoError::Errno(e) => e,
        }
    }
}

/// Result of an operation that never blocks.
pub type IoResult<T> = Result<T, IoError>;

/// Most bytes that pass through a buffer at once.
const BUFFER: usize = 128 << 10;
/// A buffer of this size is on the stack.
const SMALL: usize = 4096;

/// What [`IoSink::fill`] or [`IoSource::drain`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// How much room the sink gave, or how many bytes the source gave.
    pub given: usize,
    /// How many bytes were moved. Less than what was given means that there were no more, or no more room, or that guest memory ended.
    pub taken: usize,
}

/// Takes bytes, in order.
pub trait IoSink {
    /// Bytes that it can still take at most.
    fn remaining(&self) -> usize;
    /// Takes bytes from the front of `src`, as many as fit, and says how many.
    ///
    /// Errors: `EFAULT` if not one byte could be stored because guest memory is not there.
    fn write(&mut self, src: &[u8]) -> Result<usize, Errno>;
    /// Like `write`, from `len` bytes of the memory file at `at`, without an intermediate buffer where possible.
    ///
    /// Errors: as `write`.
    fn write_frames(&mut self, store: &dyn FrameStore, at: FileOffset, len: usize) -> Result<usize, Errno> {
        let mut buf = [0u8; 4096];
        let mut done = 0;
        while done < len && self.remaining() > 0 {
            let n = (len - done).min(buf.len()).min(self.remaining());
            store.read(FileOffset(at.0 + done as u64), &mut buf[..n]);
            match self.write(&buf[..n]) {
                Ok(k) => {
                    done += k;
                    if k < n {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
    /// Takes bytes from `source`, which stores them in the room that it is given, `len` bytes or less, and says how many it stored. So
    /// a host's file is read without an intermediate buffer where possible. `source` is called once, or not at all if that would
    /// be useless; it may run with the locks that guest memory needs.
    ///
    /// Errors: as `write`; those of `source`.
    fn fill(
        &mut self,
        len: usize,
        source: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Result<Moved, Errno> {
        fill_through_buffer(self, len, source)
    }
    /// Takes `len` zero bytes, as many as fit, and says how many.
    ///
    /// Errors: as `write`.
    fn write_zeros(&mut self, len: usize) -> Result<usize, Errno> {
        let buf = [0u8; 4096];
        let mut done = 0;
        while done < len && self.remaining() > 0 {
            let n = (len - done).min(buf.len()).min(self.remaining());
            match self.write(&buf[..n]) {
                Ok(k) => {
                    done += k;
                    if k < n {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

/// [`IoSource::drain`] by way of a buffer, for sources that have nothing better. Errors: as there.
pub fn drain_through_buffer<S: IoSource + ?Sized>(
    source: &mut S,
    len: usize,
    sink: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
) -> Result<Moved, Errno> {
    // As much as stays in the processor's cache.
    with_buffer(len.min(BUFFER / 2).min(source.remaining()), |buf| {
        let given = source.read(buf)?;
        let taken = if given > 0 { sink(RawBytes::of(&mut buf[..given]))? } else { 0 };
        Ok(Moved { given, taken })
    })
}

/// [`IoSink::fill`] by way of a buffer, for sinks that have nothing better. Errors: as there.
pub fn fill_through_buffer<S: IoSink + ?Sized>(
    sink: &mut S,
    len: usize,
    source: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
) -> Result<Moved, Errno> {
    let room = len.min(BUFFER).min(sink.remaining());
    with_buffer(room, |buf| {
        let stored = source(RawBytes::of(buf))?;
        let taken = if stored > 0 { sink.write(&buf[..stored])? } else { 0 };
        Ok(Moved { given: room, taken })
    })
}

/// Calls `f` with `len` zero bytes.
fn with_buffer<R>(len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    if len > SMALL { f(&mut alloc::vec![0; len]) } else { f(&mut [0; SMALL][..len]) }
}

/// Gives bytes, in order.
pub trait IoSource {
    /// Bytes that it can still give at most.
    fn remaining(&self) -> usize;
    /// Fills the front of `dst` and says how many bytes it gave; less than `dst.len()` only at its end or at a fault.
    ///
    /// Errors: `EFAULT` if not one byte could be loaded because guest memory is not there.
    fn read(&mut self, dst: &mut [u8]) -> Result<usize, Errno>;
    /// Gives bytes to `sink`, which gets `len` of them or less and says how many it took. Those that it did not take count as given, too,
    /// if there was a buffer: who wants to go on after that must have a copy of the source. `sink` is called once, or not at all if
    /// there is nothing to give; it may run with the locks that guest memory needs.
    ///
    /// Errors: as `read`; those of `sink`.
    fn drain(
        &mut self,
        len: usize,
        sink: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Result<Moved, Errno> {
        drain_through_buffer(self, len, sink)
    }
    /// Like `read`, into `len` bytes of the memory file at `at`, without an intermediate buffer where possible.
    ///
    /// Errors: as `read`.
    fn read_frames(&mut self, store: &dyn FrameStore, at: FileOffset, len: usize) -> Result<usize, Errno> {
        let mut buf = [0u8; 4096];
        let mut done = 0;
        while done < len && self.remaining() > 0 {
            let n = (len - done).min(buf.len());
            match self.read(&mut buf[..n]) {
                Ok(k) => {
                    store.write(FileOffset(at.0 + done as u64), &buf[..k]);
                    done += k;
                    if k < n {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

/// A sink that fills a byte slice.
#[derive(Debug)]
pub struct SliceSink<'a> {
    buf: &'a mut [u8],
    done: usize,
}

impl<'a> SliceSink<'a> {
    /// A sink for `buf`.
    pub fn new(buf: &'a mut [u8]) -> Self {
        SliceSink { buf, done: 0 }
    }
    /// Bytes taken so far.
    pub fn done(&self) -> usize {
        self.done
    }
}

impl IoSink for SliceSink<'_> {
    fn remaining(&self) -> usize {
        self.buf.len() - self.done
    }
    fn write(&mut self, src: &[u8]) -> Result<usize, Errno> {
        let n = src.len().min(self.remaining());
        self.buf[self.done..self.done + n].copy_from_slice(&src[..n]);
        self.done += n;
        Ok(n)
    }
    fn fill(
        &mut self,
        len: usize,
        source: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Result<Moved, Errno> {
        let room = len.min(self.remaining());
        let taken = source(RawBytes::of(&mut self.buf[self.done..self.done + room]))?;
        self.done += taken;
        Ok(Moved { given: room, taken })
    }
}

/// A sink that grows a vector up to a limit.
#[derive(Debug)]
pub struct VecSink {
    buf: Vec<u8>,
    limit: usize,
}

impl VecSink {
    /// A sink that takes at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        VecSink { buf: Vec::new(), limit }
    }
    /// What it took.
    pub fn into_vec(self) -> Vec<u8> {
        self.buf
    }
}

impl IoSink for VecSink {
    fn remaining(&self) -> usize {
        self.limit - self.buf.len()
    }
    fn write(&mut self, src: &[u8]) -> Result<usize, Errno> {
        let n = src.len().min(self.remaining());
        self.buf.extend_from_slice(&src[..n]);
        Ok(n)
    }
    fn fill(
        &mut self,
        len: usize,
        source: &mut dyn FnMut(RawBytes<'_>) -> Result<usize, Errno>,
    ) -> Result<Moved, Errno> {
        let room = len.min(self.remaining()).min(BUFFER);
        let old = self.buf.len();
        self.buf.resize(old + room, 0);
        let stored = source(RawBytes::of(&mut self.buf[old..]));
        self.buf.truncate(old + stored.unwrap_or(0));
        Ok(Moved { given: room, taken: stored? })
    }
}

/// A source that gives a byte slice.
#[derive(Clone, Debug)]
pub struct SliceSource<'a>(&'a [u8]);

impl<'a> SliceSource<'a> {
    /// A source of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        SliceSource(bytes)
    }
}

impl IoSource for SliceSource<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }
    fn read(&mut self, dst: &mut [u8]) -> Result<usize, Errno> {
        let n = dst.len().min(self.0.len());
        dst[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.errno().fmt(f)
    }
}
