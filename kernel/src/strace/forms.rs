//! How each argument of each call is shown: by what the table says of its type, and by its meaning where that says more.

use alloc::string::String;

use abi::Names;
use abi::fs::fcntl::*;
use abi::fs::ioctl::{FILE_IOCTLS, SOCKET_IOCTLS, TTY_IOCTLS};
use abi::fs::mount::{MOUNT_FLAGS, UMOUNT_FLAGS};
use abi::fs::open::{ACCESS_MODES, AT_FLAGS, FACCESSAT_FLAGS, OPEN_FLAGS, RENAME_FLAGS, SEEK};
use abi::fs::poll::*;
use abi::fs::stat::{STATX_MASK, XATTR_FLAGS};
use abi::mm::*;
use abi::net::socket::*;
use abi::signal::number::SIG_HOW;
use abi::system::GETRANDOM_FLAGS;
use abi::task::clone::{WAIT_IDS, WAIT_OPTIONS};
use abi::task::futex::{FUTEX_FLAGS, FUTEX_OPS};
use abi::task::limits::{PRIORITY_WHO, RLIMITS, RUSAGE_WHO};
use abi::task::prctl::{ARCH_PRCTL, PRCTL};
use abi::task::ptrace::{PTRACE_REQUESTS, PTRACE_REQUESTS_X86_64};
use abi::task::sched::SCHED_POLICIES;
use abi::task::seccomp::{SECCOMP_FILTER_FLAGS, SECCOMP_OPS};
use abi::time::{CLOCKS, ITIMERS, TIMER_FLAGS};

use super::show::{self, push};
use super::socket::{msghdr, sockaddr, sockaddr_result};
use super::structs::*;
use super::time::*;
use super::values::{Values, address};
use crate::syscall::{ArgInfo, Shape, low_int};

/// The command in the operation of `futex(2)`.
const FUTEX_COMMAND: u64 = 0x7f;
const FUTEX_WAKE: u64 = 1;

