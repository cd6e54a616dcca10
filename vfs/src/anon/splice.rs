//! Moving data through pipes without the guest's memory: `splice(2)`, `tee(2)`, `vmsplice(2)`.
//!
//! A file is read or written without the pipe's lock, so a second reader of the same pipe may see the pipe without the segment
//! that is under way.

use kcore::io::{IoError, IoResult, IoSink, IoSource, SliceSink, SliceSource};
use kcore::wait::Events;

use super::pipe::{Pipe, PipeEnd};
use super::ring::{SEGMENT, Segment};
use crate::Errno;
use crate::open_file::{OpenFile, WriteOptions};

/// Moves up to `len` bytes from the pipe into `out`, at `at` or at its position. 0 at the end.
///
/// Errors: `Again` if the pipe is empty or `out` would wait; `EBADF`; those of `out`, with `options` as of a write.
pub fn splice_from_pipe(
    pipe: &PipeEnd,
    out: &OpenFile,
    at: Option<u64>,
    options: &WriteOptions,
    len: usize,
) -> IoResult<usize> {
    if !pipe.reads() {
        return Err(Errno::EBADF.into());
    }
    if let Some(to) = PipeEnd::of(out) {
        return splice_pipes(pipe, to, len);
    }
    let mut done = 0;
    while done < len {
        let taken = {
            let mut s = pipe.pipe().lock();
            let full = s.ring.is_full();
            match s.ring.take(len - done) {
                Some(seg) => (seg, full && !s.ring.is_full()),
                None if done > 0 || s.writers == 0 => break,
                None => return Err(IoError::Again),
            }
        };
        let (mut seg, freed) = taken;
        let mut src = SliceSource::new(seg.bytes());
        let result = out.write_with(at.map(|at| at + done as u64), options, &mut src);
        let n = *result.as_ref().unwrap_or(&0);
        let want = seg.len();
        if n < want {
            seg.advance(n);
            pipe.pipe().lock().ring.unread(seg);
            pipe.pipe().wait_queue().wake(Events::READABLE);
        } else if freed {
            pipe.pipe().wait_queue().wake(Events::WRITABLE);
        }
        done += n;
        match result {
            Err(e) if done == 0 => return Err(e),
            Ok(n) if n == want => {}
            _ => break,
        }
    }
    Ok(done)
}

/// Moves up to `len` bytes from `file`, at `at` or at its position, into the pipe. 0 at the end of the file.
///
/// Errors: `Again` if the pipe is full or `file` would wait; `EPIPE`; `EBADF`; those of `file`.
pub fn splice_to_pipe(file: &OpenFile, at: Option<u64>, pipe: &PipeEnd, len: usize) -> IoResult<usize> {
    if !pipe.writes() {
        return Err(Errno::EBADF.into());
    }
    if let Some(from) = PipeEnd::of(file) {
        return splice_pipes(from, pipe, len);
    }
    let mut done = 0;
    let mut buf = [0u8; SEGMENT];
    while done < len {
        {
            let s = pipe.pipe().lock();
            match () {
                () if s.readers == 0 && done == 0 => return Err(Errno::EPIPE.into()),
                () if s.readers == 0 => break,
                () if s.ring.is_full() && done == 0 => return Err(IoError::Again),
                () if s.ring.is_full() => break,
                () => {}
            }
        }
        let want = (len - done).min(SEGMENT);
        let mut sink = SliceSink::new(&mut buf[..want]);
        let result = match at {
            Some(at) => file.pread(at + done as u64, &mut sink),
            None => file.read(&mut sink),
        };
        let n = match result {
            Ok(n) => n,
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        };
        if n > 0 {
            pipe.pipe().lock().ring.push(Segment::from_bytes(&buf[..n], false));
            done += n;
        }
        if n < want {
            break;
        }
    }
    if done > 0 {
        pipe.pipe().wait_queue().wake(Events::READABLE);
    }
    Ok(done)
}

