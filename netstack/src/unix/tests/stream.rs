//! Streams and sequenced packets that are connected.

use alloc::vec;

use super::*;
use crate::{Shutdown, SocketKind::*};
use abi::net::socket::{SO_ERROR, SO_PASSCRED, SO_PEEK_OFF, SO_SNDBUF};
use kcore::io::IoError;
use kcore::wait::Events;

const ALL: Events = Events::all();

#[test]
fn bytes_without_boundaries_and_messages_with() {
    let [a, b] = pair(Stream);
    send(&a, b"abc").unwrap();
    send(&a, b"def").unwrap();
    assert_eq!(b.unread(), Ok(6));
    assert_eq!(recv(&b, 4).unwrap(), b"abcd");
    assert_eq!(recv(&b, 10).unwrap(), b"ef");
    assert_eq!(recv(&b, 1), Err(IoError::Again));

    let [a, b] = pair(Seqpacket);
    send(&a, b"abc").unwrap();
    send(&a, b"").unwrap();
    let (bytes, got) = recv_with(&b, 2, NOW).unwrap();
    assert_eq!((&bytes[..], got.stored, got.length), (&b"ab"[..], 2, 3));
    assert_eq!(recv_with(&b, 2, NOW).unwrap().1.length, 0);
    assert_eq!(recv(&b, 1), Err(IoError::Again));
}

#[test]
fn the_end_of_a_stream() {
    let [a, b] = pair(Stream);
    send(&a, b"last").unwrap();
    a.close();
    assert_eq!(
        b.ready(ALL),
        Events::READABLE | Events::RDHUP | Events::HUP | Events::WRITABLE | Events::WRBAND
    );
    assert_eq!(recv(&b, 10).unwrap(), b"last");
    assert_eq!(recv(&b, 10).unwrap(), b"");
    assert_eq!(send(&b, b"x"), Err(Errno::EPIPE.into()));
    assert_eq!(b.peer_addr(), Ok(UnixAddr::Unnamed));
}

#[test]
fn what_was_not_read_resets() {
    let [a, b] = pair(Stream);
    send(&b, b"unread").unwrap();
    a.close();
    assert!(b.ready(ALL).contains(Events::ERR));
    assert_eq!(recv(&b, 1), Err(Errno::ECONNRESET.into()));
    assert_eq!(recv(&b, 1).unwrap(), b"");
    let [a, b] = pair(Stream);
    send(&b, b"unread").unwrap();
    a.close();
    let error = b.get_option(SO_ERROR).unwrap();
    assert_eq!(error.as_bytes(), Errno::ECONNRESET.raw().to_ne_bytes());
    assert_eq!(b.get_option(SO_ERROR).unwrap().as_bytes(), [0; 4]);
}

#[test]
fn shutdown_shows_at_the_other_end() {
    let [a, b] = pair(Stream);
    a.shutdown(Shutdown::from_how(1).unwrap());
    assert_eq!(send(&a, b"x"), Err(Errno::EPIPE.into()));
    assert_eq!(recv(&b, 1).unwrap(), b"");
    let writable = Events::WRITABLE | Events::WRBAND;
    assert_eq!(a.ready(ALL), writable);
    assert_eq!(b.ready(ALL), writable | Events::READABLE | Events::RDHUP);
    b.shutdown(Shutdown::from_how(0).unwrap());
    assert_eq!(send(&a, b"x"), Err(Errno::EPIPE.into()));
    assert_eq!(Shutdown::from_how(3), Err(Errno::EINVAL));
}

#[test]
fn sends_until_the_buffer_is_full() {
    // The counts are those of Linux for these sizes.
    for (size, count, bytes) in
        [(1, 278, 278), (193, 167, 32231), (4096, 44, 180_224), (1_000_000, 1, 219_264)]
    {
        let [a, b] = pair(Stream);
        let (mut calls, mut total) = (0, 0);
        while let Ok(n) = send(&a, &vec![0; size]) {
            calls += 1;
            total += n;
        }
        assert_eq!((calls, total), (count, bytes), "writes of {size}");
        assert_eq!(b.unread(), Ok(bytes));
        assert!(!a.ready(ALL).contains(Events::OUT));
        while recv(&b, 1 << 20).is_ok() {}
        assert_eq!(a.unsent(), 0);
        assert!(a.ready(ALL).contains(Events::OUT));
    }
}

