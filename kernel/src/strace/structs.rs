//! Structures of the common calls.

use alloc::string::String;
use core::fmt::Write;

use abi::fs::fcntl::{Flock, Iovec, LOCK_TYPES};
use abi::fs::open::{OPEN_FLAGS, OpenHow, RESOLVE_FLAGS, SEEK};
use abi::fs::poll::{EPOLL_EVENTS, EpollEvent, POLL_EVENTS, Pollfd};
use abi::fs::stat::{FILE_TYPES, Stat, Statx};
use abi::signal::info::SigAction;
use abi::signal::number::SA_FLAGS;
use abi::task::clone::{CLONE_FLAGS, CloneArgs};
use abi::task::limits::Rlimit;

use super::show::{self, list, push};
use super::values::{Values, address};

/// `st_mode`: the type by name, the permissions in octal.
pub(super) fn mode(mode: u32, out: &mut String) {
    const TYPE: u32 = 0o170_000;
    if mode & TYPE != 0 {
        push(out, FILE_TYPES.show((mode & TYPE).into()));
        out.push('|');
    }
    push(out, format_args!("{:#05o}", Octal(mode & !TYPE)));
}

/// C's `%#03o`: a leading zero rather than Rust's `0o`.
struct Octal(u32);

impl core::fmt::Octal for Octal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "0{:o}", self.0)
    }
}

/// Flags of `open(2)`, the access mode among them.
pub(super) fn open_flags(flags: u64, out: &mut String) {
    const ACCESS_MODE: u64 = 3;
    match flags & ACCESS_MODE {
        3 => out.push_str("O_ACCMODE"),
        access => push(out, OPEN_FLAGS.show(access)),
    }
    if flags & !ACCESS_MODE != 0 {
        out.push('|');
        push(out, OPEN_FLAGS.flags(flags & !ACCESS_MODE));
    }
}

pub(super) fn open_how(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |h: &OpenHow, out| {
        out.push_str("{flags=");
        open_flags(h.flags, out);
        push(out, format_args!(", mode=0{:o}, resolve={}}}", h.mode, RESOLVE_FLAGS.flags(h.resolve)));
    });
}

pub(super) fn stat(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |s: &Stat, out| {
        out.push_str("{st_mode=");
        mode(s.st_mode, out);
        push(out, format_args!(", st_size={}, ...}}", s.st_size));
    });
}

pub(super) fn statx(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |s: &Statx, out| {
        push(out, format_args!("{{stx_mask={:#x}, stx_mode=", s.stx_mask));
        mode(s.stx_mode.into(), out);
        push(out, format_args!(", stx_size={}, ...}}", s.stx_size));
    });
}

pub(super) fn sigaction(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |a: &SigAction, out| {
        out.push_str("{sa_handler=");
        match a.sa_handler {
            0 => out.push_str("SIG_DFL"),
            1 => out.push_str("SIG_IGN"),
            at => address(at, out),
        }
        out.push_str(", sa_mask=");
        show::signals(a.sa_mask, out);
        push(out, format_args!(", sa_flags={}", SA_FLAGS.flags(a.sa_flags)));
        if a.sa_restorer != 0 {
            push(out, format_args!(", sa_restorer={:#x}", a.sa_restorer));
        }
        out.push('}');
    });
}

pub(super) fn sigset(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |set: &u64, out| show::signals(*set, out));
}

pub(super) fn rlimit(v: &Values<'_>, at: u64, out: &mut String) {
    let limit = |n: u64, out: &mut String| match n {
        u64::MAX => out.push_str("RLIM64_INFINITY"),
        n if n > 0 && n.is_multiple_of(1024) => push(out, format_args!("{}*1024", n / 1024)),
        n => push(out, n),
    };
    v.structure(at, out, |l: &Rlimit, out| {
        out.push_str("{rlim_cur=");
        limit(l.rlim_cur, out);
        out.push_str(", rlim_max=");
        limit(l.rlim_max, out);
        out.push('}');
    });
}

/// Buffers, of which `len` bytes count.
pub(super) fn iovecs(v: &Values<'_>, at: u64, count: u64, len: u64, out: &mut String) {
    let mut left = len;
    list(count, out, |i, out| {
        let Some(iov) = v.read::<Iovec>(at.wrapping_add(i * size_of::<Iovec>() as u64)) else { return false };
        let used = iov.iov_len.min(left);
        left -= used;
        out.push_str("{iov_base=");
        show::buffer(v, iov.iov_base, used, out);
        push(out, format_args!(", iov_len={}}}", iov.iov_len));
        true
    });
}

/// What is polled for, or with `ready` what was found.
pub(super) fn pollfds(v: &Values<'_>, at: u64, count: u64, ready: bool, out: &mut String) {
    let element = |i: u64| v.read::<Pollfd>(at.wrapping_add(i * size_of::<Pollfd>() as u64));
    if !ready {
        return list(count, out, |i, out| {
            let Some(p) = element(i) else { return false };
            push(out, format_args!("{{fd={}, events={}}}", p.fd, POLL_EVENTS.flags(p.events.into())));
            true
        });
    }
    out.push('[');
    let mut gap = "";
    for p in (0..count.min(show::SHOWN_ELEMENTS)).filter_map(element).filter(|p| p.revents != 0) {
        push(out, format_args!("{gap}{{fd={}, revents={}}}", p.fd, POLL_EVENTS.flags(p.revents.into())));
        gap = ", ";
    }
    out.push(']');
}

