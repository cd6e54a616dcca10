//! Passing of files.

use alloc::boxed::Box;
use alloc::sync::Weak;
use core::any::Any;

use kcore::io::IoError;
use kcore::wait::Events;

use super::*;
use crate::SocketKind::*;

/// An open file that closes its socket at the end.
struct File(Option<Arc<UnixSocket>>);

impl Drop for File {
    fn drop(&mut self) {
        if let Some(s) = &self.0 {
            s.close();
        }
    }
}

struct Passed(Arc<File>);
struct Counter(Weak<File>);

impl References for Counter {
    fn count(&self) -> usize {
        self.0.strong_count()
    }
}

impl PassedFile for Passed {
    fn duplicate(&self) -> Box<dyn PassedFile> {
        Box::new(Passed(self.0.clone()))
    }
    fn socket(&self) -> Option<Arc<UnixSocket>> {
        self.0.0.clone()
    }
    fn references(&self) -> Box<dyn References> {
        Box::new(Counter(Arc::downgrade(&self.0)))
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        Box::new(self.0)
    }
}

fn files(d: &Arc<UnixDomain>, inos: [u64; 2]) -> [Arc<File>; 2] {
    UnixSocket::pair(d, Stream, 0, inos, &identity(1)).unwrap().map(|s| Arc::new(File(Some(s))))
}

fn pass(by: &File, bytes: &[u8], what: &[&Arc<File>], limit: Option<usize>) -> IoResult<usize> {
    let mut source = kcore::io::SliceSource::new(bytes);
    let files = what.iter().map(|f| Box::new(Passed((*f).clone())) as Box<dyn PassedFile>).collect();
    let by_whom = identity(1);
    let mut msg = Outgoing { files, files_limit: limit, ..Outgoing::new(&mut source, &by_whom) };
    by.0.as_ref().unwrap().send(&mut msg)
}

fn receive(f: &File, n: usize, flags: MsgFlags) -> (Vec<u8>, Vec<Arc<File>>) {
    let (bytes, got) = recv_with(f.0.as_ref().unwrap(), n, NOW | flags).unwrap();
    (bytes, got.files.into_iter().map(|f| *f.into_any().downcast().unwrap()).collect())
}

#[test]
fn files_come_with_the_first_byte_and_end_a_read() {
    let d = domain();
    let [a, b] = files(&d, [1, 2]);
    let plain = Arc::new(File(None));
    pass(&a, b"aa", &[], None).unwrap();
    pass(&a, b"bbbb", &[&plain], None).unwrap();
    pass(&a, b"cc", &[], None).unwrap();
    assert_eq!(d.transit().count(Uid(1000)), 1);
    let (bytes, got) = receive(&b, 100, MsgFlags::PEEK);
    assert_eq!((&bytes[..], got.len()), (&b"aabbbb"[..], 1));
    let (bytes, got) = receive(&b, 3, MsgFlags::empty());
    assert_eq!((&bytes[..], got.len()), (&b"aab"[..], 1));
    assert!(Arc::ptr_eq(&got[0], &plain));
    assert_eq!(d.transit().count(Uid(1000)), 0);
    let (bytes, got) = receive(&b, 100, MsgFlags::empty());
    assert_eq!((&bytes[..], got.len()), (&b"bbbcc"[..], 0));
}

#[test]
fn what_is_not_received_is_closed() {
    let d = domain();
    let [a, b] = files(&d, [1, 2]);
    let [c, e] = files(&d, [3, 4]);
    pass(&a, b"x", &[&c], None).unwrap();
    drop(c);
    assert_eq!(recv(e.0.as_ref().unwrap(), 1), Err(IoError::Again));
    drop(b);
    assert_eq!(recv(e.0.as_ref().unwrap(), 1).unwrap(), b"");
}

#[test]
fn a_user_may_have_so_many_in_flight() {
    let d = domain();
    let [a, _b] = files(&d, [1, 2]);
    let plain = Arc::new(File(None));
    for _ in 0..3 {
        pass(&a, b"x", &[&plain], Some(2)).unwrap();
    }
    assert_eq!(pass(&a, b"x", &[&plain], Some(2)), Err(Errno::ETOOMANYREFS.into()));
    assert_eq!(pass(&a, b"x", &[&plain], None), Ok(1));
}

#[test]
fn circles_are_found() {
    let d = domain();
    let [a, b] = files(&d, [1, 2]);
    let [c, e] = files(&d, [3, 4]);
    // a's inbox holds c, c's inbox holds a.
    pass(&b, b"x", &[&c], None).unwrap();
    pass(&e, b"x", &[&a], None).unwrap();
    drop((a, c));
    assert_eq!(d.transit().count(Uid(1000)), 2);
    let [f, g] = files(&d, [5, 6]);
    drop(f);
    assert_eq!(d.transit().count(Uid(1000)), 0);
    // Both were closed: their peers see it.
    assert!(b.0.as_ref().unwrap().ready(Events::HUP).contains(Events::HUP));
    drop((b, e, g));
    assert!(d.list().is_empty());
}

#[test]
fn what_can_still_be_received_stays() {
    let d = domain();
    let [a, b] = files(&d, [1, 2]);
    let [c, e] = files(&d, [3, 4]);
    // c is in its own inbox, and in b's, which is open.
    pass(&e, b"x", &[&c], None).unwrap();
    pass(&a, b"y", &[&c], None).unwrap();
    drop(c);
    drop(files(&d, [5, 6]));
    let (_, got) = receive(&b, 1, MsgFlags::empty());
    assert_eq!(receive(&got[0], 1, MsgFlags::empty()).0, b"x");
}

#[test]
fn connections_that_nobody_accepted_hold_files_too() {
    let d = domain();
    let l = Arc::new(File(Some(listener(&d, b"n", 5))));
    let client = Arc::new(File(Some(socket(&d, Stream, 10))));
    client.0.as_ref().unwrap().connect(l.0.as_ref().unwrap(), &identity(1), 11).unwrap();
    pass(&client, b"x", &[&l], None).unwrap();
    drop(l);
    drop(files(&d, [20, 21]));
    assert_eq!(d.transit().count(Uid(1000)), 0);
    assert_eq!(recv(client.0.as_ref().unwrap(), 1), Err(Errno::ECONNRESET.into()));
}

#[test]
fn a_long_chain_needs_little_stack() {
    let d = domain();
    let [mut a, mut b] = files(&d, [1, 2]);
    for i in 1..5_000 {
        let [c, e] = files(&d, [2 * i + 1, 2 * i + 2]);
        pass(&c, b"x", &[&a, &b], None).unwrap();
        [a, b] = [c, e];
    }
    drop((a, b));
    assert!(d.list().is_empty());
}