type Show = fn(&Values<'_>, u64, &mut String);

/// How an argument is shown.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// By its type.
    Plain,
    /// Flags of these families.
    Flags(&'static [Names]),
    /// A value that one of these families names.
    Name(&'static [Names]),
    /// What the register or the memory behind it holds when the call begins.
    In(Show),
    /// What is in the memory behind it after the call's success.
    Out(Show),
    /// Bytes that the call stores, as many as it returns.
    OutBytes,
    /// Bytes, as many as the next argument says.
    InBytes,
}

fn octal(_: &Values<'_>, mode: u64, out: &mut String) {
    if mode == 0 { out.push('0') } else { push(out, format_args!("0{mode:o}")) }
}

fn signal(_: &Values<'_>, n: u64, out: &mut String) {
    show::signal(low_int(n), out);
}

fn hex(_: &Values<'_>, n: u64, out: &mut String) {
    if n == 0 { out.push('0') } else { push(out, format_args!("{n:#x}")) }
}

fn decimal(_: &Values<'_>, n: u64, out: &mut String) {
    push(out, n);
}

/// A user or group; -1 leaves it alone.
fn id(_: &Values<'_>, n: u64, out: &mut String) {
    match low_int(n) {
        -1 => out.push_str("-1"),
        n => push(out, n.cast_unsigned()),
    }
}

fn futex_op(_: &Values<'_>, op: u64, out: &mut String) {
    const PRIVATE: u64 = 0x80;
    push(out, FUTEX_OPS.show(op & FUTEX_COMMAND));
    out.push_str(if op & PRIVATE != 0 { "_PRIVATE" } else { "" });
    if op & !(FUTEX_COMMAND | PRIVATE) != 0 {
        push(out, format_args!("|{}", FUTEX_FLAGS.flags(op & !(FUTEX_COMMAND | PRIVATE))));
    }
}

fn socket_type(_: &Values<'_>, kind: u64, out: &mut String) {
    const TYPE: u64 = 0xf;
    push(out, SOCKET_TYPES.show(kind & TYPE));
    if kind & !TYPE != 0 {
        push(out, format_args!("|{}", SOCKET_FLAGS.flags(kind & !TYPE)));
    }
}

fn fcntl_argument(v: &Values<'_>, arg: u64, out: &mut String) {
    match u32::try_from(v.arg(1)) {
        Ok(F_SETFD) => push(out, FD_FLAGS.flags(arg)),
        Ok(F_SETFL) => open_flags(arg, out),
        Ok(F_SETLK | F_SETLKW | F_GETLK | F_OFD_SETLK | F_OFD_SETLKW | F_OFD_GETLK) => flock(v, arg, out),
        Ok(F_DUPFD | F_DUPFD_CLOEXEC | F_SETPIPE_SZ) => push(out, arg),
        _ => hex(v, arg, out),
    }
}

/// Whether an argument means nothing in this call, as the mode of an `open(2)` that makes no file.
pub(super) fn is_absent(call: &str, name: &str, args: [u64; 6]) -> bool {
    const MAKES: u64 = 0o20_000_100;
    let no_argument = [F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, F_GETPIPE_SZ, F_GET_SEALS];
    let futex = args[1] & FUTEX_COMMAND;
    match (call, name) {
        ("futex", "timeout") => futex == FUTEX_WAKE,
        ("futex", "addr2" | "value3") => futex <= FUTEX_WAKE,
        ("fcntl", "arg") => no_argument.iter().any(|c| u64::from(*c) == args[1]),
        ("open", "mode") => args[1] & MAKES == 0,
        ("openat", "mode") => args[2] & MAKES == 0,
        _ => false,
    }
}

const MAPPING: &[Names] = &[MAP_FLAGS, MAP_FLAGS_X86_64];
const AT: &[Names] = &[AT_FLAGS];

/// The form of an argument.
#[expect(clippy::match_same_arms, reason = "a table: one row for each family of calls")]
pub(super) fn form(call: &str, info: &ArgInfo, args: [u64; 6]) -> Form {
    use Form::*;
    match (call, info.name) {
        ("open" | "openat" | "mq_open", "flags") => In(|_, f, o| open_flags(f & 0xffff_ffff, o)),
        ("pipe2", "flags") | ("dup3", "flags") => Flags(&[OPEN_FLAGS]),
        (_, "mode") if !matches!(call, "access" | "faccessat" | "faccessat2" | "fallocate") => In(octal),
        ("umask", _) => In(octal),
        ("access" | "faccessat" | "faccessat2", "mode") => Flags(&[ACCESS_MODES]),
        ("fallocate", "mode") => Flags(&[FALLOC_FLAGS]),
        ("openat2", "how") => In(open_how),
        ("mmap" | "mprotect" | "pkey_mprotect", "prot") => Flags(&[PROT]),
        ("mmap", "flags") => Flags(MAPPING),
        ("mmap", "offset") => In(hex),
        ("mremap", "flags") => Flags(&[MREMAP_FLAGS]),
        ("msync", "flags") => Flags(&[MSYNC_FLAGS]),
        ("mlockall", "flags") => Flags(&[MLOCKALL_FLAGS]),
        ("madvise", "advice") => Name(&[MADVICE]),
        ("fadvise64", "advice") => Name(&[FADVICE]),
        ("membarrier", "command") => Name(&[MEMBARRIER]),
        (_, "len" | "old_len" | "new_len") if info.kind == "ulong" => In(decimal),
        ("faccessat2", "flags") => Flags(&[FACCESSAT_FLAGS, AT_FLAGS]),
        ("renameat2", "flags") => Flags(&[RENAME_FLAGS]),
        (
            "newfstatat" | "statx" | "unlinkat" | "linkat" | "fchownat" | "fchmodat2" | "utimensat"
            | "execveat",
            "flags",
        ) => Flags(AT),
        (_, "uid" | "gid" | "ruid" | "euid" | "suid" | "rgid" | "egid" | "sgid") if info.kind == "uint" => {
            In(id)
        }
        ("stat" | "fstat" | "lstat" | "newfstatat", "buf") => Out(stat),
        ("statx", "mask") => Flags(&[STATX_MASK]),
        ("statx", "buf") => Out(statx),
        ("setxattr" | "lsetxattr" | "fsetxattr", "flags") => Flags(&[XATTR_FLAGS]),
        ("setxattr" | "lsetxattr" | "fsetxattr", "value") => InBytes,
        ("getxattr" | "lgetxattr" | "fgetxattr", "value" | "buf") => OutBytes,
        ("readlink" | "readlinkat", "buf") => OutBytes,
        ("getcwd", "buf") => Out(show::path),
        ("getrandom", "buf") => OutBytes,
        ("getrandom", "flags") => Flags(&[GETRANDOM_FLAGS]),
        ("getdents" | "getdents64", "buf") => Out(|_, at, o| address(at, o)),
        ("readv" | "preadv" | "preadv2", "iov") => Out(|v, at, o| iovecs(v, at, v.arg(2), v.count(), o)),
        (_, "iov" | "local" | "remote") => In(|v, at, o| iovecs(v, at, v.arg(2), u64::MAX, o)),
        ("preadv2" | "pwritev2", "flags") => Flags(&[RWF_FLAGS]),
        ("lseek", "whence") => Name(&[SEEK]),
        ("splice" | "tee" | "vmsplice", "flags") => Flags(&[SPLICE_FLAGS]),
        ("close_range", "flags") => Flags(&[CLOSE_RANGE_FLAGS]),
        ("memfd_create", "flags") => Flags(&[MEMFD_FLAGS]),
        ("flock", "op") => Flags(&[FLOCK]),
        ("fcntl", "cmd") => Name(&[FCNTL]),
        ("fcntl", "arg") => In(fcntl_argument),
        ("ioctl", "request") => Name(&[FILE_IOCTLS, TTY_IOCTLS, SOCKET_IOCTLS]),
        ("mount", "flags") => Flags(&[MOUNT_FLAGS]),
        ("umount2", "flags") => Flags(&[UMOUNT_FLAGS]),
        ("pipe" | "pipe2" | "socketpair", "fds") => Out(pair),
        ("poll" | "ppoll", "fds") => In(|v, at, o| pollfds(v, at, v.arg(1), false, o)),
        ("select" | "pselect6", "read" | "write" | "except") => In(|v, at, o| fd_set(v, at, v.arg(0), o)),
        ("select", "timeout") => In(timeval),
        ("epoll_create1", "flags") => Flags(&[EPOLL_FLAGS]),
        ("epoll_ctl", "op") => Name(&[EPOLL_OPS]),
        ("epoll_ctl", "event") => In(one_epoll_event),
        ("epoll_wait" | "epoll_pwait" | "epoll_pwait2", "events") => {
            Out(|v, at, o| epoll_events(v, at, v.count(), o))
        }
        ("eventfd2", "flags") => Flags(&[EVENTFD_FLAGS]),
        ("timerfd_create", "flags") => Flags(&[TIMERFD_FLAGS]),
        ("timerfd_settime", "flags") => Flags(&[TIMERFD_SET_FLAGS]),
        ("signalfd4", "flags") => Flags(&[SIGNALFD_FLAGS]),
        ("inotify_init1", "flags") => Flags(&[INOTIFY_FLAGS]),
        ("inotify_add_watch", "mask") => Flags(&[INOTIFY_EVENTS]),
        (_, "sig") => In(signal),
        ("rt_sigaction", "new") => In(sigaction),
        ("rt_sigaction", "old") => Out(sigaction),
        ("rt_sigprocmask", "how") => Name(&[SIG_HOW]),
        ("rt_sigprocmask", "old") | ("rt_sigpending", _) if info.kind == "addr" => Out(sigset),
        ("rt_sigprocmask", "new") => In(sigset),
        (
            "rt_sigsuspend" | "rt_sigtimedwait" | "ppoll" | "epoll_pwait" | "epoll_pwait2" | "signalfd"
            | "signalfd4",
            "mask" | "set",
        ) => In(sigset),
        (_, "timeout")
            if info.kind == "addr" && call != "futex"
                || futex_waits(call, args) && info.name == "timeout" =>
        {
            In(timespec)
        }
        ("nanosleep" | "clock_nanosleep", "req") => In(timespec),
        ("clock_nanosleep" | "timer_settime", "flags") => Flags(&[TIMER_FLAGS]),
        (_, "clock") => Name(&[CLOCKS]),
        ("clock_gettime" | "clock_getres" | "sched_rr_get_interval", "out") => Out(timespec),
        ("gettimeofday", "tv") => Out(timeval),
        ("utimensat", "times") => In(timespecs),
        ("getitimer" | "setitimer", "which") => Name(&[ITIMERS]),
        ("setitimer", "new") => In(itimerval),
        ("setitimer", "old") | ("getitimer", "out") => Out(itimerval),
        ("timer_settime" | "timerfd_settime", "new") => In(itimerspec),
        ("timer_settime" | "timerfd_settime", "old") | ("timer_gettime" | "timerfd_gettime", "out") => {
            Out(itimerspec)
        }
        ("execve" | "execveat", "argv") => In(|v, at, o| strings(v, at, false, o)),
        ("execve" | "execveat", "envp") => In(|v, at, o| strings(v, at, true, o)),
        ("clone", "flags") => In(|_, flags, o| clone_flags(flags, o)),
        ("clone3", "args") => In(clone_args),
        ("wait4", "status") => Out(wait_status),
        ("wait4" | "waitid", "options") => Flags(&[WAIT_OPTIONS]),
        ("waitid", "kind") => Name(&[WAIT_IDS]),
        ("waitid", "info") => Out(super::events::siginfo),
        ("futex", "op") => In(futex_op),
        ("getrlimit" | "setrlimit" | "prlimit64", "resource") => Name(&[RLIMITS]),
        ("setrlimit" | "prlimit64", "new" | "limit") => In(rlimit),
        ("getrlimit", "out") | ("prlimit64", "old") => Out(rlimit),
        ("getrusage", "who") => Name(&[RUSAGE_WHO]),
        ("getpriority" | "setpriority", "which") => Name(&[PRIORITY_WHO]),
        ("sched_setscheduler", "policy") => Name(&[SCHED_POLICIES]),
        ("prctl", "option") => Name(&[PRCTL]),
        ("arch_prctl", "option" | "code" | "op") => Name(&[ARCH_PRCTL]),
        ("ptrace", "request") => Name(&[PTRACE_REQUESTS, PTRACE_REQUESTS_X86_64]),
        ("seccomp", "operation") => Name(&[SECCOMP_OPS]),
        ("seccomp", "flags") => Flags(&[SECCOMP_FILTER_FLAGS]),
        ("socket" | "socketpair", "family") => Name(&[FAMILIES]),
        ("socket" | "socketpair", "kind") => In(socket_type),
        ("socket" | "socketpair", "protocol") if matches!(args[0], 2 | 10) => Name(&[IP_PROTOCOLS]),
        ("accept4", "flags") => Flags(&[SOCKET_FLAGS]),
        ("connect" | "bind", "addr") => In(|v, at, o| sockaddr(v, at, v.arg(2), o)),
        ("accept" | "accept4" | "getsockname" | "getpeername", "addr") => {
            Out(|v, at, o| sockaddr_result(v, at, v.arg(2), o))
        }
        ("sendto", "buf") => InBytes,
        ("sendto", "addr") => In(|v, at, o| sockaddr(v, at, v.arg(5), o)),
        ("recvfrom", "buf") => OutBytes,
        ("recvfrom", "addr") => Out(|v, at, o| sockaddr_result(v, at, v.arg(5), o)),
        ("sendmsg", "msg") => In(|v, at, o| msghdr(v, at, u64::MAX, o)),
        ("recvmsg", "msg") => Out(|v, at, o| msghdr(v, at, v.count(), o)),
        ("sendto" | "recvfrom" | "sendmsg" | "recvmsg" | "sendmmsg" | "recvmmsg", "flags") => {
            Flags(&[MSG_FLAGS])
        }
        ("setsockopt" | "getsockopt", "level") => Name(&[SOCKET_LEVELS]),
        ("setsockopt" | "getsockopt", "name") if args[1] == u64::from(SOL_SOCKET) => Name(&[SOCKET_OPTIONS]),
        ("shutdown", "how") => Name(&[SHUTDOWN]),
        (_, "flags" | "mask") if matches!(info.kind, "uint" | "ulong") => In(hex),
        _ if (info.shape)() == Shape::Stored => OutBytes,
        _ if (info.shape)() == Shape::Loaded => InBytes,
        _ => Plain,
    }
}

/// Whether the `timeout` of `futex(2)` is one.
fn futex_waits(call: &str, args: [u64; 6]) -> bool {
    // FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2; the others have a number in its place.
    call == "futex" && matches!(args[1] & FUTEX_COMMAND, 0 | 6 | 9 | 11 | 13)
}

impl Form {
    /// Whether it is known at the end of the call only.
    pub(super) fn is_result(self) -> bool {
        matches!(self, Form::Out(_) | Form::OutBytes)
    }
    /// Appends the argument number `at`.
    pub(super) fn show(self, v: &Values<'_>, info: &ArgInfo, at: usize, reg: u64, out: &mut String) {
        match self {
            Form::Out(_) | Form::OutBytes if v.failed() || reg == 0 => address(reg, out),
            Form::In(f) | Form::Out(f) => f(v, reg, out),
            Form::OutBytes => show::buffer(v, reg, v.count(), out),
            Form::InBytes => show::buffer(v, reg, v.arg(at + 1), out),
            Form::Flags(families) => flags(families, reg & 0xffff_ffff, out),
            Form::Name(families) => named(families, info, reg, out),
            Form::Plain => plain(v, info, reg, out),
        }
    }
}

fn flags(families: &[Names], value: u64, out: &mut String) {
    let [first, rest @ ..] = families else { return };
    let known = rest.iter().flat_map(|f| f.0).filter(|(_, bit)| bit.is_power_of_two() && value & bit != 0);
    let mut left = value;
    let mut tail = String::new();
    for (name, bit) in known {
        left &= !bit;
        push(&mut tail, format_args!("|{name}"));
    }
    push(out, first.flags(left));
    out.push_str(&tail);
}

fn named(families: &[Names], info: &ArgInfo, reg: u64, out: &mut String) {
    let value = match info.kind {
        "int" => i64::from(low_int(reg)).cast_unsigned(),
        "uint" => low_int(reg).cast_unsigned().into(),
        _ => reg,
    };
    match families.iter().find_map(|f| f.name(value)) {
        Some(name) => out.push_str(name),
        None => push(out, format_args!("{value:#x}")),
    }
}

/// By type alone.
fn plain(v: &Values<'_>, info: &ArgInfo, reg: u64, out: &mut String) {
    match ((info.shape)(), info.kind) {
        (Shape::Text, _) => show::path(v, reg, out),
        (_, "ptr" | "addr") => address(reg, out),
        (_, "fd") => show::fd(reg, out),
        (_, "int" | "pid") => push(out, low_int(reg)),
        (_, "uint") => push(out, low_int(reg).cast_unsigned()),
        (_, "long") => push(out, reg.cast_signed()),
        (_, "size") => push(out, reg),
        _ => push(out, format_args!("{reg:#x}")),
    }
}

/// What a call shows after its result.
pub(super) fn show_more(call: &str, v: &Values<'_>, out: &mut String) {
    match call {
        "poll" | "ppoll" if v.count() > 0 => {
            out.push_str(" (");
            pollfds(v, v.arg(0), v.arg(1), true, out);
            out.push(')');
        }
        "select" | "pselect6" if v.count() > 0 => {
            let names = ["in", "out", "exc"];
            let sets = names.iter().zip([v.arg(1), v.arg(2), v.arg(3)]).filter(|(_, at)| *at != 0);
            let mut gap = " (";
            for (name, at) in sets {
                push(out, format_args!("{gap}{name} "));
                fd_set(v, at, v.arg(0), out);
                gap = ", ";
            }
            out.push(')');
        }
        "fcntl" if v.arg(1) == u64::from(F_GETFL) && !v.failed() => {
            out.push_str(" (flags ");
            open_flags(v.count(), out);
            out.push(')');
        }
        _ => {}
    }
}
