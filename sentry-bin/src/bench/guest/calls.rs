//! Single system calls.

use std::fs::{File, OpenOptions};
use std::io;

use rustix::event::{EventfdFlags, epoll, eventfd};

use super::{Benchmark, Op, Places, call, each, expect, sys, time};

pub(super) const ALL: &[Benchmark] = &[
    time("getppid", |_| call(sys::getppid)),
    time("getppid by syscall()", |_| call(sys::getppid_by_syscall)),
    time("getppid inline", |_| call(sys::getppid_inline)),
    time("getpgrp", |_| call(sys::getpgrp)),
    time("gettimeofday", |_| call(sys::gettimeofday)),
    time("read /dev/zero", read_zero),
    time("write /dev/null", write_null),
    time("epoll_wait ready", epoll_ready),
    time("signal to self", signal),
];

fn read_zero(_: &Places) -> io::Result<Op> {
    let file = File::open("/dev/zero")?;
    each(move || expect(sys::read(&file, &mut [0; 1])? == 1, "a short read"))
}

fn write_null(_: &Places) -> io::Result<Op> {
    let file = OpenOptions::new().write(true).open("/dev/null")?;
    each(move || expect(sys::write(&file, &[0])? == 1, "a short write"))
}

fn epoll_ready(_: &Places) -> io::Result<Op> {
    let event = eventfd(1, EventfdFlags::CLOEXEC)?;
    let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&set, &event, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    each(move || {
        // The set does not own the descriptor.
        let _ = &event;
        expect(sys::epoll_wait(&set)? == 1, "no event")
    })
}

fn signal(_: &Places) -> io::Result<Op> {
    sys::catch_signals();
    let mut sent = 0;
    each(move || {
        sent += 1;
        expect(sys::raise() == sent, "a signal is lost")
    })
}
