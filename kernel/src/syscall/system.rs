//! System calls about the machine.

use alloc::vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::user::{UserMemory, UserPtr};

use super::SysResult;
use crate::current::CurrentTask;
use crate::uts::{self, UtsName};

/// What `uname(2)` calls the system.
pub(crate) const SYSNAME: &str = "Linux";
/// The release that `uname(2)` reports: the newest long-term Linux whose behaviour is followed.
pub(crate) const RELEASE: &str = "6.12.0-picket";
/// The version that `uname(2)` reports.
pub(crate) const VERSION: &str = "#1 SMP PREEMPT_DYNAMIC";

#[cfg(target_arch = "x86_64")]
const MACHINE: &str = "x86_64";
#[cfg(target_arch = "aarch64")]
const MACHINE: &str = "aarch64";

/// `uname(2)`.
pub(super) fn uname(cx: &mut CurrentTask, buf: GuestAddr) -> SysResult {
    const FIELD: usize = 65;
    let (host, domain) = (cx.task.uts().get(UtsName::Host), cx.task.uts().get(UtsName::Domain));
    let fields =
        [SYSNAME.as_bytes(), &host, RELEASE.as_bytes(), VERSION.as_bytes(), MACHINE.as_bytes(), &domain];
    let mut raw = [0u8; FIELD * 6];
    for (slot, text) in raw.chunks_exact_mut(FIELD).zip(fields) {
        let n = text.len().min(FIELD - 1);
        slot[..n].copy_from_slice(&text[..n]);
    }
    cx.put(buf, &raw)?;
    Ok(0)
}

/// `sethostname(2)`. Errors: `EPERM` without `CAP_SYS_ADMIN`, `EINVAL` for a length that is none, `EFAULT`.
pub(super) fn sethostname(cx: &mut CurrentTask, name: UserPtr<u8>, len: i32) -> SysResult {
    set_name(cx, UtsName::Host, name, len)
}

/// `setdomainname(2)`. Errors: as [`sethostname`].
pub(super) fn setdomainname(cx: &mut CurrentTask, name: UserPtr<u8>, len: i32) -> SysResult {
    set_name(cx, UtsName::Domain, name, len)
}

fn set_name(cx: &mut CurrentTask, which: UtsName, name: UserPtr<u8>, len: i32) -> SysResult {
    let (uts, cred) = (cx.task.uts(), cx.task.cred());
    if !cred.has_cap_in(Cap::SysAdmin, uts.user_ns()) {
        return Err(Errno::EPERM);
    }
    let len = usize::try_from(len).ok().filter(|n| *n <= uts::NAME_MAX).ok_or(Errno::EINVAL)?;
    let name = name.read_vec(&**cx.task.mm(), len)?;
    uts.set(which, &name, &cred).map(|()| 0)
}

/// `getrandom(2)`. Never blocks: the host's pool is ready.
pub(super) fn getrandom(cx: &mut CurrentTask, buf: GuestAddr, n: usize, flags: u32) -> SysResult {
    const GRND_RANDOM: u32 = 2;
    const GRND_INSECURE: u32 = 4;
    if flags & !7 != 0 || flags & (GRND_RANDOM | GRND_INSECURE) == GRND_RANDOM | GRND_INSECURE {
        return Err(Errno::EINVAL);
    }
    let n = n.min(0x1ff_ffff);
    let mut chunk = vec![0u8; n.min(4096)];
    let mut done = 0;
    while done < n {
        let part = &mut chunk[..(n - done).min(4096)];
        cx.kernel().host().entropy.fill(part);
        let at = buf.checked_add(done as u64).ok_or(Errno::EFAULT)?;
        let stored = cx.task.mm().copy_out(at, part);
        done += stored;
        if stored < part.len() {
            break;
        }
    }
    if done == 0 && n > 0 { Err(Errno::EFAULT) } else { Ok(done as u64) }
}
