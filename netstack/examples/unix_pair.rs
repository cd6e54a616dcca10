//! Two unix sockets that talk, without a kernel around them.

use std::sync::Arc;

use abi::Errno;
use kcore::cred::{Credentials, UserNamespace};
use kcore::id::Pid;
use kcore::io::{IoError, SliceSource, VecSink};
use netstack::MsgFlags;
use netstack::SocketKind;
use netstack::unix::{Identity, Outgoing, Transit, UnixDomain, UnixSocket};

fn main() -> Result<(), Errno> {
    let root = Arc::new(Credentials::root(Arc::new(UserNamespace::default())));
    let me = Identity { process: None, pid: Pid(1), cred: root };
    let domain = UnixDomain::new(Transit::new());
    let [a, b] = UnixSocket::pair(&domain, SocketKind::Seqpacket, 0, [1, 2], &me)?;

    let mut data = SliceSource::new(b"hello");
    a.send(&mut Outgoing::new(&mut data, &me)).map_err(IoError::errno)?;

    let mut buffer = VecSink::new(100);
    let got = b.recv(&mut buffer, MsgFlags::empty()).map_err(IoError::errno)?;
    println!("{} bytes: {}", got.stored, String::from_utf8_lossy(&buffer.into_vec()));
    a.close();
    b.close();
    Ok(())
}
