//! [`recv(2)`](https://man7.org/linux/man-pages/man2/recv.2.html) and its relatives.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::host::Nanos;
use kcore::id::Fd;
use kcore::io::IoSink;
use kcore::user::UserPtr;
use kcore::wait::Events;
use mm::{Iovec, UserSink};
use netstack::unix::{Incoming, UnixAddr, UnixSocket};
use netstack::{MsgFlags, SocketKind};
use vfs::OpenFile;

use super::message::{CONTROLLEN_AT, FLAGS_AT, Message, NAMELEN_AT};
use super::send::{element, len_of};
use super::{Patience, SysResult, Target, patiently};
use crate::current::CurrentTask;
use crate::socket::write_control;
use crate::usermem::{IOV_MAX, MAX_RW_COUNT};

/// `read(2)` and `readv(2)` on a socket. Files that come along are closed.
pub(crate) async fn read_socket(
    cx: &CurrentTask,
    file: &OpenFile,
    socket: &UnixSocket,
    iov: &[Iovec],
) -> SysResult {
    if iov.iter().all(|(_, len)| *len == 0) {
        return Ok(0);
    }
    receive(cx, file, socket, iov, MsgFlags::empty()).await.map(|got| got.stored as u64)
}

/// Receives one message, or what a stream has; with `MSG_WAITALL` all that fits, unless something ends it.
async fn receive(
    cx: &CurrentTask,
    file: &OpenFile,
    socket: &UnixSocket,
    iov: &[Iovec],
    flags: MsgFlags,
) -> Result<Incoming, Errno> {
    let dont_wait = flags.contains(MsgFlags::DONTWAIT);
    let patience = Patience::new(cx, file, dont_wait, socket.options().timeouts().receive);
    let mut how = flags;
    how.set(MsgFlags::DONTWAIT, matches!(patience, Patience::None));
    let all = flags.contains(MsgFlags::WAITALL) && !flags.contains(MsgFlags::PEEK);
    let mut sink = UserSink::new(cx.task.mm(), iov);
    let mut got = patiently(cx, socket, Events::READABLE, patience, || socket.recv(&mut sink, how)).await?;
    while all && socket.kind() == SocketKind::Stream && !got.boundary && sink.remaining() > 0 {
        match patiently(cx, socket, Events::READABLE, patience, || socket.recv(&mut sink, how)).await {
            Ok(more) => {
                got.stored += more.stored;
                got.length += more.length;
                got.boundary = more.boundary;
                got.files.extend(more.files);
            }
            Err(_) => {
                cx.forget_interruption();
                break;
            }
        }
    }
    Ok(got)
}

/// What a receiving call returns: the real length of a message if it was asked for.
fn result(got: &Incoming, kind: SocketKind, flags: MsgFlags) -> u64 {
    let real = flags.contains(MsgFlags::TRUNC) && kind != SocketKind::Stream;
    if real { got.length as u64 } else { got.stored as u64 }
}

/// `recvfrom(2)`.
pub(crate) async fn recvfrom(
    cx: &mut CurrentTask,
    fd: Fd,
    buf: GuestAddr,
    len: usize,
    flags: u32,
    addr: GuestAddr,
    addr_len: GuestAddr,
) -> SysResult {
    let Target { file, socket } = Target::new(cx, fd)?;
    let flags = MsgFlags::from_bits_truncate(flags);
    let iov = [(buf, (len as u64).min(MAX_RW_COUNT))];
    let got = receive(cx, &file, &socket, &iov, flags).await?;
    if !addr.is_null() {
        let raw = got.from.as_ref().map(UnixAddr::encode).unwrap_or_default();
        cx.write_sockaddr(&raw, addr, addr_len)?;
    }
    Ok(result(&got, socket.kind(), flags))
}

async fn receive_message(cx: &CurrentTask, target: &Target, at: GuestAddr, flags: MsgFlags) -> SysResult {
    let Target { file, socket } = target;
    let field = |offset: u64| at.checked_add(offset).ok_or(Errno::EFAULT);
    let msg = Message::read(cx, at)?;
    let got = receive(cx, file, socket, &msg.iov, flags).await?;
    let returned = result(&got, socket.kind(), flags);
    let cut = got.stored < got.length && socket.kind() != SocketKind::Stream;
    let mut out = if cut { MsgFlags::TRUNC } else { MsgFlags::empty() };
    out |= flags & MsgFlags::CMSG_CLOEXEC;
    if msg.head.msg_name != 0 {
        let raw = got.from.as_ref().map(UnixAddr::encode).unwrap_or_default();
        cx.write_sockaddr(&raw, GuestAddr(msg.head.msg_name), field(NAMELEN_AT)?)?;
    }
    let cloexec = flags.contains(MsgFlags::CMSG_CLOEXEC);
    let room = if msg.head.msg_control == 0 { 0 } else { msg.head.msg_controllen };
    let (used, more) = write_control(cx, socket, got, GuestAddr(msg.head.msg_control), room, cloexec)?;
    cx.put(field(FLAGS_AT)?, &(out | more).bits())?;
    cx.put(field(CONTROLLEN_AT)?, &used)?;
    Ok(returned)
}

/// `recvmsg(2)`.
pub(crate) async fn recvmsg(cx: &mut CurrentTask, fd: Fd, msg: GuestAddr, flags: u32) -> SysResult {
    let target = Target::new(cx, fd)?;
    receive_message(cx, &target, msg, MsgFlags::from_bits_truncate(flags)).await
}

/// [`recvmmsg(2)`](https://man7.org/linux/man-pages/man2/recvmmsg.2.html): how many messages were received. The time limit is looked at
/// after each message only.
pub(crate) async fn recvmmsg(
    cx: &mut CurrentTask,
    fd: Fd,
    list: GuestAddr,
    count: u32,
    flags: u32,
    timeout: GuestAddr,
) -> SysResult {
    let target = Target::new(cx, fd)?;
    let deadline = deadline(cx, timeout)?;
    let mut flags = MsgFlags::from_bits_truncate(flags);
    let count = u64::from(count).min(IOV_MAX as u64);
    let mut done = 0;
    while done < count {
        let at = element(list, done)?;
        let received = match receive_message(cx, &target, at, flags - MsgFlags::WAITFORONE).await {
            Ok(n) => cx.put(len_of(at)?, &u32::try_from(n).unwrap_or(u32::MAX)),
            Err(e) => Err(e),
        };
        match received {
            Ok(()) => done += 1,
            Err(e) if done == 0 => return Err(e),
            Err(_) => {
                cx.forget_interruption();
                break;
            }
        }
        if flags.contains(MsgFlags::WAITFORONE) {
            flags |= MsgFlags::DONTWAIT;
        }
        if deadline.is_some_and(|at| cx.kernel().host().clock.monotonic() >= at) {
            break;
        }
    }
    Ok(done)
}

/// Errors: `EFAULT`, `EINVAL` for a time that is none.
fn deadline(cx: &CurrentTask, timeout: GuestAddr) -> Result<Option<Nanos>, Errno> {
    const SECOND: u64 = 1_000_000_000;
    if timeout.is_null() {
        return Ok(None);
    }
    let [sec, nsec] = UserPtr::<[i64; 2]>::new(timeout).read(&**cx.task.mm())?;
    let sec = u64::try_from(sec).map_err(|_| Errno::EINVAL)?;
    let nsec = u64::try_from(nsec).ok().filter(|n| *n < SECOND).ok_or(Errno::EINVAL)?;
    let now = cx.kernel().host().clock.monotonic();
    Ok(Some(now.saturating_add(sec.saturating_mul(SECOND)).saturating_add(nsec)))
}
