//! System calls on sockets, [`socket(2)`](https://man7.org/linux/man-pages/man2/socket.2.html).

mod connect;
mod message;
mod option;
mod recv;
mod send;

pub(super) use connect::{accept, accept4, bind, connect, getpeername, getsockname, listen, shutdown};
pub(super) use option::{getsockopt, setsockopt};
pub(crate) use recv::read_socket;
pub(super) use recv::{recvfrom, recvmmsg, recvmsg};
pub(crate) use send::write_socket;
pub(super) use send::{sendmmsg, sendmsg, sendto};

use alloc::sync::Arc;

use abi::Errno;
use abi::net::socket::{AF_MAX, AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK};
use kcore::addr::GuestAddr;
use kcore::host::Nanos;
use kcore::id::Fd;
use kcore::io::{IoError, IoResult};
use kcore::wait::{Events, WaitSet};
use netstack::SocketKind;
use netstack::unix::UnixSocket;
use vfs::OpenFile;
use vfs::consts::O_NONBLOCK;

use super::SysResult;
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;
use crate::socket::{SocketFile, identity};

/// What of the type argument is the type.
const TYPE_MASK: u32 = 0xf;

/// A socket that a descriptor refers to.
struct Target {
    file: Arc<OpenFile>,
    socket: Arc<UnixSocket>,
}

impl Target {
    /// Errors: `EBADF`, `ENOTSOCK`.
    fn new(cx: &CurrentTask, fd: Fd) -> Result<Target, Errno> {
        let file = cx.task.files().get_open(fd)?;
        let socket = SocketFile::of(&file).ok_or(Errno::ENOTSOCK)?.unix().clone();
        Ok(Target { file, socket })
    }
}

/// How long a call on a socket waits.
#[derive(Clone, Copy)]
enum Patience {
    /// Not at all.
    None,
    /// As long as it takes.
    Forever,
    /// Until this time on the monotonic clock (`SO_RCVTIMEO`, `SO_SNDTIMEO`).
    Until(Nanos),
}

impl Patience {
    fn new(cx: &CurrentTask, file: &OpenFile, dont_wait: bool, timeout: Option<Nanos>) -> Patience {
        match timeout {
            _ if dont_wait || file.is_nonblocking() => Patience::None,
            Some(0) => Patience::None,
            Some(ns) => Patience::Until(cx.kernel().host().clock.monotonic().saturating_add(ns)),
            None => Patience::Forever,
        }
    }
}

/// Repeats `attempt` on `socket` until it does not say [`IoError::Again`]. Errors: the attempt's; `late` when patience ends; when
/// interrupted `EINTR`, with the rule `ERESTARTSYS` unless there is a time limit.
async fn patiently<T>(
    cx: &CurrentTask,
    socket: &UnixSocket,
    events: Events,
    patience: Patience,
    mut attempt: impl FnMut() -> IoResult<T>,
) -> Result<T, Errno> {
    match attempt() {
        Ok(v) => return Ok(v),
        Err(IoError::Errno(e)) => return Err(e),
        Err(IoError::Again) => {}
    }
    let deadline = match patience {
        Patience::None => return Err(Errno::EAGAIN),
        Patience::Forever => None,
        Patience::Until(at) => Some(at),
    };
    match cx.wait(&WaitSet::one(socket.queue(), events), deadline, attempt).await {
        Ok(v) => Ok(v),
        Err(WaitEnd::Failed(e)) => Err(e),
        Err(WaitEnd::TimedOut) => Err(Errno::EAGAIN),
        Err(WaitEnd::Interrupted) if deadline.is_some() => Err(Errno::EINTR),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::Sys)),
    }
}

/// The type argument: type, file flags, whether to close at `execve`. Errors: `EINVAL`.
fn split_type(raw: u32) -> Result<(u32, u32, bool), Errno> {
    let flags = raw & !TYPE_MASK;
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((raw & TYPE_MASK, file_flags(flags), flags & SOCK_CLOEXEC != 0))
}

fn file_flags(flags: u32) -> u32 {
    if flags & SOCK_NONBLOCK != 0 { O_NONBLOCK } else { 0 }
}

/// Errors: `EAFNOSUPPORT` for families that are not there, `EINVAL` for a type that is none.
fn check_family(family: i32, kind: u32) -> Result<(), Errno> {
    if !(0..i32::from(AF_MAX)).contains(&family) {
        return Err(Errno::EAFNOSUPPORT);
    }
    if kind > 10 {
        return Err(Errno::EINVAL);
    }
    if family == i32::from(AF_UNIX) { Ok(()) } else { Err(Errno::EAFNOSUPPORT) }
}

/// `socket(2)`.
pub(super) fn socket(cx: &mut CurrentTask, family: i32, kind: u32, protocol: i32) -> SysResult {
    let (kind, flags, cloexec) = split_type(kind)?;
    check_family(family, kind)?;
    let kind = SocketKind::from_raw(kind)?;
    let kernel = cx.kernel();
    let socket = UnixSocket::new(
        kernel.unix(),
        kind,
        protocol,
        kernel.nameless().next_ino(),
        identity(&cx.task.core),
    )?;
    cx.install(SocketFile::open(kernel, socket, flags), cloexec)
}

/// `socketpair(2)`.
pub(super) fn socketpair(
    cx: &mut CurrentTask,
    family: i32,
    kind: u32,
    protocol: i32,
    fds: GuestAddr,
) -> SysResult {
    let (kind, flags, cloexec) = split_type(kind)?;
    check_family(family, kind)?;
    let kind = SocketKind::from_raw(kind)?;
    let kernel = cx.kernel();
    let inos = [kernel.nameless().next_ino(), kernel.nameless().next_ino()];
    let pair = UnixSocket::pair(kernel.unix(), kind, protocol, inos, &identity(&cx.task.core))?;
    let [a, b] = pair.map(|s| SocketFile::open(kernel, s, flags));
    let cred = cx.task.cred();
    a.note_opener(&cred);
    b.note_opener(&cred);
    let files = cx.task.files();
    let limit = cx.fd_limit();
    let a = files.insert(a, cloexec, 0, limit)?;
    let b = files.insert(b, cloexec, 0, limit).inspect_err(|_| files.retract(a))?;
    cx.put(fds, &[a.0, b.0]).inspect_err(|_| {
        files.retract(a);
        files.retract(b);
    })?;
    Ok(0)
}
