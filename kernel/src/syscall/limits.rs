//! Resource limits, [`getrlimit(2)`](https://man7.org/linux/man-pages/man2/getrlimit.2.html).

use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::Pid;
use kcore::user::UserPtr;
use task::rlimit::{Resource, Rlimit};

use super::SysResult;
use crate::current::CurrentTask;
use crate::task::Resources;

/// Most descriptors that a limit may allow (`/proc/sys/fs/nr_open`).
const NR_OPEN: u64 = 1 << 20;

fn read_limit(cx: &CurrentTask, at: GuestAddr) -> Result<Rlimit, Errno> {
    let [cur, max] = UserPtr::<[u64; 2]>::new(at).read(&**cx.task.mm())?;
    Ok(Rlimit { cur, max })
}

/// What a change of limits means to the address space of the process.
pub(crate) fn space_limits(group: &task::ThreadGroup, privileged: bool) -> mm::Limits {
    let limits = group.rlimits();
    let get = |r| limits.get(r).cur;
    mm::Limits {
        as_bytes: get(Resource::As),
        data_bytes: get(Resource::Data),
        stack_bytes: get(Resource::Stack),
        memlock_bytes: if privileged { u64::MAX } else { get(Resource::Memlock) },
    }
}

fn set(cx: &CurrentTask, to: &Arc<task::Task>, r: Resource, new: Rlimit) -> Result<(), Errno> {
    if new.cur <= new.max && r == Resource::Nofile && new.max > NR_OPEN {
        return Err(Errno::EPERM);
    }
    let may_raise = cx.task.cred().has_cap_in(Cap::SysResource, cx.kernel.user_ns());
    to.group().set_rlimit(r, new, may_raise)?;
    if r == Resource::Cpu {
        super::itimer::watch_cpu_limit(cx.kernel(), to.group());
    }
    if let Some(mm) = to.resources::<Resources>().and_then(Resources::mm) {
        let privileged = to.cred().has_cap_in(Cap::IpcLock, cx.kernel.user_ns());
        mm.set_limits(space_limits(to.group(), privileged));
    }
    Ok(())
}

/// `getrlimit(2)`. Errors: `EINVAL`, `EFAULT`.
pub(super) fn getrlimit(cx: &mut CurrentTask, resource: u32, out: GuestAddr) -> SysResult {
    let l = cx.task.core.group().rlimit(Resource::new(resource)?);
    cx.put(out, &[l.cur, l.max])?;
    Ok(0)
}

/// `setrlimit(2)`. Errors: `EINVAL`, `EFAULT`, `EPERM`.
pub(super) fn setrlimit(cx: &mut CurrentTask, resource: u32, new: GuestAddr) -> SysResult {
    let new = read_limit(cx, new)?;
    set(cx, &cx.task.core, Resource::new(resource)?, new)?;
    Ok(0)
}

/// `prlimit(2)`. Errors: `EINVAL`, `EFAULT`, `ESRCH`, `EPERM`.
pub(super) fn prlimit64(
    cx: &mut CurrentTask,
    pid: Pid,
    resource: u32,
    new: GuestAddr,
    old: GuestAddr,
) -> SysResult {
    let new = if new.is_null() { None } else { Some(read_limit(cx, new)?) };
    let target = cx.other_task(pid)?;
    if !Arc::ptr_eq(target.group(), cx.task.core.group()) {
        let (me, it) = (cx.task.cred(), target.cred());
        let same = [it.euid, it.suid, it.uid] == [me.uid; 3] && [it.egid, it.sgid, it.gid] == [me.gid; 3];
        if !same && !me.has_cap_in(Cap::SysResource, &it.user_ns) {
            return Err(Errno::EPERM);
        }
    }
    let resource = Resource::new(resource)?;
    let was = target.group().rlimit(resource);
    if let Some(new) = new {
        set(cx, &target, resource, new)?;
    }
    if !old.is_null() {
        cx.put(old, &[was.cur, was.max])?;
    }
    Ok(0)
}