#[test]
fn who_waited_for_room_waits_for_room_to_spare() {
    let [a, b] = pair(Stream);
    while send(&a, &[0; 4096]).is_ok() {}
    let again = |waited| {
        let mut source = SliceSource::new(b"x");
        a.send(&mut Outgoing { waited, ..Outgoing::new(&mut source, &identity(7)) })
    };
    recv(&b, 4096).unwrap();
    // Nobody was woken for that, as there is not much.
    assert_eq!(again(true), Err(IoError::Again));
    assert_eq!(again(false), Ok(1));
    while !a.ready(ALL).contains(Events::OUT) {
        recv(&b, 4096).unwrap();
    }
    assert_eq!(again(true), Ok(1));
}

#[test]
fn the_send_buffer_has_bounds() {
    let [a, _b] = pair(Seqpacket);
    let set =
        |n: u32| a.set_option(SO_SNDBUF, &n.to_ne_bytes(), false).map(|()| a.get_option(SO_SNDBUF).unwrap());
    assert_eq!(set(1).unwrap().as_bytes(), 4608u32.to_ne_bytes());
    assert_eq!(send(&a, &[0; 4577]), Err(Errno::EMSGSIZE.into()));
    assert_eq!(send(&a, &[0; 4576]), Ok(4576));
    assert_eq!(set(10_000).unwrap().as_bytes(), 20_000u32.to_ne_bytes());
    assert_eq!(set(u32::MAX).unwrap().as_bytes(), 425_984u32.to_ne_bytes());
}

#[test]
fn peeking() {
    for kind in [Stream, Seqpacket, Dgram] {
        let [a, b] = pair(kind);
        send(&a, b"abc").unwrap();
        send(&a, b"def").unwrap();
        let peek = |n| recv_with(&b, n, NOW | MsgFlags::PEEK).map(|(bytes, _)| bytes);
        assert_eq!(peek(2).unwrap(), b"ab");
        assert_eq!(peek(2).unwrap(), b"ab");
        b.set_option(SO_PEEK_OFF, &1i32.to_ne_bytes(), false).unwrap();
        assert_eq!(peek(2).unwrap(), b"bc");
        assert_eq!(peek(2).unwrap(), b"de");
        assert_eq!(peek(9).unwrap(), b"f");
        assert_eq!(peek(1), Err(IoError::Again));
        assert_eq!(recv(&b, 2).unwrap(), b"ab");
        let offset = if kind == Stream { 4i32 } else { 3 };
        assert_eq!(b.get_option(SO_PEEK_OFF).unwrap().as_bytes(), offset.to_ne_bytes());
    }
}

#[test]
fn credentials_come_if_they_are_wanted() {
    for kind in [Stream, Seqpacket, Dgram] {
        let [a, b] = pair(kind);
        send(&a, b"before").unwrap();
        b.set_option(SO_PASSCRED, &1i32.to_ne_bytes(), false).unwrap();
        send(&a, b"after").unwrap();
        let (bytes, got) = recv_with(&b, 50, NOW).unwrap();
        // A stream does not join what different processes wrote.
        assert_eq!(bytes, b"before");
        assert!(got.cred == Some(UserCred::unknown()));
        let (bytes, got) = recv_with(&b, 50, NOW).unwrap();
        assert_eq!(bytes, b"after");
        assert_eq!(got.cred.map(|c| (c.pid, c.uid, c.gid)), Some((Pid(7), Uid(1000), Gid(100))));
    }
}

#[test]
fn nothing_before_a_connection() {
    let d = domain();
    let s = socket(&d, Stream, 1);
    assert_eq!(recv(&s, 1), Err(Errno::EINVAL.into()));
    assert_eq!(send(&s, b"x"), Err(Errno::ENOTCONN.into()));
    assert_eq!(send_to(&s, &s, b"x"), Err(Errno::EOPNOTSUPP.into()));
    assert_eq!(s.ready(ALL), Events::HUP | Events::WRITABLE | Events::WRBAND);
    assert_eq!(s.peer_addr(), Err(Errno::ENOTCONN));
    let s = socket(&d, Seqpacket, 2);
    assert_eq!(recv(&s, 1), Err(Errno::ENOTCONN.into()));
    let [a, b] = pair(Stream);
    assert_eq!(send_to(&a, &b, b"x"), Err(Errno::EISCONN.into()));
    assert_eq!(recv_with(&b, 1, NOW | MsgFlags::OOB).map(drop), Err(Errno::EOPNOTSUPP.into()));
    assert_eq!(recv_with(&b, 1, NOW | MsgFlags::ERRQUEUE).map(drop), Err(IoError::Again));
}