/// Moves up to `len` bytes from pipe to pipe. 0 at the end.
///
/// Errors: `Again`, `EPIPE`, `EINVAL` for one and the same pipe, `EBADF`.
pub fn splice_pipes(from: &PipeEnd, to: &PipeEnd, len: usize) -> IoResult<usize> {
    transfer(from, to, len, true)
}

/// Copies up to `len` bytes from pipe to pipe without consuming them. 0 at the end.
///
/// Errors: as [`splice_pipes`].
pub fn tee(from: &PipeEnd, to: &PipeEnd, len: usize) -> IoResult<usize> {
    transfer(from, to, len, false)
}

fn transfer(from: &PipeEnd, to: &PipeEnd, len: usize, consume: bool) -> IoResult<usize> {
    if !from.reads() || !to.writes() {
        return Err(Errno::EBADF.into());
    }
    if core::ptr::eq(&**from.pipe(), &**to.pipe()) {
        return Err(Errno::EINVAL.into());
    }
    if len == 0 {
        return Ok(0);
    }
    let mut done = 0;
    let freed;
    {
        let (mut a, mut b) = Pipe::lock_both(from.pipe(), to.pipe());
        if b.readers == 0 {
            return Err(Errno::EPIPE.into());
        }
        if a.ring.is_empty() {
            return if a.writers == 0 { Ok(0) } else { Err(IoError::Again) };
        }
        if b.ring.is_full() {
            return Err(IoError::Again);
        }
        let full = a.ring.is_full();
        if consume {
            while !b.ring.is_full()
                && let Some(seg) = a.ring.take(len - done)
            {
                done += seg.len();
                b.ring.push(seg);
            }
        } else {
            for seg in a.ring.peek(len, b.ring.free_slots()) {
                done += seg.len();
                b.ring.push(seg);
            }
        }
        freed = full && !a.ring.is_full();
    }
    to.pipe().wait_queue().wake(Events::READABLE);
    if freed {
        from.pipe().wait_queue().wake(Events::WRITABLE);
    }
    Ok(done)
}

/// Puts guest memory into a pipe. The pages are copied, so a gift (`SPLICE_F_GIFT`) makes no difference.
///
/// Errors: as a `write`, `EBADF`.
pub fn vmsplice_in(pipe: &PipeEnd, src: &mut dyn IoSource) -> IoResult<usize> {
    if !pipe.writes() {
        return Err(Errno::EBADF.into());
    }
    pipe.pipe().put(src, false)
}

/// Takes a pipe's bytes into guest memory. Errors: as a `read`, `EBADF`.
pub fn vmsplice_out(pipe: &PipeEnd, dst: &mut dyn IoSink) -> IoResult<usize> {
    if !pipe.reads() {
        return Err(Errno::EBADF.into());
    }
    pipe.pipe().take(dst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use kcore::io::VecSink;

    fn pair() -> (Arc<OpenFile>, Arc<OpenFile>) {
        Pipe::pair(0, None)
    }

    #[test]
    fn tee_then_splice() {
        let ((ar, aw), (br, bw)) = (pair(), pair());
        let (a, b) = (PipeEnd::of(&ar).unwrap(), PipeEnd::of(&bw).unwrap());
        assert_eq!(tee(a, b, 9), Err(IoError::Again));
        aw.write(&mut SliceSource::new(b"hello")).unwrap();
        assert_eq!(tee(a, b, 3), Ok(3));
        assert_eq!(splice_from_pipe(a, &bw, None, &WriteOptions::default(), 99), Ok(5));
        let mut s = VecSink::new(99);
        br.read(&mut s).unwrap();
        assert_eq!(s.into_vec(), b"helhello");
        assert_eq!(splice_pipes(a, PipeEnd::of(&aw).unwrap(), 1), Err(Errno::EINVAL.into()));
        drop(aw);
        assert_eq!(splice_pipes(a, b, 1), Ok(0));
    }
}
