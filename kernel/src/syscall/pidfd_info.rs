//! What pidfds tell of their processes: `PIDFD_GET_INFO` of [`ioctl(2)`](https://man7.org/linux/man-pages/man2/PIDFD_GET_INFO.2const.html).

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::id::Pid;
use kcore::user::{UserMemory, UserPtr};
use zerocopy::IntoBytes;

use super::SysResult;
use crate::current::CurrentTask;
use crate::pidfd::Pidfd;

/// What a request asks for and an answer has.
const PIDFD_INFO_PID: u64 = 1;
const PIDFD_INFO_CREDS: u64 = 2;
const PIDFD_INFO_EXIT: u64 = 8;

/// The mask and the number of the cgroup, which processes here do not have.
type Head = [u64; 2];
/// The numbers of the process, its process and its parent; its users and groups: real, effective, saved, for files; how it ended.
type Body = [u32; 12];

const SIZE: usize = size_of::<Head>() + size_of::<Body>();

/// Whether an `ioctl` request is `PIDFD_GET_INFO`, for a structure of any size; says which.
pub(super) fn info_size(request: u32) -> Option<usize> {
    const READ_WRITE: u32 = 3 << 30;
    const TYPE: u32 = 0xff << 8;
    const NUMBER: u32 = 11;
    let size = request >> 16 & 0x3fff;
    (request & !(0x3fff << 16) == READ_WRITE | TYPE | NUMBER).then(|| usize::try_from(size).ok()).flatten()
}

/// `PIDFD_GET_INFO`. Errors: `EINVAL` without or with too short a structure; `EFAULT`; `ESRCH` for a process outside of the caller's pid
/// namespace, and for one that is gone unless its end is asked for.
pub(super) fn get_info(cx: &CurrentTask, pidfd: &Pidfd, size: usize, at: GuestAddr) -> SysResult {
    if at.is_null() || size < SIZE {
        return Err(Errno::EINVAL);
    }
    let asked = UserPtr::<u64>::new(at).read(&**cx.task.mm())?;
    let target = pidfd.target()?;
    let ns = cx.task.core.pid_ns();
    if target.pid.in_ns(&ns) == Pid(0) {
        return Err(Errno::ESRCH);
    }
    let mut mask = 0;
    let mut body: Body = [0; 12];
    let group = target.group();
    if asked & PIDFD_INFO_EXIT != 0 && !pidfd.is_thread() && group.is_reaped() {
        mask |= PIDFD_INFO_EXIT;
        body[11] = group.wait_status();
    }
    match cx.kernel.processes().task_of(&target.pid) {
        Some(task) => {
            let (cred, own) = (task.cred(), cx.task.cred());
            let users = &own.user_ns;
            let number = |p: Pid| u32::try_from(p.0).unwrap_or(0);
            let parent = cx.kernel.processes().parent(task.group());
            body[..3].copy_from_slice(&[
                number(task.tid_in(&ns)),
                number(task.group().tgid_in(&ns)),
                parent.map_or(0, |p| number(p.tgid_in(&ns))),
            ]);
            body[3..11].copy_from_slice(&[
                users.show_uid(cred.uid),
                users.show_gid(cred.gid),
                users.show_uid(cred.euid),
                users.show_gid(cred.egid),
                users.show_uid(cred.suid),
                users.show_gid(cred.sgid),
                users.show_uid(cred.fsuid),
                users.show_gid(cred.fsgid),
            ]);
            mask |= PIDFD_INFO_PID | PIDFD_INFO_CREDS;
        }
        None if mask == 0 => return Err(Errno::ESRCH),
        None => {}
    }
    let head: Head = [mask, 0];
    let bytes = [head.as_bytes(), body.as_bytes()].concat();
    if cx.task.mm().copy_out(at, &bytes) < bytes.len() { Err(Errno::EFAULT) } else { Ok(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_any_size() {
        assert_eq!(info_size(0xc040_ff0b), Some(64));
        assert_eq!(info_size(0xc048_ff0b), Some(72));
        assert_eq!(info_size(0xc040_ff0a), None);
        assert_eq!(info_size(0x8040_ff0b), None);
    }
}