fn epoll_event(e: &EpollEvent, out: &mut String) {
    let (events, data) = (e.events, e.data);
    push(out, format_args!("{{events={}, data={data:#x}}}", EPOLL_EVENTS.flags(events.into())));
}

pub(super) fn one_epoll_event(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, epoll_event);
}

pub(super) fn epoll_events(v: &Values<'_>, at: u64, count: u64, out: &mut String) {
    list(count, out, |i, out| {
        let event = v.read::<EpollEvent>(at.wrapping_add(i * size_of::<EpollEvent>() as u64));
        event.map(|e| epoll_event(&e, out)).is_some()
    });
}

/// Two descriptors.
pub(super) fn pair(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |p: &[i32; 2], out| push(out, format_args!("[{}, {}]", p[0], p[1])));
}

/// The sets of `select(2)`: descriptors below `count`.
pub(super) fn fd_set(v: &Values<'_>, at: u64, count: u64, out: &mut String) {
    const MOST: u64 = 1024;
    if at == 0 {
        return address(at, out);
    }
    let bytes = v.bytes(at, count.min(MOST).div_ceil(8), 128);
    out.push('[');
    let mut gap = "";
    for (i, byte) in bytes.iter().enumerate() {
        for bit in (0..8).filter(|bit| byte >> bit & 1 != 0) {
            push(out, format_args!("{gap}{}", i * 8 + bit));
            gap = " ";
        }
    }
    out.push(']');
}

/// The status word of `wait4(2)`.
pub(super) fn wait_status(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |status: &i32, out| {
        let (low, high) = (status & 0x7f, status >> 8 & 0xff);
        let mut name = String::new();
        show::signal(if low == 0x7f { high & 0x7f } else { low }, &mut name);
        let core = if status & 0x80 != 0 { " && WCOREDUMP(s)" } else { "" };
        // Writing to a string cannot fail.
        let _ = match low {
            0 => write!(out, "[{{WIFEXITED(s) && WEXITSTATUS(s) == {high}}}]"),
            0x7f if *status == 0xffff => write!(out, "[{{WIFCONTINUED(s)}}]"),
            0x7f if status >> 16 != 0 => {
                write!(out, "[{{WIFSTOPPED(s) && WSTOPSIG(s) == {name}}} | {} << 16]", status >> 16)
            }
            0x7f => write!(out, "[{{WIFSTOPPED(s) && WSTOPSIG(s) == {name}}}]"),
            _ => write!(out, "[{{WIFSIGNALED(s) && WTERMSIG(s) == {name}{core}}}]"),
        };
    });
}

/// Strings of `execve(2)`: all of them, or how many.
pub(super) fn strings(v: &Values<'_>, at: u64, count_only: bool, out: &mut String) {
    const MOST: u64 = 32;
    const COUNTED: u64 = 4096;
    let pointer = |i: u64| v.read::<u64>(at.wrapping_add(i * 8)).filter(|p| *p != 0);
    if at == 0 {
        return address(at, out);
    }
    let count = (0..COUNTED).take_while(|i| pointer(*i).is_some()).count() as u64;
    if count_only {
        let plural = if count == 1 { "" } else { "s" };
        return push(out, format_args!("{at:#x} /* {count} var{plural} */"));
    }
    list(count.min(MOST), out, |i, out| pointer(i).map(|p| show::path(v, p, out)).is_some());
}

/// Flags of `clone(2)` with the signal in their low byte.
pub(super) fn clone_flags(flags: u64, out: &mut String) {
    const SIGNAL: u64 = 0xff;
    let (bits, signal) = (flags & 0xffff_ff00, flags & SIGNAL);
    if bits != 0 || signal == 0 {
        push(out, CLONE_FLAGS.flags(bits));
    }
    if signal != 0 {
        out.push_str(if bits != 0 { "|" } else { "" });
        show::signal(i32::try_from(signal).unwrap_or(0), out);
    }
}

pub(super) fn clone_args(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |a: &CloneArgs, out| {
        push(out, format_args!("{{flags={}, exit_signal=", CLONE_FLAGS.flags(a.flags)));
        show::signal(i32::try_from(a.exit_signal).unwrap_or(0), out);
        push(out, format_args!(", stack={:#x}, stack_size={:#x}", a.stack, a.stack_size));
        if a.tls != 0 {
            push(out, format_args!(", tls={:#x}", a.tls));
        }
        out.push('}');
    });
}

pub(super) fn flock(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |l: &Flock, out| {
        let kind = LOCK_TYPES.show(i64::from(l.l_type).cast_unsigned());
        let whence = SEEK.show(i64::from(l.l_whence).cast_unsigned());
        push(
            out,
            format_args!("{{l_type={kind}, l_whence={whence}, l_start={}, l_len={}}}", l.l_start, l.l_len),
        );
    });
}
