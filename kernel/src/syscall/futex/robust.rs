//! Robust lists: what becomes of the locks of a thread that dies, `get_robust_list(2)`.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::id::Pid;
use kcore::user::UserPtr;
use task::futex::{OWNER_DIED, RobustEntry, TID_MASK, WAITERS, walk_robust_list};

use super::wake_at;
use crate::current::CurrentTask;
use crate::ptrace_access::{AccessMode, may_access};
use crate::syscall::SysResult;

/// Size of `struct robust_list_head`.
const HEAD_SIZE: usize = 24;

/// `set_robust_list(2)`. Errors: `EINVAL` for another size.
pub(in crate::syscall) fn set_robust_list(cx: &mut CurrentTask, head: GuestAddr, len: usize) -> SysResult {
    if len != HEAD_SIZE {
        return Err(Errno::EINVAL);
    }
    cx.task.core.with_fields(|f| f.robust_list = head.0);
    Ok(0)
}

/// `get_robust_list(2)`. Errors: `ESRCH`; `EPERM` for another user's thread; `EFAULT`.
pub(in crate::syscall) fn get_robust_list(
    cx: &mut CurrentTask,
    pid: Pid,
    head: GuestAddr,
    len: GuestAddr,
) -> SysResult {
    let me = &cx.task.core;
    let task = match pid {
        Pid(0) => me.clone(),
        _ => cx.kernel().processes().task(&me.pid_ns(), pid).ok_or(Errno::ESRCH)?,
    };
    may_access(&me.cred(), Some(me), &task, AccessMode::Real)?;
    cx.put(len, &(HEAD_SIZE as u64))?;
    cx.put(head, &task.with_fields(|f| f.robust_list))?;
    Ok(0)
}

/// Gives up all locks of a thread that ends, or executes another program: robust ones are marked and their next owner is woken,
/// and locks with waiters are handed over.
pub(crate) fn leave(cx: &CurrentTask) {
    let core = &cx.task.core;
    core.set_left_futexes(true);
    let head = core.with_fields(|f| core::mem::take(&mut f.robust_list));
    if head != 0 {
        let mm = cx.task.mm();
        let read = |at| UserPtr::<u64>::new(GuestAddr(at)).read(&**mm).ok();
        walk_robust_list(head, read, |entry| owner_died(cx, entry).is_some());
    }
    cx.kernel().futexes().owner_died(core.id());
}

/// Marks one lock, if the thread owns it. `None` if its word cannot be reached.
fn owner_died(cx: &CurrentTask, entry: RobustEntry) -> Option<()> {
    let (mm, addr) = (cx.task.mm(), GuestAddr(entry.word));
    let mut v = mm.load_u32(addr).ok()?;
    loop {
        let owner = v & TID_MASK;
        if entry.pending && !entry.pi && owner == 0 {
            // It had released the lock, and was about to wake.
            wake_at(cx, addr, 1).ok();
            return Some(());
        }
        if owner != cx.task.tid().0.cast_unsigned() {
            return Some(());
        }
        match mm.cmpxchg_u32(addr, v, v & WAITERS | OWNER_DIED).ok()? {
            Ok(_) => break,
            Err(found) => v = found,
        }
    }
    if !entry.pi && v & WAITERS != 0 {
        wake_at(cx, addr, 1).ok();
    }
    Some(())
}
