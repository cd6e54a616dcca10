//! Control messages: [`cmsg(3)`](https://man7.org/linux/man-pages/man3/cmsg.3.html), `SCM_RIGHTS`, `SCM_CREDENTIALS`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;
use abi::net::socket::{Cmsghdr, SCM_CREDENTIALS, SCM_MAX_FD, SCM_RIGHTS, SO_PASSCRED, SOL_SOCKET, Ucred};
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::{Fd, Pid};
use kcore::user::UserMemory;
use netstack::MsgFlags;
use netstack::unix::{Incoming, PassedFile, UnixSocket, UserCred};
use vfs::OpenFile;
use zerocopy::{FromBytes, IntoBytes};

use super::passed::Passed;
use super::{identity, may_show, pid_of};
use crate::current::CurrentTask;

/// Most bytes of control messages (`net.core.optmem_max`).
const OPTMEM_MAX: u64 = 131_072;
const HEAD: usize = size_of::<Cmsghdr>();

/// What control messages ask for when sending.
#[derive(Default)]
pub(crate) struct Control {
    pub(crate) files: Vec<Box<dyn PassedFile>>,
    pub(crate) cred: Option<UserCred>,
}

/// Reads the control messages of a message to send.
///
/// Errors: `ENOBUFS` for too many bytes, `EFAULT`, `EINVAL` for what is malformed or unknown, `EBADF`, `EPERM` and `ESRCH` for credentials
/// that the caller cannot show.
pub(crate) fn read_control(cx: &CurrentTask, at: GuestAddr, len: u64) -> Result<Control, Errno> {
    let mut control = Control::default();
    if len > OPTMEM_MAX {
        return Err(Errno::ENOBUFS);
    }
    let mut raw = vec![0; usize::try_from(len).map_err(|_| Errno::ENOBUFS)?];
    if cx.task.mm().copy_in(at, &mut raw) < raw.len() {
        return Err(Errno::EFAULT);
    }
    let mut rest = &raw[..];
    while rest.len() >= HEAD {
        let (head, _) = Cmsghdr::read_from_prefix(rest).map_err(|_| Errno::EINVAL)?;
        let len = usize::try_from(head.cmsg_len).map_err(|_| Errno::EINVAL)?;
        let data = rest.get(HEAD..len).ok_or(Errno::EINVAL)?;
        if head.cmsg_level == SOL_SOCKET.cast_signed() {
            match head.cmsg_type.cast_unsigned() {
                SCM_RIGHTS => rights(cx, data, &mut control.files)?,
                SCM_CREDENTIALS => control.cred = Some(credentials(cx, data)?),
                _ => return Err(Errno::EINVAL),
            }
        }
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or(&[]);
    }
    Ok(control)
}

fn rights(cx: &CurrentTask, data: &[u8], files: &mut Vec<Box<dyn PassedFile>>) -> Result<(), Errno> {
    let (fds, _) = data.as_chunks::<4>();
    if files.len() + fds.len() > SCM_MAX_FD {
        return Err(Errno::EINVAL);
    }
    for fd in fds {
        let file = cx.task.files().get(Fd(i32::from_ne_bytes(*fd)))?;
        files.push(Box::new(Passed(file)));
    }
    Ok(())
}

fn credentials(cx: &CurrentTask, data: &[u8]) -> Result<UserCred, Errno> {
    let raw = Ucred::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
    let cred = cx.task.cred();
    let uid = cred.user_ns.uid(raw.uid).ok_or(Errno::EINVAL)?;
    let gid = cred.user_ns.gid(raw.gid).ok_or(Errno::EINVAL)?;
    let own = identity(&cx.task.core);
    let ns = cx.task.core.pid_ns();
    let own_pid = raw.pid == pid_of(own.process.as_ref(), &ns).0;
    if !(own_pid || cred.has_cap(Cap::SysAdmin)) || !may_show(&cred, uid, gid) {
        return Err(Errno::EPERM);
    }
    if own_pid {
        return Ok(UserCred { process: own.process, pid: own.pid, uid, gid });
    }
    let node = cx.kernel().processes().pid(&ns, Pid(raw.pid)).ok_or(Errno::ESRCH)?;
    Ok(UserCred { pid: node.number(), process: Some(node), uid, gid })
}

/// Control messages on their way to a guest's buffer.
struct Writer {
    raw: Vec<u8>,
    room: usize,
    cut: bool,
}

impl Writer {
    fn left(&self) -> usize {
        self.room - self.raw.len()
    }
    /// Adds a message, cut to what fits.
    fn put(&mut self, kind: u32, data: &[u8]) {
        let left = self.left();
        if left < HEAD {
            self.cut = true;
            return;
        }
        let len = (HEAD + data.len()).min(left);
        self.cut |= len < HEAD + data.len();
        let head = Cmsghdr {
            cmsg_len: len as u64,
            cmsg_level: SOL_SOCKET.cast_signed(),
            cmsg_type: kind.cast_signed(),
        };
        let end = self.raw.len() + len.next_multiple_of(8).min(left);
        self.raw.extend_from_slice(head.as_bytes());
        self.raw.extend_from_slice(&data[..len - HEAD]);
        self.raw.resize(end, 0);
    }
}

/// Stores what came along with a message in a buffer of `room` bytes: gives the descriptors their numbers. Returns the bytes used, and
/// `MSG_CTRUNC` if something did not fit. Errors: `EFAULT`.
pub(crate) fn write_control(
    cx: &CurrentTask,
    socket: &UnixSocket,
    got: Incoming,
    at: GuestAddr,
    room: u64,
    cloexec: bool,
) -> Result<(u64, MsgFlags), Errno> {
    // Nothing that is written needs more.
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(64 << 10);
    let mut w = Writer { raw: Vec::new(), room, cut: false };
    if let Some(cred) = got.cred.filter(|_| socket.options().is_on(SO_PASSCRED)) {
        w.put(SCM_CREDENTIALS, ucred(cx, &cred).as_bytes());
    }
    if !got.files.is_empty() {
        let fits = w.left().saturating_sub(HEAD) / size_of::<i32>();
        let wanted = got.files.len();
        let mut numbers = Vec::new();
        for file in got.files.into_iter().take(fits) {
            let Ok(file) = file.into_any().downcast::<Arc<OpenFile>>() else { continue };
            match cx.task.files().insert(*file, cloexec, 0, cx.fd_limit()) {
                Ok(fd) => numbers.extend_from_slice(&fd.0.to_ne_bytes()),
                Err(_) => break,
            }
        }
        if !numbers.is_empty() {
            w.put(SCM_RIGHTS, &numbers);
        }
        w.cut |= numbers.len() / size_of::<i32>() < wanted;
    }
    if cx.task.mm().copy_out(at, &w.raw) < w.raw.len() {
        return Err(Errno::EFAULT);
    }
    Ok((w.raw.len() as u64, if w.cut { MsgFlags::CTRUNC } else { MsgFlags::empty() }))
}

fn ucred(cx: &CurrentTask, cred: &UserCred) -> Ucred {
    let pid = pid_of(cred.process.as_ref(), &cx.task.core.pid_ns()).0;
    let ns = &cx.task.cred().user_ns;
    Ucred { pid, uid: ns.show_uid(cred.uid), gid: ns.show_gid(cred.gid) }
}
