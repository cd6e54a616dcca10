//! Messages within a process, and to and fro between two that wait for each other.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::pipe::pipe;

use super::{Benchmark, Op, Places, each, expect, sys, time};

pub(super) const ALL: &[Benchmark] = &[
    time("pipe write+read", pipe_alone),
    time("pipe ping-pong", pipe_ping_pong),
    time("socketpair ping-pong", socket_ping_pong),
    time("futex ping-pong", futex_ping_pong),
    time("eventfd ping-pong", |_| event_ping_pong(false)),
    time("eventfd+epoll ping-pong", |_| event_ping_pong(true)),
];

fn pipe_alone(_: &Places) -> io::Result<Op> {
    let (r, w) = pipe()?;
    each(move || {
        sys::write(&w, &[1])?;
        expect(sys::read(&r, &mut [0])? == 1, "a short read")
    })
}

/// A child that sends back what it gets; a reading and a writing end for each side.
fn with_child(mine: (OwnedFd, OwnedFd), theirs: (OwnedFd, OwnedFd)) -> io::Result<Op> {
    sys::fork(|| {
        // It sees the end of its parent only if it does not hold the parent's ends itself.
        sys::close_copy(&mine.0);
        sys::close_copy(&mine.1);
        let mut byte = [0];
        while sys::read(&theirs.0, &mut byte).is_ok_and(|n| n == 1) && sys::write(&theirs.1, &byte).is_ok() {}
    })?;
    drop(theirs);
    let (r, w) = mine;
    each(move || {
        sys::write(&w, &[1])?;
        expect(sys::read(&r, &mut [0])? == 1, "the partner is gone")
    })
}

fn pipe_ping_pong(_: &Places) -> io::Result<Op> {
    let ((r1, w1), (r2, w2)) = (pipe()?, pipe()?);
    with_child((r1, w2), (r2, w1))
}

fn socket_ping_pong(_: &Places) -> io::Result<Op> {
    let (a, b) = UnixStream::pair()?;
    let both = |s: UnixStream| io::Result::Ok((OwnedFd::from(s.try_clone()?), OwnedFd::from(s)));
    with_child(both(a)?, both(b)?)
}

/// Adds one to the word and waits until the partner has, too.
fn futex_turn(word: &AtomicU32) {
    let mine = word.fetch_add(1, Ordering::SeqCst) + 1;
    sys::futex_wake(word);
    while word.load(Ordering::SeqCst) == mine {
        sys::futex_wait(word, mine);
    }
}

fn futex_ping_pong(_: &Places) -> io::Result<Op> {
    let word = Arc::new(AtomicU32::new(0));
    let partner = word.clone();
    std::thread::spawn(move || {
        // Its turns are the odd numbers.
        while partner.load(Ordering::SeqCst) == 0 {
            sys::futex_wait(&partner, 0);
        }
        loop {
            futex_turn(&partner);
        }
    });
    each(move || {
        futex_turn(&word);
        Ok(())
    })
}

/// Takes what an event counter has, waiting for it in an epoll set if there is one.
fn take(event: &OwnedFd, set: Option<&OwnedFd>) -> io::Result<()> {
    if let Some(set) = set {
        sys::epoll_wait(set)?;
    }
    expect(sys::read(event, &mut [0; 8])? == 8, "a short read")
}

fn give(event: &OwnedFd) -> io::Result<()> {
    sys::write(event, &1u64.to_ne_bytes()).map(drop)
}

fn set_of(event: &OwnedFd) -> io::Result<OwnedFd> {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&set, event, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    Ok(set)
}

fn event_ping_pong(by_epoll: bool) -> io::Result<Op> {
    let new = || eventfd(0, EventfdFlags::CLOEXEC).map(Arc::new);
    let (there, back) = (new()?, new()?);
    let sets = match by_epoll {
        true => (Some(set_of(&there)?), Some(set_of(&back)?)),
        false => (None, None),
    };
    let (there2, back2) = (there.clone(), back.clone());
    std::thread::spawn(move || while take(&there2, sets.0.as_ref()).and_then(|()| give(&back2)).is_ok() {});
    each(move || {
        give(&there)?;
        take(&back, sets.1.as_ref())
    })
}
