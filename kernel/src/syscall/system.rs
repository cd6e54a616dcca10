//! System calls about the machine.

use alloc::vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::user::UserMemory;

use super::SysResult;
use crate::current::CurrentTask;

/// The release that `uname(2)` reports: the newest long-term Linux whose behaviour is followed.
const RELEASE: &str = "6.12.0-picket";

/// `uname(2)`.
pub(super) fn uname(cx: &mut CurrentTask, buf: GuestAddr) -> SysResult {
    const FIELD: usize = 65;
    let fields = ["Linux", cx.kernel().hostname(), RELEASE, "#1 SMP PREEMPT_DYNAMIC", "x86_64", "(none)"];
    let mut raw = [0u8; FIELD * 6];
    for (slot, text) in raw.chunks_exact_mut(FIELD).zip(fields) {
        let n = text.len().min(FIELD - 1);
        slot[..n].copy_from_slice(&text.as_bytes()[..n]);
    }
    cx.put(buf, &raw)?;
    Ok(0)
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
