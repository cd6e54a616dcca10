//! [`send(2)`](https://man7.org/linux/man-pages/man2/send.2.html) and its relatives.

use alloc::sync::Arc;

use abi::Errno;
use abi::net::socket::Mmsghdr;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::io::{IoError, IoSource};
use kcore::wait::Events;
use mm::{Iovec, UserSource};
use netstack::unix::{Outgoing, UnixAddr, UnixSocket};
use netstack::{MsgFlags, SocketKind};
use task::rlimit::Resource;
use task::signal::Signal;
use vfs::OpenFile;

use super::message::Message;
use super::{Patience, SysResult, Target, patiently};
use crate::current::CurrentTask;
use crate::socket::{Control, find, identity, read_control};
use crate::usermem::{IOV_MAX, MAX_RW_COUNT};

/// `write(2)` and `writev(2)` on a socket.
pub(crate) async fn write_socket(
    cx: &CurrentTask,
    file: &OpenFile,
    socket: &UnixSocket,
    iov: &[Iovec],
) -> SysResult {
    send(cx, file, socket, iov, None, Control::default(), MsgFlags::empty()).await
}

/// Sends all of `iov`, if need be in several pieces.
async fn send(
    cx: &CurrentTask,
    file: &OpenFile,
    socket: &UnixSocket,
    iov: &[Iovec],
    to: Option<Arc<UnixSocket>>,
    control: Control,
    flags: MsgFlags,
) -> SysResult {
    if flags.contains(MsgFlags::OOB) {
        return Err(Errno::EOPNOTSUPP);
    }
    let stream = socket.kind() == SocketKind::Stream;
    let dont_wait = flags.contains(MsgFlags::DONTWAIT);
    let patience = Patience::new(cx, file, dont_wait, socket.options().timeouts().send);
    let by = identity(&cx.task.core);
    let Control { mut files, cred } = control;
    let unlimited = by.cred.has_cap_everywhere(Cap::SysResource) || by.cred.has_cap_everywhere(Cap::SysAdmin);
    let limit = cx.task.core.group().rlimit(Resource::Nofile).cur;
    let files_limit = (!unlimited).then(|| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut source = UserSource::new(cx.task.mm(), iov);
    let (mut done, mut waited) = (0, false);
    let result = loop {
        let attempt = || {
            let mut msg = Outgoing {
                data: &mut source,
                to: to.as_ref(),
                by: &by,
                cred: cred.clone(),
                files: core::mem::take(&mut files),
                files_limit,
                waited,
            };
            let result = socket.send(&mut msg);
            waited = matches!(result, Err(IoError::Again));
            files = msg.files;
            result
        };
        match patiently(cx, socket, Events::WRITABLE, patience, attempt).await {
            Ok(n) => done += n,
            Err(e) => break Err(e),
        }
        if !stream || source.remaining() == 0 {
            break Ok(());
        }
    };
    match result {
        Err(e) if done == 0 => {
            if e == Errno::EPIPE && stream && !flags.contains(MsgFlags::NOSIGNAL) {
                cx.signal_self(Signal::PIPE);
            }
            Err(e)
        }
        Err(_) => {
            // What was sent counts; the call is not repeated.
            cx.forget_interruption();
            Ok(done as u64)
        }
        Ok(()) => Ok(done as u64),
    }
}

/// The socket that a destination argument names. Streams, which take none, get to say so; a connection of messages ignores it.
fn destination(
    cx: &CurrentTask,
    socket: &Arc<UnixSocket>,
    raw: &[u8],
) -> Result<Option<Arc<UnixSocket>>, Errno> {
    match socket.kind() {
        _ if raw.is_empty() => Ok(None),
        SocketKind::Stream => Ok(Some(socket.clone())),
        SocketKind::Seqpacket => Ok(None),
        _ => find(cx, socket, &UnixAddr::parse(raw)?).map(Some),
    }
}

/// `sendto(2)`.
pub(crate) async fn sendto(
    cx: &mut CurrentTask,
    fd: Fd,
    buf: GuestAddr,
    len: usize,
    flags: u32,
    addr: GuestAddr,
    addr_len: i32,
) -> SysResult {
    let Target { file, socket } = Target::new(cx, fd)?;
    let raw = if addr.is_null() { alloc::vec::Vec::new() } else { cx.read_sockaddr(addr, addr_len)? };
    let to = destination(cx, &socket, &raw)?;
    let iov = [(buf, (len as u64).min(MAX_RW_COUNT))];
    send(cx, &file, &socket, &iov, to, Control::default(), MsgFlags::from_bits_truncate(flags)).await
}

async fn send_message(cx: &CurrentTask, target: &Target, at: GuestAddr, flags: MsgFlags) -> SysResult {
    let Target { file, socket } = target;
    let msg = Message::read(cx, at)?;
    let name = GuestAddr(msg.head.msg_name);
    let len = if name.is_null() { 0 } else { msg.head.msg_namelen };
    let raw = cx.read_sockaddr(name, len)?;
    let control = read_control(cx, GuestAddr(msg.head.msg_control), msg.head.msg_controllen)?;
    let to = destination(cx, socket, &raw)?;
    send(cx, file, socket, &msg.iov, to, control, flags).await
}

/// `sendmsg(2)`.
pub(crate) async fn sendmsg(cx: &mut CurrentTask, fd: Fd, msg: GuestAddr, flags: u32) -> SysResult {
    let target = Target::new(cx, fd)?;
    send_message(cx, &target, msg, MsgFlags::from_bits_truncate(flags)).await
}

/// [`sendmmsg(2)`](https://man7.org/linux/man-pages/man2/sendmmsg.2.html): how many messages were sent; an error only if none was.
pub(crate) async fn sendmmsg(
    cx: &mut CurrentTask,
    fd: Fd,
    list: GuestAddr,
    count: u32,
    flags: u32,
) -> SysResult {
    let target = Target::new(cx, fd)?;
    let flags = MsgFlags::from_bits_truncate(flags);
    let count = u64::from(count).min(IOV_MAX as u64);
    for i in 0..count {
        let at = element(list, i)?;
        let sent = match send_message(cx, &target, at, flags).await {
            Ok(n) => cx.put(len_of(at)?, &u32::try_from(n).unwrap_or(u32::MAX)),
            Err(e) => Err(e),
        };
        if let Err(e) = sent {
            if i == 0 {
                return Err(e);
            }
            cx.forget_interruption();
            return Ok(i);
        }
    }
    Ok(count)
}

/// Where message `i` of a list is. Errors: `EFAULT`.
pub(super) fn element(list: GuestAddr, i: u64) -> Result<GuestAddr, Errno> {
    let offset = i.checked_mul(size_of::<Mmsghdr>() as u64).ok_or(Errno::EFAULT)?;
    list.checked_add(offset).ok_or(Errno::EFAULT)
}

/// Where the length of a list's message is. Errors: `EFAULT`.
pub(super) fn len_of(element: GuestAddr) -> Result<GuestAddr, Errno> {
    element.checked_add(core::mem::offset_of!(Mmsghdr, msg_len) as u64).ok_or(Errno::EFAULT)
}
