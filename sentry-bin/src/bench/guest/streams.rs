//! Bytes in a stream between two processes.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::pipe::pipe;

use super::{Benchmark, Op, Places, each, expect, sys, throughput};

const CHUNK: usize = 64 << 10;
const BYTES: u64 = 8 << 20;

pub(super) const ALL: &[Benchmark] = &[
    throughput("pipe throughput", BYTES, through_pipe),
    throughput("socketpair throughput", BYTES, through_sockets),
];

/// A child writes for ever; the operation reads some of it.
fn from_child(r: OwnedFd, w: OwnedFd) -> io::Result<Op> {
    sys::fork(|| {
        sys::close_copy(&r);
        let buf = vec![7; CHUNK];
        while sys::write(&w, &buf).is_ok() {}
    })?;
    drop(w);
    let mut buf = vec![0; CHUNK];
    each(move || {
        let mut left = BYTES;
        while left > 0 {
            let n = sys::read(&r, &mut buf)? as u64;
            expect(n > 0, "the writer is gone")?;
            left = left.saturating_sub(n);
        }
        Ok(())
    })
}

fn through_pipe(_: &Places) -> io::Result<Op> {
    let (r, w) = pipe()?;
    from_child(r, w)
}

fn through_sockets(_: &Places) -> io::Result<Op> {
    let (r, w) = UnixStream::pair()?;
    from_child(r.into(), w.into())
}
