//! Interest lists over eventfds, pipes and each other.

use std::sync::Arc;

use kcore::io::{SliceSource, VecSink};
use kcore::wait::Events;
use vfs::anon::epoll::{EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT};
use vfs::anon::{Epoll, EpollEvent, EventFd, Pipe};
use vfs::{Errno, OpenFile};

const IN: u32 = 1;
const OUT: u32 = 4;

fn ev(events: u32, data: u64) -> EpollEvent {
    EpollEvent { events, data }
}
fn collect(e: &Epoll) -> Vec<(u32, u64)> {
    let mut out = Vec::new();
    e.collect(100, |e| out.push((e.events, e.data)));
    out
}
fn event() -> (Arc<EventFd>, Arc<OpenFile>) {
    let e = EventFd::new(0, false);
    (e.clone(), OpenFile::new(e, 2, None))
}
fn drain(f: &OpenFile) {
    f.read(&mut VecSink::new(8)).unwrap();
}

#[test]
fn level() {
    let ep = Epoll::new();
    let (e, f) = event();
    ep.add(3, &f, ev(IN, 7)).unwrap();
    assert_eq!(ep.add(3, &f, ev(IN, 7)), Err(Errno::EEXIST));
    ep.add(4, &f, ev(OUT, 8)).unwrap();
    assert_eq!(collect(&ep), [(OUT, 8)]);
    e.signal(1);
    let mut both = collect(&ep);
    both.sort_unstable();
    assert_eq!(both, [(IN, 7), (OUT, 8)]);
    assert_eq!(collect(&ep).len(), 2);
    drain(&f);
    assert_eq!(collect(&ep), [(OUT, 8)]);
    ep.modify(4, &f, ev(IN, 9)).unwrap();
    assert_eq!(collect(&ep), []);
    ep.delete(4, &f).unwrap();
    assert_eq!(ep.delete(4, &f), Err(Errno::ENOENT));
}

#[test]
fn edge() {
    let ep = Epoll::new();
    let (r, w) = Pipe::pair(0, None);
    ep.add(3, &r, ev(IN | EPOLLET, 1)).unwrap();
    let write = || w.write(&mut SliceSource::new(b"abc")).unwrap();
    write();
    assert_eq!(collect(&ep), [(IN, 1)]);
    assert_eq!(collect(&ep), []);
    write();
    assert_eq!(collect(&ep), [(IN, 1)]);
    r.read(&mut VecSink::new(1)).unwrap();
    assert_eq!(collect(&ep), []);
    drop(w);
    assert_eq!(collect(&ep), [(IN | Events::HUP.bits(), 1)]);
}

#[test]
fn one_shot() {
    let ep = Epoll::new();
    let (e, f) = event();
    ep.add(3, &f, ev(IN | EPOLLONESHOT, 1)).unwrap();
    e.signal(1);
    assert_eq!(collect(&ep), [(IN, 1)]);
    e.signal(1);
    assert_eq!(collect(&ep), []);
    ep.modify(3, &f, ev(IN | EPOLLONESHOT, 2)).unwrap();
    assert_eq!(collect(&ep), [(IN, 2)]);
    assert_eq!(collect(&ep), []);
}

#[test]
fn nested() {
    let (outer, inner) = (Epoll::new(), Epoll::new());
    let inner_file = OpenFile::new(inner.clone(), 2, None);
    let outer_file = OpenFile::new(outer.clone(), 2, None);
    let (e, f) = event();
    inner.add(3, &f, ev(IN, 1)).unwrap();
    outer.add(4, &inner_file, ev(IN, 2)).unwrap();
    assert_eq!(inner.add(5, &outer_file, ev(IN, 3)), Err(Errno::ELOOP));
    assert_eq!(inner.add(5, &inner_file, ev(IN, 3)), Err(Errno::EINVAL));
    assert_eq!(collect(&outer), []);
    e.signal(1);
    assert_eq!(collect(&outer), [(IN, 2)]);
    assert_eq!(collect(&inner), [(IN, 1)]);
    drain(&f);
    assert_eq!(collect(&outer), []);
    e.signal(1);
    assert_eq!(collect(&outer), [(IN, 2)]);
}

#[test]
fn chains_end_at_five() {
    let eps: Vec<_> = (0..6).map(|_| Epoll::new()).collect();
    let files: Vec<_> = eps.iter().map(|e| OpenFile::new(e.clone(), 2, None)).collect();
    for i in 0..4 {
        eps[i].add(1, &files[i + 1], ev(IN, 0)).unwrap();
    }
    assert_eq!(eps[4].add(1, &files[5], ev(IN, 0)), Err(Errno::ELOOP));
    assert_eq!(eps[5].add(1, &files[0], ev(IN, 0)), Err(Errno::ELOOP));
    assert_eq!(eps[5].add(1, &files[1], ev(IN, 0)), Ok(()));
}

#[test]
fn closed_files_drop_out() {
    let ep = Epoll::new();
    let (e, f) = event();
    ep.add(3, &f, ev(IN, 1)).unwrap();
    e.signal(1);
    drop(f);
    assert_eq!(collect(&ep), []);
    assert!(ep.is_empty());
    let (_e, f) = event();
    ep.add(3, &f, ev(IN, 1)).unwrap();
    drop(f);
    ep.prune();
    assert!(ep.is_empty());
}

#[test]
fn exclusive_flags() {
    let ep = Epoll::new();
    let (_e, f) = event();
    assert_eq!(ep.add(3, &f, ev(IN | EPOLLEXCLUSIVE | EPOLLONESHOT, 1)), Err(Errno::EINVAL));
    ep.add(3, &f, ev(IN | EPOLLEXCLUSIVE, 1)).unwrap();
    assert_eq!(ep.modify(3, &f, ev(IN, 1)), Err(Errno::EINVAL));
    let inner = OpenFile::new(Epoll::new(), 2, None);
    assert_eq!(ep.add(4, &inner, ev(IN | EPOLLEXCLUSIVE, 1)), Err(Errno::EINVAL));
}
