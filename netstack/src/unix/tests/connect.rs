//! Names, listening and connecting.

use super::*;
use crate::{Shutdown, SocketKind::*};
use abi::net::socket::{SO_ACCEPTCONN, SO_PASSCRED};
use kcore::io::IoError;
use kcore::wait::Events;

fn connect(d: &Arc<UnixDomain>, to: &Arc<UnixSocket>, ino: u64) -> (Arc<UnixSocket>, IoResult<()>) {
    let s = socket(d, Stream, ino);
    let r = s.connect(to, &identity(9), ino + 1);
    (s, r)
}

#[test]
fn connect_and_accept() {
    let d = domain();
    let l = listener(&d, b"door", 5);
    assert_eq!(l.accept().map(drop), Err(IoError::Again));
    assert_eq!(l.get_option(SO_ACCEPTCONN).unwrap().as_bytes(), 1u32.to_ne_bytes());
    let target = d.find_abstract(Stream, b"door").unwrap();
    let (c, r) = connect(&d, &target, 10);
    r.unwrap();
    assert_eq!(l.ready(Events::all()), Events::READABLE);
    // Data may be sent before anybody accepts.
    send(&c, b"early").unwrap();
    let s = l.accept().unwrap();
    assert_eq!(recv(&s, 9).unwrap(), b"early");
    assert_eq!((s.local_addr(), c.peer_addr()), (abstract_name(b"door"), Ok(abstract_name(b"door"))));
    assert_eq!((c.local_addr(), s.peer_addr()), (UnixAddr::Unnamed, Ok(UnixAddr::Unnamed)));
    // Each sees who the other was: the client when it connected, the server when it listened.
    assert_eq!(s.peer_identity().unwrap().pid, Pid(9));
    assert_eq!(c.peer_identity().unwrap().pid, Pid(2));
    // A name given later shows.
    c.bind(&abstract_name(b"late")).unwrap();
    assert_eq!(s.peer_addr(), Ok(abstract_name(b"late")));
    assert_eq!(c.connect(&l, &identity(9), 12), Err(Errno::EISCONN.into()));
    assert_eq!(c.listen(1, &identity(1)), Err(Errno::EINVAL));
    assert_eq!(l.connect(&l, &identity(1), 13), Err(Errno::EINVAL.into()));
}

#[test]
fn a_full_backlog_wakes_who_found_it_full() {
    let d = domain();
    let l = listener(&d, b"n", 0);
    let (_first, r) = connect(&d, &l, 10);
    assert_eq!(r, Ok(()));
    let (second, r) = connect(&d, &l, 20);
    assert_eq!(r, Err(IoError::Again));
    let woken = Arc::new(Count::default());
    let _registration = second.queue().register(Events::WRITABLE, &woken.clone().into());
    l.accept().unwrap();
    assert_eq!(woken.count(), 1);
    assert_eq!(second.connect(&l, &identity(9), 22), Ok(()));
}

#[test]
fn nobody_listens() {
    let d = domain();
    assert_eq!(d.find_abstract(Stream, b"none").map(drop), Err(Errno::ECONNREFUSED));
    let s = socket(&d, Stream, 1);
    assert_eq!(s.listen(1, &identity(1)), Err(Errno::EINVAL));
    assert_eq!(s.accept().map(drop), Err(Errno::EINVAL.into()));
    s.bind(&abstract_name(b"mute")).unwrap();
    assert_eq!(connect(&d, &s, 2).1, Err(Errno::ECONNREFUSED.into()));
    assert_eq!(s.connect(&s, &identity(1), 3), Err(Errno::ECONNREFUSED.into()));
    s.listen(1, &identity(1)).unwrap();
    s.shutdown(Shutdown::from_how(0).unwrap());
    assert_eq!(connect(&d, &s, 4).1, Err(Errno::ECONNREFUSED.into()));
    assert_eq!(s.accept().map(drop), Err(Errno::EINVAL.into()));
    let dgram = socket(&d, Dgram, 6);
    assert_eq!(dgram.accept().map(drop), Err(Errno::EOPNOTSUPP.into()));
    assert_eq!(dgram.listen(1, &identity(1)), Err(Errno::EOPNOTSUPP));
    assert_eq!(dgram.connect(&s, &identity(1), 7), Err(Errno::EPROTOTYPE.into()));
}

#[test]
fn closing_a_listener_resets_who_waits() {
    let d = domain();
    let l = listener(&d, b"gone", 5);
    let (c, r) = connect(&d, &l, 10);
    r.unwrap();
    l.close();
    assert_eq!(recv(&c, 1), Err(Errno::ECONNRESET.into()));
    assert_eq!(recv(&c, 1).unwrap(), b"");
    assert_eq!(connect(&d, &l, 20).1, Err(Errno::ECONNREFUSED.into()));
    // The name is free again.
    listener(&d, b"gone", 1);
}

#[test]
fn names() {
    let d = domain();
    let (s, t) = (socket(&d, Stream, 1), socket(&d, Stream, 2));
    s.bind(&abstract_name(b"x")).unwrap();
    assert_eq!(s.bind(&abstract_name(b"y")), Err(Errno::EINVAL));
    assert_eq!(t.bind(&abstract_name(b"x")), Err(Errno::EADDRINUSE));
    // Types have names of their own.
    socket(&d, Dgram, 3).bind(&abstract_name(b"x")).unwrap();
    t.bind(&UnixAddr::Unnamed).unwrap();
    assert_eq!(t.local_addr(), abstract_name(b"00000"));
    assert_eq!(t.bind(&UnixAddr::Unnamed), Ok(()));
    assert_eq!(t.bind_node(b"/p", NodeId { dev: 1, ino: 1 }, Arc::new(())), Err(Errno::EINVAL));
}

#[test]
fn inodes() {
    let d = domain();
    let node = NodeId { dev: 1, ino: 5 };
    let s = socket(&d, Stream, 1);
    let pinned: Pinned = Arc::new(());
    s.bind_node(b"/tmp/s", node, pinned.clone()).unwrap();
    assert_eq!(s.local_addr(), UnixAddr::Path(b"/tmp/s".to_vec()));
    assert!(Arc::ptr_eq(&d.find_node(Stream, node).unwrap(), &s));
    assert_eq!(d.find_node(Dgram, node).map(drop), Err(Errno::EPROTOTYPE));
    assert_eq!(Arc::strong_count(&pinned), 2);
    s.close();
    assert_eq!(Arc::strong_count(&pinned), 1);
    assert_eq!(d.find_node(Stream, node).map(drop), Err(Errno::ECONNREFUSED));
}

#[test]
fn a_connection_that_shows_credentials_has_a_name() {
    let d = domain();
    let l = listener(&d, b"n", 1);
    let c = socket(&d, Stream, 5);
    c.set_option(SO_PASSCRED, &1i32.to_ne_bytes(), false).unwrap();
    c.connect(&l, &identity(1), 6).unwrap();
    assert_eq!(c.local_addr(), abstract_name(b"00000"));
}

#[test]
fn the_list_of_sockets() {
    let d = domain();
    let l = listener(&d, b"n", 1);
    let [a, _b] = UnixSocket::pair(&d, Seqpacket, 0, [7, 8], &identity(1)).unwrap();
    a.close();
    let list = d.list();
    assert_eq!(list.iter().map(|s| s.ino).collect::<Vec<_>>(), [8, 100]);
    assert!(list[0].connected && list[1].listening && list[1].addr == l.local_addr());
    drop(socket(&d, Stream, 50));
    assert_eq!(d.list().len(), 2);
}
