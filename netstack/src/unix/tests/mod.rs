//! Tests of unix sockets. What they expect was seen on Linux.

mod connect;
mod dgram;
mod files;
mod model;
mod stream;

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::MsgFlags;
use abi::Errno;
use kcore::cred::{Credentials, UserNamespace};
use kcore::id::{Gid, Pid, Uid};
use kcore::io::{IoResult, SliceSource, VecSink};

use super::*;
use crate::SocketKind;

pub(super) const NOW: MsgFlags = MsgFlags::DONTWAIT;

pub(super) fn identity(pid: i32) -> Identity {
    let cred = Credentials::user(Uid(1000), Gid(100), Vec::new(), Arc::new(UserNamespace::default()));
    Identity { process: None, pid: Pid(pid), cred: Arc::new(cred) }
}

pub(super) fn domain() -> Arc<UnixDomain> {
    UnixDomain::new(Transit::new())
}

pub(super) fn socket(domain: &Arc<UnixDomain>, kind: SocketKind, ino: u64) -> Arc<UnixSocket> {
    UnixSocket::new(domain, kind, 0, ino, identity(1)).unwrap()
}

pub(super) fn pair(kind: SocketKind) -> [Arc<UnixSocket>; 2] {
    UnixSocket::pair(&domain(), kind, 0, [1, 2], &identity(1)).unwrap()
}

pub(super) fn send(s: &UnixSocket, bytes: &[u8]) -> IoResult<usize> {
    let mut source = SliceSource::new(bytes);
    s.send(&mut Outgoing::new(&mut source, &identity(7)))
}

pub(super) fn send_to(s: &UnixSocket, to: &Arc<UnixSocket>, bytes: &[u8]) -> IoResult<usize> {
    let mut source = SliceSource::new(bytes);
    let by = identity(7);
    s.send(&mut Outgoing { to: Some(to), ..Outgoing::new(&mut source, &by) })
}

pub(super) fn recv_with(s: &UnixSocket, n: usize, flags: MsgFlags) -> IoResult<(Vec<u8>, Incoming)> {
    let mut sink = VecSink::new(n);
    let got = s.recv(&mut sink, flags)?;
    Ok((sink.into_vec(), got))
}

pub(super) fn recv(s: &UnixSocket, n: usize) -> IoResult<Vec<u8>> {
    recv_with(s, n, NOW).map(|(bytes, _)| bytes)
}

pub(super) fn abstract_name(name: &[u8]) -> UnixAddr {
    UnixAddr::Abstract(name.to_vec())
}

/// A stream socket that listens as `name`.
pub(super) fn listener(domain: &Arc<UnixDomain>, name: &[u8], backlog: i32) -> Arc<UnixSocket> {
    let s = socket(domain, SocketKind::Stream, 100);
    s.bind(&abstract_name(name)).unwrap();
    s.listen(backlog, &identity(2)).unwrap();
    s
}

#[test]
fn unknown_protocols_and_types() {
    let d = domain();
    let new = |protocol| UnixSocket::new(&d, SocketKind::Stream, protocol, 1, identity(1)).map(drop);
    assert_eq!(new(1), Ok(()));
    assert_eq!(new(5), Err(Errno::EPROTONOSUPPORT));
    assert_eq!(SocketKind::from_raw(4), Err(Errno::ESOCKTNOSUPPORT));
    assert_eq!(SocketKind::from_raw(11), Err(Errno::EINVAL));
    // A raw socket is a datagram socket.
    assert_eq!(socket(&d, SocketKind::Raw, 1).kind(), SocketKind::Dgram);
}

/// Counts wakes.
#[derive(Default)]
pub(super) struct Count(AtomicUsize);

impl Count {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
