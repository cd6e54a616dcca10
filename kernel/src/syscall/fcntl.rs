//! [`fcntl(2)`](https://man7.org/linux/man-pages/man2/fcntl.2.html).

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::fcntl::*;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::user::UserPtr;
use vfs::OpenFile;
use vfs::anon::PipeEnd;
use vfs::consts::{O_LARGEFILE, O_NOATIME};

use super::SysResult;
use super::descriptor::fd_result;
use super::file_owner::{follow_async, owner_command};
use super::locks::{Scope, get_lock, set_lock};
use crate::current::CurrentTask;

/// The low 32 bits of an argument that is an `int`.
fn int(arg: u64) -> i32 {
    super::args::low_int(arg)
}

/// `fcntl(2)`. Errors: `EINVAL` for commands that are not known, and what a command says.
pub(super) async fn fcntl(cx: &mut CurrentTask, fd: Fd, cmd: u32, arg: u64) -> SysResult {
    let file = cx.task.files().get(fd)?;
    if let Some(result) = on_descriptor(cx, fd, &file, cmd, arg) {
        return result;
    }
    if file.is_path_only() {
        return Err(Errno::EBADF);
    }
    let at = GuestAddr(arg);
    match cmd {
        F_SETFL => set_flags(cx, &file, int(arg).cast_unsigned()).inspect(|_| follow_async(cx, fd, &file)),
        F_GETLK => get_lock(cx, &file, at, Scope::Process),
        F_SETLK | F_SETLKW => set_lock(cx, &file, at, Scope::Process, cmd == F_SETLKW).await,
        F_OFD_GETLK => get_lock(cx, &file, at, Scope::OpenFile),
        F_OFD_SETLK | F_OFD_SETLKW => set_lock(cx, &file, at, Scope::OpenFile, cmd == F_OFD_SETLKW).await,
        F_GETPIPE_SZ => Ok(PipeEnd::of(&file).ok_or(Errno::EBADF)?.size() as u64),
        F_SETPIPE_SZ => set_pipe_size(cx, &file, arg),
        F_GET_SEALS => file.ops().seals(None).map(u64::from),
        F_ADD_SEALS if !file.writable() => Err(Errno::EPERM),
        F_ADD_SEALS => file.ops().seals(Some(int(arg).cast_unsigned())).map(|_| 0),
        F_GET_RW_HINT | F_SET_RW_HINT => write_hint(cx, &file, cmd == F_SET_RW_HINT, at),
        _ => owner_command(cx, fd, &file, cmd, arg).unwrap_or(Err(Errno::EINVAL)),
    }
}

/// Commands that `O_PATH` descriptors know, too.
fn on_descriptor(cx: &CurrentTask, fd: Fd, file: &Arc<OpenFile>, cmd: u32, arg: u64) -> Option<SysResult> {
    let files = cx.task.files();
    Some(match cmd {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let limit = cx.fd_limit();
            match usize::try_from(int(arg)).ok().filter(|n| *n < limit) {
                Some(min) => fd_result(files.insert(file.clone(), cmd == F_DUPFD_CLOEXEC, min, limit)),
                None => Err(Errno::EINVAL),
            }
        }
        F_GETFD => files.cloexec(fd).map(u64::from),
        F_SETFD => files.set_cloexec(fd, arg & 1 != 0).map(|()| 0),
        F_GETFL => Ok(file.flags().into()),
        F_DUPFD_QUERY => files.get(Fd(int(arg))).map(|other| Arc::ptr_eq(file, &other).into()),
        F_CREATED_QUERY => Ok(file.was_created().into()),
        _ => return None,
    })
}

/// Errors: `EPERM` for `O_NOATIME` on somebody else's file, and what the file says.
fn set_flags(cx: &CurrentTask, file: &Arc<OpenFile>, flags: u32) -> SysResult {
    if flags & !file.flags() & O_NOATIME != 0 {
        let (attr, cred) = (file.stat()?, cx.task.cred());
        if cred.fsuid != attr.uid && !cred.has_cap_over(Cap::Fowner, attr.uid, attr.gid) {
            return Err(Errno::EPERM);
        }
    }
    file.set_flags(flags & !O_LARGEFILE).map(|()| 0)
}

fn set_pipe_size(cx: &CurrentTask, file: &OpenFile, bytes: u64) -> SysResult {
    let pipe = PipeEnd::of(file).ok_or(Errno::EBADF)?;
    let bytes =
        usize::try_from(u32::try_from(bytes).map_err(|_| Errno::EINVAL)?).map_err(|_| Errno::EINVAL)?;
    let privileged = cx.task.cred().has_cap_everywhere(Cap::SysResource);
    let most = if privileged { usize::MAX } else { cx.kernel.pipe_max_size() };
    Ok(pipe.set_size(bytes, most)? as u64)
}

/// How long written data will live: remembered with the inode. Errors: `EINVAL` for other values, `EFAULT`.
fn write_hint(cx: &CurrentTask, file: &OpenFile, set: bool, at: GuestAddr) -> SysResult {
    const RWH_WRITE_LIFE_EXTREME: u64 = 5;
    let inode = file.inode().ok_or(Errno::EINVAL)?;
    if set {
        let hint = UserPtr::<u64>::new(at).read(&**cx.task.mm())?;
        let hint = u8::try_from(hint).ok().filter(|h| u64::from(*h) <= RWH_WRITE_LIFE_EXTREME);
        inode.common().set_write_hint(hint.ok_or(Errno::EINVAL)?);
    } else {
        cx.put(at, &u64::from(inode.common().write_hint()))?;
    }
    Ok(0)
}
