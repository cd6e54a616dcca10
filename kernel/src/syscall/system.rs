//! System calls about the machine.

use alloc::vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::io::{IoError, IoResult};
use kcore::user::{UserMemory, UserPtr, Write};
use kcore::wait::WaitSet;

use super::SysResult;
use crate::current::{CurrentTask, WaitEnd};
use crate::personality;
use crate::restart::Restart;
use crate::usage::LOAD_SHIFT;
use crate::uts::{self, UtsName};

/// What `uname(2)` calls the system.
pub(crate) const SYSNAME: &str = "Linux";
/// The release that `uname(2)` reports: the newest long-term Linux whose behaviour is followed.
pub(crate) const RELEASE: &str = "6.12.0-picket";
/// The version that `uname(2)` reports.
pub(crate) const VERSION: &str = "#1 SMP PREEMPT_DYNAMIC";

/// The kind of machine that `uname(2)` reports.
#[cfg(target_arch = "x86_64")]
pub(crate) const MACHINE: &str = "x86_64";
/// The kind of machine that `uname(2)` reports.
#[cfg(target_arch = "aarch64")]
pub(crate) const MACHINE: &str = "aarch64";

/// `uname(2)`.
pub(super) fn uname(cx: &mut CurrentTask, buf: GuestAddr) -> SysResult {
    const FIELD: usize = 65;
    let (host, domain) = (cx.task.uts().get(UtsName::Host), cx.task.uts().get(UtsName::Domain));
    let release = personality::release(&cx.task.core, RELEASE);
    let machine = personality::machine(&cx.task.core, MACHINE);
    let fields =
        [SYSNAME.as_bytes(), &host, release.as_bytes(), VERSION.as_bytes(), machine.as_bytes(), &domain];
    let mut raw = [0u8; FIELD * 6];
    for (slot, text) in raw.chunks_exact_mut(FIELD).zip(fields) {
        let n = text.len().min(FIELD - 1);
        slot[..n].copy_from_slice(&text[..n]);
    }
    cx.put(buf, &raw)?;
    Ok(0)
}

/// [`vhangup(2)`](https://man7.org/linux/man-pages/man2/vhangup.2.html). Errors: `EPERM` without `CAP_SYS_TTY_CONFIG`.
pub(super) fn vhangup(cx: &mut CurrentTask) -> SysResult {
    if !cx.task.cred().has_cap_everywhere(Cap::SysTtyConfig) {
        return Err(Errno::EPERM);
    }
    cx.hang_up_tty();
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

/// `sysinfo(2)`. Errors: `EFAULT`.
pub(super) fn sysinfo(cx: &mut CurrentTask, out: GuestAddr) -> SysResult {
    const SI_LOAD_SHIFT: u32 = 16;
    const SECOND: u64 = 1_000_000_000;
    let kernel = cx.kernel();
    let now = kernel.host().clock.monotonic();
    let loads = kernel.load().averages(kernel, now).map(|l| l << (SI_LOAD_SHIFT - LOAD_SHIFT));
    let memory = kernel.memory_use();
    let processes = u16::try_from(kernel.processes().tasks().len()).unwrap_or(u16::MAX);
    let mut words = [0u64; 14];
    words[0] = now / SECOND;
    words[1..4].copy_from_slice(&loads);
    words[4..7].copy_from_slice(&[memory.total, memory.free(), memory.shmem]);
    words[10] = processes.into();
    // The unit of the sizes is the byte.
    words[13] = 1;
    cx.put(out, &words).map(|()| 0)
}

/// `getcpu(2)`: a processor that the thread may run on. Which one it is right now, nothing can rely on.
pub(super) fn getcpu(cx: &mut CurrentTask, cpu: GuestAddr, node: GuestAddr, _unused: GuestAddr) -> SysResult {
    let allowed = cx.task.core.with_fields(|f| f.sched.affinity);
    let first = allowed.iter().zip(0u32..).find(|(word, _)| **word != 0);
    let number = first.map_or(0, |(word, i)| i * 64 + word.trailing_zeros());
    for (at, value) in [(cpu, number), (node, 0)] {
        if !at.is_null() {
            cx.put(at, &value)?;
        }
    }
    Ok(0)
}

/// `syslog(2)`. The kernel writes nothing into its log, which is thus empty.
///
/// Errors: `EPERM` without `CAP_SYSLOG`, but for reading what there is; `EINVAL` for an unknown action or bad arguments.
pub(super) async fn syslog(
    cx: &mut CurrentTask,
    action: i32,
    buf: UserPtr<u8, Write>,
    len: i32,
) -> SysResult {
    const READ: i32 = 2;
    const READ_ALL: i32 = 3;
    const READ_CLEAR: i32 = 4;
    const CONSOLE_LEVEL: i32 = 8;
    const SIZE_BUFFER: i32 = 10;
    const BUFFER: u64 = 1 << 17;
    if !matches!(action, READ_ALL | SIZE_BUFFER) && !cx.task.cred().has_cap_everywhere(Cap::Syslog) {
        return Err(Errno::EPERM);
    }
    match action {
        READ | READ_ALL | READ_CLEAR if buf.is_null() || len < 0 => Err(Errno::EINVAL),
        READ if len > 0 => {
            let nothing = || -> IoResult<u64> { Err(IoError::Again) };
            match cx.wait(&WaitSet::new(), None, nothing).await {
                Ok(n) => Ok(n),
                Err(WaitEnd::Failed(e)) => Err(e),
                Err(WaitEnd::Interrupted | WaitEnd::TimedOut) => Err(cx.interrupted(Restart::Sys)),
            }
        }
        CONSOLE_LEVEL if !(1..=8).contains(&len) => Err(Errno::EINVAL),
        SIZE_BUFFER => Ok(BUFFER),
        0..=9 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
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
