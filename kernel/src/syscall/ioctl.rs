//! [`ioctl(2)`](https://man7.org/linux/man-pages/man2/ioctl.2.html): requests that all files know; the others are the file's.

use abi::Errno;
use abi::fs::ioctl::*;
use kcore::addr::GuestAddr;
use kcore::id::Fd;
use kcore::io::IoError;
use kcore::user::UserPtr;
use kcore::wait::{Events, WaitSet};
use vfs::consts::{O_ASYNC, O_CLOEXEC, O_NONBLOCK};
use vfs::{FileKind, IoctlContext, OpenFile};

use super::SysResult;
use super::blocking::until;
use super::file_owner::follow_async;
use super::namespace::namespace_ioctl;
use super::pidfd_info::{get_info, info_size};
use crate::current::CurrentTask;
use crate::namespace::NamespaceFile;
use crate::pidfd::Pidfd;

/// `ioctl(2)`. Errors: `ENOTTY` for requests that the file does not know.
pub(super) async fn ioctl(cx: &mut CurrentTask, fd: Fd, request: u32, arg: u64) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    let at = GuestAddr(arg);
    match request {
        FIOCLEX => cx.task.files().set_cloexec(fd, true).map(|()| 0),
        FIONCLEX => cx.task.files().set_cloexec(fd, false).map(|()| 0),
        FIONBIO => set_flag(cx, &file, O_NONBLOCK, at),
        FIOASYNC => set_flag(cx, &file, O_ASYNC, at).inspect(|_| follow_async(cx, fd, &file)),
        FIOQSIZE => size(cx, &file, at),
        FIGETBSZ => {
            let blksize = file.path().ok_or(Errno::EINVAL)?.inode().attr()?.blksize;
            cx.put(at, &blksize).map(|()| 0)
        }
        FIONREAD if file.is_regular() => {
            // As Linux counts it in an int: what does not fit is cut.
            let left = i128::from(file.stat()?.size) - i128::from(file.offset());
            let [a, b, c, d, ..] = left.to_le_bytes();
            cx.put(at, &[a, b, c, d]).map(|()| 0)
        }
        // File systems here share no blocks between files.
        FICLONE | FICLONERANGE | FIDEDUPERANGE if file.is_regular() => Err(Errno::EOPNOTSUPP),
        FS_IOC_FIEMAP if file.is_regular() => Err(Errno::EOPNOTSUPP),
        TIOCGPTPEER => open_peer(cx, &file, arg),
        _ => match (file.ops_as::<NamespaceFile>(), file.ops_as::<Pidfd>(), info_size(request)) {
            (Some(f), ..) => namespace_ioctl(cx, f.namespace(), request, arg),
            (_, Some(pidfd), Some(size)) => get_info(cx, pidfd, size, at),
            _ => ask(cx, &file, request, arg).await,
        },
    }
}

async fn ask(cx: &CurrentTask, file: &OpenFile, request: u32, arg: u64) -> SysResult {
    cx.may_control_tty(file, request)?;
    let cred = cx.task.cred();
    let ctx = IoctlContext { cred: &cred, mem: &**cx.task.mm(), job: cx };
    let attempt = || file.ioctl(&ctx, request, arg);
    match (attempt(), file.queue()) {
        (Err(IoError::Again), Some(queue)) => {
            let set = WaitSet::one(&queue, Events::READABLE | Events::WRITABLE);
            until(cx, &set, attempt).await
        }
        (result, _) => result.map_err(IoError::errno),
    }
}

/// The other side of a terminal (`TIOCGPTPEER`), whose argument is flags of `open(2)`.
fn open_peer(cx: &CurrentTask, master: &OpenFile, flags: u64) -> SysResult {
    let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?;
    let peer = cx.open_tty_peer(master, flags).map_err(IoError::errno)?;
    cx.install(peer, flags & O_CLOEXEC != 0)
}

/// Sets or clears a status flag, as the `int` at `at` says.
fn set_flag(cx: &CurrentTask, file: &OpenFile, flag: u32, at: GuestAddr) -> SysResult {
    let on = UserPtr::<i32>::new(at).read(&**cx.task.mm())? != 0;
    let flags = if on { file.flags() | flag } else { file.flags() & !flag };
    file.set_flags(flags).map(|()| 0)
}

fn size(cx: &CurrentTask, file: &OpenFile, at: GuestAddr) -> SysResult {
    let attr = file.stat()?;
    match attr.kind() {
        FileKind::Regular | FileKind::Directory | FileKind::Symlink => cx.put(at, &attr.size).map(|()| 0),
        _ => Err(Errno::ENOTTY),
    }
}
