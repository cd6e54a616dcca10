//! Datagrams.

use super::*;
use crate::{Shutdown, SocketKind::*};
use kcore::io::IoError;
use kcore::wait::Events;

/// A receiver with a name, and a sender that is connected to it.
fn receiver() -> (Arc<UnixDomain>, Arc<UnixSocket>, Arc<UnixSocket>) {
    let d = domain();
    let (r, s) = (socket(&d, Dgram, 1), socket(&d, Dgram, 2));
    r.bind(&abstract_name(b"r")).unwrap();
    s.connect(&r, &identity(1), 0).unwrap();
    (d, r, s)
}

#[test]
fn a_full_receiver_stops_senders() {
    let (_d, r, s) = receiver();
    for _ in 0..11 {
        assert_eq!(send(&s, b"x"), Ok(1));
    }
    // A sender that finds it full does not wake itself.
    let woken = Arc::new(Count::default());
    let registration = s.queue().register(Events::WRITABLE, &woken.clone().into());
    assert_eq!(send(&s, b"x"), Err(IoError::Again));
    assert_eq!(woken.count(), 0);
    drop(registration);
    assert!(!s.ready(Events::all()).contains(Events::OUT));
    assert_eq!(r.unread(), Ok(1));
    assert_eq!(recv(&r, 9).unwrap(), b"x");
    assert!(s.ready(Events::all()).contains(Events::OUT));
    // Two that are each other's peer have no such limit.
    let [a, _b] = pair(Dgram);
    for _ in 0..100 {
        send(&a, b"x").unwrap();
    }
}

#[test]
fn to_a_name_or_to_the_peer() {
    let (d, r, s) = receiver();
    assert_eq!(send(&r, b"x"), Err(Errno::ENOTCONN.into()));
    send_to(&r, &r, b"to myself").unwrap();
    let (bytes, got) = recv_with(&r, 20, NOW).unwrap();
    assert_eq!((&bytes[..], got.from), (&b"to myself"[..], Some(abstract_name(b"r"))));
    send(&s, b"nameless").unwrap();
    assert_eq!(recv_with(&r, 20, NOW).unwrap().1.from, None);
    // A receiver with a peer takes from that one only.
    let other = socket(&d, Dgram, 3);
    other.bind(&abstract_name(b"other")).unwrap();
    r.connect(&other, &identity(1), 0).unwrap();
    assert_eq!(send(&s, b"x"), Err(Errno::EPERM.into()));
    assert_eq!(socket(&d, Dgram, 4).connect(&r, &identity(1), 0), Err(Errno::EPERM.into()));
    r.set_peer(None).unwrap();
    assert_eq!(send(&s, b"x"), Ok(1));
}

#[test]
fn a_receiver_that_is_gone() {
    let (_d, r, s) = receiver();
    r.close();
    assert!(s.ready(Events::all()).contains(Events::OUT));
    assert_eq!(send(&s, b"x"), Err(Errno::ECONNREFUSED.into()));
    assert_eq!(send(&s, b"x"), Err(Errno::ENOTCONN.into()));
    assert_eq!(send_to(&s, &r, b"x"), Err(Errno::ECONNREFUSED.into()));
    assert_eq!(recv(&s, 1), Err(IoError::Again));
    // A pair that is left alone is told when it looks for another peer.
    let [a, b] = pair(Seqpacket);
    b.close();
    assert_eq!(send(&a, b"x"), Err(Errno::EPIPE.into()));
    assert_eq!(recv(&a, 1).unwrap(), b"");
}

#[test]
fn shut_for_reading() {
    let (_d, r, s) = receiver();
    send(&s, b"x").unwrap();
    r.shutdown(Shutdown::from_how(0).unwrap());
    assert_eq!(send(&s, b"x"), Err(Errno::EPIPE.into()));
    assert_eq!(recv(&r, 1).unwrap(), b"x");
    assert_eq!(recv(&r, 1), Err(IoError::Again));
    assert_eq!(recv_with(&r, 1, MsgFlags::empty()).unwrap().1.stored, 0);
}

#[test]
fn another_peer_forgets_what_the_first_sent() {
    let d = domain();
    let [a, b] = UnixSocket::pair(&d, Dgram, 0, [1, 2], &identity(1)).unwrap();
    send(&b, b"lost").unwrap();
    let c = socket(&d, Dgram, 3);
    a.connect(&c, &identity(1), 0).unwrap();
    assert_eq!(recv(&a, 9), Err(IoError::Again));
    assert_eq!(recv(&b, 9), Err(Errno::ECONNRESET.into()));
}
