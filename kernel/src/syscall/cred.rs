//! System calls on users, groups and capabilities, [`credentials(7)`](https://man7.org/linux/man-pages/man7/credentials.7.html).

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::cred::{CapSet, Credentials};
use kcore::id::{Gid, Pid, Uid};
use kcore::user::{UserMemory, UserPtr};
use task::cred_ops;
use zerocopy::IntoBytes;

use super::SysResult;
use crate::current::CurrentTask;

/// Most supplementary groups of a task.
const NGROUPS_MAX: usize = 65536;
/// What leaves a number as it is.
const KEEP: u32 = u32::MAX;

/// Makes the caller somebody else. One who gains or changes an identity is not traced or dumped as before, and forgets the signal that it wants at its
/// parent's death.
pub(super) fn commit(cx: &mut CurrentTask, new: Credentials) -> SysResult {
    let core = &cx.task.core;
    let old = core.cred();
    let changed = old.euid != new.euid
        || old.egid != new.egid
        || old.fsuid != new.fsuid
        || old.fsgid != new.fsgid
        || !Arc::ptr_eq(&old.user_ns, &new.user_ns)
        || !new.permitted.is_subset(old.permitted);
    if changed {
        core.group().set_dumpable(0);
        core.with_fields(|f| f.pdeath_signal = None);
    }
    cx.task.set_cred(Arc::new(new));
    Ok(0)
}

fn uid(c: &Credentials, n: u32) -> Result<Uid, Errno> {
    c.user_ns.uid(n).ok_or(Errno::EINVAL)
}
fn gid(c: &Credentials, n: u32) -> Result<Gid, Errno> {
    c.user_ns.gid(n).ok_or(Errno::EINVAL)
}
/// A number that may be left as it is. Errors: `EINVAL` for one that is not mapped.
fn some_uid(c: &Credentials, n: u32) -> Result<Option<Uid>, Errno> {
    if n == KEEP { Ok(None) } else { uid(c, n).map(Some) }
}
fn some_gid(c: &Credentials, n: u32) -> Result<Option<Gid>, Errno> {
    if n == KEEP { Ok(None) } else { gid(c, n).map(Some) }
}

/// `getuid(2)`.
pub(super) fn getuid(cx: &mut CurrentTask) -> SysResult {
    let c = cx.task.cred();
    Ok(c.user_ns.show_uid(c.uid).into())
}

/// `geteuid(2)`.
pub(super) fn geteuid(cx: &mut CurrentTask) -> SysResult {
    let c = cx.task.cred();
    Ok(c.user_ns.show_uid(c.euid).into())
}

/// `getgid(2)`.
pub(super) fn getgid(cx: &mut CurrentTask) -> SysResult {
    let c = cx.task.cred();
    Ok(c.user_ns.show_gid(c.gid).into())
}

/// `getegid(2)`.
pub(super) fn getegid(cx: &mut CurrentTask) -> SysResult {
    let c = cx.task.cred();
    Ok(c.user_ns.show_gid(c.egid).into())
}

/// `setuid(2)`. Errors: `EINVAL`, `EPERM`.
pub(super) fn setuid(cx: &mut CurrentTask, n: u32) -> SysResult {
    let c = cx.task.cred();
    commit(cx, cred_ops::setuid(&c, uid(&c, n)?)?)
}

/// `setgid(2)`. Errors: `EINVAL`, `EPERM`.
pub(super) fn setgid(cx: &mut CurrentTask, n: u32) -> SysResult {
    let c = cx.task.cred();
    commit(cx, cred_ops::setgid(&c, gid(&c, n)?)?)
}

/// `setreuid(2)`. Errors: `EINVAL`, `EPERM`.
pub(super) fn setreuid(cx: &mut CurrentTask, r: u32, e: u32) -> SysResult {
    let c = cx.task.cred();
    commit(cx, cred_ops::setreuid(&c, some_uid(&c, r)?, some_uid(&c, e)?)?)
}

/// `setregid(2)`. Errors: `EINVAL`, `EPERM`.
pub(super) fn setregid(cx: &mut CurrentTask, r: u32, e: u32) -> SysResult {
    let c = cx.task.cred();
    commit(cx, cred_ops::setregid(&c, some_gid(&c, r)?, some_gid(&c, e)?)?)
}

/// `setresuid(2)`. Errors: `EINVAL`, `EPERM`.
pub(super) fn setresuid(cx: &mut CurrentTask, r: u32, e: u32, s: u32) -> SysResult {
    let c = cx.task.cred();
    commit(cx, cred_ops::setresuid(&c, some_uid(&c, r)?, some_uid(&c, e)?, some_uid(&c, s)?)?)
}

/// `setresgid(2)`. Errors: `EINVAL`, `EPERM`.
pub(super) fn setresgid(cx: &mut CurrentTask, r: u32, e: u32, s: u32) -> SysResult {
    let c = cx.task.cred();
    commit(cx, cred_ops::setresgid(&c, some_gid(&c, r)?, some_gid(&c, e)?, some_gid(&c, s)?)?)
}

/// `getresuid(2)`. Errors: `EFAULT`.
pub(super) fn getresuid(cx: &mut CurrentTask, r: GuestAddr, e: GuestAddr, s: GuestAddr) -> SysResult {
    let c = cx.task.cred();
    for (at, id) in [(r, c.uid), (e, c.euid), (s, c.suid)] {
        cx.put(at, &c.user_ns.show_uid(id))?;
    }
    Ok(0)
}

