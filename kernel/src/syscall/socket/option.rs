//! [`getsockopt(2)`](https://man7.org/linux/man-pages/man2/getsockopt.2.html) and `setsockopt(2)`.

use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;
use abi::net::socket::{SO_PEERCRED, SO_PEERGROUPS, SO_PEERPIDFD, SO_PEERSEC, SOL_SOCKET, Ucred};
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::user::{UserMemory, UserPtr};
use netstack::unix::UnixSocket;
use zerocopy::IntoBytes;

use super::{SysResult, Target};
use crate::current::CurrentTask;
use crate::socket::pid_of;

/// Longest value that is looked at.
const LONGEST: usize = 16;

/// `setsockopt(2)`. Errors: `EOPNOTSUPP` for levels that unix sockets do not have.
pub(crate) fn setsockopt(
    cx: &mut CurrentTask,
    fd: Fd,
    level: i32,
    name: u32,
    value: GuestAddr,
    len: i32,
) -> SysResult {
    let target = Target::new(cx, fd)?;
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    if level != SOL_SOCKET.cast_signed() {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut bytes = vec![0; len.min(LONGEST)];
    if cx.task.mm().copy_in(value, &mut bytes) < bytes.len() {
        return Err(Errno::EFAULT);
    }
    target.socket.set_option(name, &bytes, cx.task.cred().has_cap_everywhere(Cap::NetAdmin))?;
    Ok(0)
}

/// `getsockopt(2)`. Errors: `EOPNOTSUPP` for levels that unix sockets do not have.
pub(crate) fn getsockopt(
    cx: &mut CurrentTask,
    fd: Fd,
    level: i32,
    name: u32,
    value: GuestAddr,
    len_at: GuestAddr,
) -> SysResult {
    let target = Target::new(cx, fd)?;
    if level != SOL_SOCKET.cast_signed() {
        return Err(Errno::EOPNOTSUPP);
    }
    let room = UserPtr::<i32>::new(len_at).read(&**cx.task.mm())?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let bytes = match name {
        SO_PEERCRED => peer_cred(cx, &target.socket),
        SO_PEERGROUPS => {
            let groups = peer_groups(cx, &target.socket)?;
            if groups.len() > room {
                // The caller learns how much room it needs.
                cx.put(len_at, &i32::try_from(groups.len()).unwrap_or(i32::MAX))?;
                return Err(Errno::ERANGE);
            }
            groups
        }
        // There is no pidfd to give for a process, and no security module.
        SO_PEERPIDFD if target.socket.peer_identity().is_none() => return Err(Errno::ENODATA),
        SO_PEERPIDFD | SO_PEERSEC => return Err(Errno::ENOPROTOOPT),
        _ => target.socket.get_option(name)?.as_bytes().to_vec(),
    };
    let part = bytes.get(..room).unwrap_or(&bytes);
    if cx.task.mm().copy_out(value, part) < part.len() {
        return Err(Errno::EFAULT);
    }
    cx.put(len_at, &i32::try_from(part.len()).unwrap_or(i32::MAX))?;
    Ok(0)
}

fn peer_cred(cx: &CurrentTask, socket: &UnixSocket) -> Vec<u8> {
    let ns = &cx.task.cred().user_ns;
    let raw = match socket.peer_identity() {
        Some(peer) => Ucred {
            pid: pid_of(peer.process.as_ref(), &cx.task.core.pid_ns()).0,
            uid: ns.show_uid(peer.cred.euid),
            gid: ns.show_gid(peer.cred.egid),
        },
        None => Ucred { pid: 0, uid: u32::MAX, gid: u32::MAX },
    };
    raw.as_bytes().to_vec()
}

/// Errors: `ENODATA` without a peer.
fn peer_groups(cx: &CurrentTask, socket: &UnixSocket) -> Result<Vec<u8>, Errno> {
    let peer = socket.peer_identity().ok_or(Errno::ENODATA)?;
    let ns = &cx.task.cred().user_ns;
    Ok(peer.cred.groups.iter().flat_map(|g| ns.show_gid(*g).to_ne_bytes()).collect())
}
