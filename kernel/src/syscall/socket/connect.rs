//! Names and connections.

use abi::Errno;
use abi::net::socket::{AF_UNSPEC, SOCK_CLOEXEC, SOCK_NONBLOCK};
use kcore::addr::GuestAddr;
use kcore::id::Fd;
use kcore::wait::Events;
use netstack::Shutdown;
use netstack::unix::UnixAddr;

use super::{Patience, SysResult, Target, file_flags, patiently};
use crate::current::CurrentTask;
use crate::socket::{SocketFile, bind_path, find, identity};

/// [`bind(2)`](https://man7.org/linux/man-pages/man2/bind.2.html).
pub(crate) fn bind(cx: &mut CurrentTask, fd: Fd, addr: GuestAddr, len: i32) -> SysResult {
    let target = Target::new(cx, fd)?;
    let raw = cx.read_sockaddr(addr, len)?;
    match UnixAddr::parse(&raw)? {
        UnixAddr::Path(path) => bind_path(cx, &target.socket, &path)?,
        addr => target.socket.bind(&addr)?,
    }
    Ok(0)
}

/// [`listen(2)`](https://man7.org/linux/man-pages/man2/listen.2.html).
pub(crate) fn listen(cx: &mut CurrentTask, fd: Fd, backlog: i32) -> SysResult {
    let target = Target::new(cx, fd)?;
    target.socket.listen(backlog, &identity(&cx.task.core))?;
    Ok(0)
}

/// `accept(2)`.
pub(crate) async fn accept(cx: &mut CurrentTask, fd: Fd, addr: GuestAddr, len: GuestAddr) -> SysResult {
    accept4(cx, fd, addr, len, 0).await
}

/// [`accept4(2)`](https://man7.org/linux/man-pages/man2/accept.2.html).
pub(crate) async fn accept4(
    cx: &mut CurrentTask,
    fd: Fd,
    addr: GuestAddr,
    len: GuestAddr,
    flags: u32,
) -> SysResult {
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let Target { file, socket } = Target::new(cx, fd)?;
    let patience = Patience::new(cx, &file, false, socket.options().timeouts().receive);
    let new = patiently(cx, &socket, Events::READABLE, patience, || socket.accept()).await?;
    let peer = new.peer_addr().unwrap_or(UnixAddr::Unnamed);
    // The file closes the connection if its address cannot be told.
    let file = SocketFile::open(cx.kernel(), new, file_flags(flags));
    if !addr.is_null() {
        cx.write_sockaddr(&peer.encode(), addr, len)?;
    }
    cx.install(file, flags & SOCK_CLOEXEC != 0)
}

/// [`connect(2)`](https://man7.org/linux/man-pages/man2/connect.2.html).
pub(crate) async fn connect(cx: &mut CurrentTask, fd: Fd, addr: GuestAddr, len: i32) -> SysResult {
    let Target { file, socket } = Target::new(cx, fd)?;
    let raw = cx.read_sockaddr(addr, len)?;
    if raw.first_chunk() == Some(&AF_UNSPEC.to_ne_bytes()) && !socket.kind().is_connection() {
        socket.set_peer(None)?;
        return Ok(0);
    }
    let addr = UnixAddr::parse(&raw)?;
    let patience = Patience::new(cx, &file, false, socket.options().timeouts().send);
    let by = identity(&cx.task.core);
    // The name is looked up again after each wait: it may mean another socket by then.
    let attempt = || {
        let to = find(cx, &socket, &addr)?;
        socket.connect(&to, &by, cx.kernel().nameless().next_ino())
    };
    patiently(cx, &socket, Events::WRITABLE, patience, attempt).await?;
    Ok(0)
}

/// [`getsockname(2)`](https://man7.org/linux/man-pages/man2/getsockname.2.html).
pub(crate) fn getsockname(cx: &mut CurrentTask, fd: Fd, addr: GuestAddr, len: GuestAddr) -> SysResult {
    let target = Target::new(cx, fd)?;
    cx.write_sockaddr(&target.socket.local_addr().encode(), addr, len)?;
    Ok(0)
}

/// [`getpeername(2)`](https://man7.org/linux/man-pages/man2/getpeername.2.html).
pub(crate) fn getpeername(cx: &mut CurrentTask, fd: Fd, addr: GuestAddr, len: GuestAddr) -> SysResult {
    let target = Target::new(cx, fd)?;
    cx.write_sockaddr(&target.socket.peer_addr()?.encode(), addr, len)?;
    Ok(0)
}

/// [`shutdown(2)`](https://man7.org/linux/man-pages/man2/shutdown.2.html).
pub(crate) fn shutdown(cx: &mut CurrentTask, fd: Fd, how: i32) -> SysResult {
    let target = Target::new(cx, fd)?;
    target.socket.shutdown(Shutdown::from_how(how)?);
    Ok(0)
}