/// `getresgid(2)`. Errors: `EFAULT`.
pub(super) fn getresgid(cx: &mut CurrentTask, r: GuestAddr, e: GuestAddr, s: GuestAddr) -> SysResult {
    let c = cx.task.cred();
    for (at, id) in [(r, c.gid), (e, c.egid), (s, c.sgid)] {
        cx.put(at, &c.user_ns.show_gid(id))?;
    }
    Ok(0)
}

/// `setfsuid(2)`: the number before, whether or not it could be changed.
pub(super) fn setfsuid(cx: &mut CurrentTask, n: u32) -> SysResult {
    let c = cx.task.cred();
    if let Some(new) = c.user_ns.uid(n).and_then(|u| cred_ops::setfsuid(&c, u)) {
        commit(cx, new)?;
    }
    Ok(c.user_ns.show_uid(c.fsuid).into())
}

/// `setfsgid(2)`: the number before, whether or not it could be changed.
pub(super) fn setfsgid(cx: &mut CurrentTask, n: u32) -> SysResult {
    let c = cx.task.cred();
    if let Some(new) = c.user_ns.gid(n).and_then(|g| cred_ops::setfsgid(&c, g)) {
        commit(cx, new)?;
    }
    Ok(c.user_ns.show_gid(c.fsgid).into())
}

/// `getgroups(2)`: how many there are; a size of 0 only asks. Errors: `EINVAL`, `EFAULT`.
pub(super) fn getgroups(cx: &mut CurrentTask, size: i32, list: GuestAddr) -> SysResult {
    let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    let c = cx.task.cred();
    if size > 0 {
        if c.groups.len() > size {
            return Err(Errno::EINVAL);
        }
        let shown: Vec<u32> = c.groups.iter().map(|g| c.user_ns.show_gid(*g)).collect();
        let bytes = shown.as_bytes();
        if cx.task.mm().copy_out(list, bytes) < bytes.len() {
            return Err(Errno::EFAULT);
        }
    }
    Ok(c.groups.len() as u64)
}

/// `setgroups(2)`. Errors: `EPERM`, `EINVAL`, `EFAULT`.
pub(super) fn setgroups(cx: &mut CurrentTask, size: usize, list: UserPtr<u32>) -> SysResult {
    let c = cx.task.cred();
    // Whether the caller may comes before what it asks for.
    cred_ops::setgroups(&c, Vec::new())?;
    if size > NGROUPS_MAX {
        return Err(Errno::EINVAL);
    }
    let numbers = list.read_vec(&**cx.task.mm(), size)?;
    let groups = numbers.into_iter().map(|n| gid(&c, n)).collect::<Result<_, _>>()?;
    commit(cx, cred_ops::setgroups(&c, groups)?)
}

/// Checks `struct __user_cap_header_struct`: the number of data elements that its version has, and its pid. The present version is stored
/// for one that is not known. Errors: `EFAULT`, `EINVAL`.
fn cap_header(cx: &CurrentTask, header: GuestAddr) -> Result<(usize, i32), Errno> {
    const V1: u32 = 0x1998_0330;
    const V2: u32 = 0x2007_1026;
    const V3: u32 = 0x2008_0522;
    let [version, pid] = UserPtr::<[u32; 2]>::new(header).read(&**cx.task.mm())?;
    let elements = match version {
        V1 => 1,
        V2 | V3 => 2,
        _ => {
            cx.put(header, &V3)?;
            return Err(Errno::EINVAL);
        }
    };
    Ok((elements, pid.cast_signed()))
}

/// `capget(2)`. Errors: `EFAULT`, `EINVAL`, `ESRCH`.
pub(super) fn capget(cx: &mut CurrentTask, header: GuestAddr, data: GuestAddr) -> SysResult {
    let (elements, pid) = match cap_header(cx, header) {
        Err(Errno::EINVAL) if data.is_null() => return Ok(0),
        other => other?,
    };
    if data.is_null() {
        return Ok(0);
    }
    if pid < 0 {
        return Err(Errno::EINVAL);
    }
    let c = if pid == 0 {
        cx.task.cred()
    } else {
        let found = cx.kernel.processes().task(&cx.task.core.pid_ns(), Pid(pid));
        found.ok_or(Errno::ESRCH)?.cred()
    };
    let sets = [c.effective.0, c.permitted.0, c.inheritable.0];
    // The low words of the three sets, then the high ones.
    let words: Vec<u8> = (0..elements)
        .flat_map(|i| sets.iter().flat_map(move |s| s.to_le_bytes().into_iter().skip(4 * i).take(4)))
        .collect();
    if cx.task.mm().copy_out(data, &words) < words.len() { Err(Errno::EFAULT) } else { Ok(0) }
}

/// `capset(2)`. Errors: `EFAULT`, `EINVAL`, `EPERM`, also for other tasks than the caller.
pub(super) fn capset(cx: &mut CurrentTask, header: GuestAddr, data: UserPtr<[u32; 3]>) -> SysResult {
    let (elements, pid) = cap_header(cx, header)?;
    if pid != 0 && Pid(pid) != cx.task.tid() {
        return Err(Errno::EPERM);
    }
    let mut sets = [0u64; 3];
    for (i, words) in data.read_vec(&**cx.task.mm(), elements)?.into_iter().enumerate() {
        for (set, word) in sets.iter_mut().zip(words) {
            *set |= u64::from(word) << (32 * i);
        }
    }
    let [effective, permitted, inheritable] = sets.map(|s| CapSet(s).and(CapSet::ALL));
    commit(cx, cred_ops::capset(&cx.task.cred(), effective, permitted, inheritable)?)
}
