//! Semaphores: `semget(2)`, `semop(2)`, `semctl(2)`.

use alloc::vec::Vec;

use abi::Errno;
use abi::ipc::*;
use kcore::addr::GuestAddr;
use kcore::host::Nanos;
use kcore::io::IoError;
use kcore::user::UserPtr;
use kcore::wait::{Events, WaitSet};
use task::ipc::{Name, SEMAEM, SEMVMX, SemOp, Which};

use super::super::SysResult;
use super::super::args::low_int;
use super::super::time::read_timespec;
use super::{Caller, get, id, int};
use crate::current::{CurrentTask, WaitEnd};

/// What `seminfo.semusz` has always been.
const SEMUSZ: i32 = 20;

/// `semget(2)`. Errors: as [`task::ipc::SemTable::semget`].
pub(in crate::syscall) fn semget(cx: &mut CurrentTask, key: i32, count: i32, flags: u32) -> SysResult {
    let caller = Caller::of(cx);
    id(cx.task.ipc().sem.semget(key, count, flags, &caller.asker())?)
}

/// `semop(2)`. Errors: as [`semtimedop`].
pub(in crate::syscall) async fn semop(
    cx: &mut CurrentTask,
    semid: i32,
    ops: UserPtr<Sembuf>,
    count: u32,
) -> SysResult {
    operate(cx, semid, ops, count, None).await
}

/// `semtimedop(2)`. Errors: as [`task::ipc::SemTable::semop`]; `E2BIG` for too many operations, `EAGAIN` at the end of the time, `EIDRM`,
/// `EFAULT`, `EINTR` in any case.
pub(in crate::syscall) async fn semtimedop(
    cx: &mut CurrentTask,
    semid: i32,
    ops: UserPtr<Sembuf>,
    count: u32,
    timeout: GuestAddr,
) -> SysResult {
    if timeout.is_null() {
        return operate(cx, semid, ops, count, None).await;
    }
    let timeout = read_timespec(cx, timeout)?;
    let deadline = cx.kernel().host().clock.monotonic().saturating_add(timeout);
    operate(cx, semid, ops, count, Some(deadline)).await
}

async fn operate(
    cx: &mut CurrentTask,
    semid: i32,
    ops: UserPtr<Sembuf>,
    count: u32,
    deadline: Option<Nanos>,
) -> SysResult {
    if count < 1 || semid < 0 {
        return Err(Errno::EINVAL);
    }
    let sem = &cx.task.ipc().sem;
    if u64::from(count) > sem.semopm.get() {
        return Err(Errno::E2BIG);
    }
    let count = usize::try_from(count).map_err(|_| Errno::E2BIG)?;
    let ops: Vec<SemOp> = ops.read_vec(&**cx.task.mm(), count)?.into_iter().map(operation).collect();
    let caller = Caller::of(cx);
    let Some(waiter) = sem.semop(semid, ops, &cx.task.parts().undo, &caller.asker())? else { return Ok(0) };
    let set = WaitSet::one(waiter.queue(), Events::all());
    let outcome = || match waiter.outcome() {
        Some(outcome) => outcome.map_err(IoError::Errno),
        None => Err(IoError::Again),
    };
    match cx.wait(&set, deadline, outcome).await {
        Ok(()) => Ok(0),
        Err(WaitEnd::Failed(e)) => Err(e),
        // Neither a time that is over nor a signal undoes what was done meanwhile.
        Err(end) => match sem.cancel(&waiter) {
            Some(outcome) => outcome.map(|()| 0),
            None if end == WaitEnd::TimedOut => Err(Errno::EAGAIN),
            None => Err(Errno::EINTR),
        },
    }
}

fn operation(s: Sembuf) -> SemOp {
    let has = |flag: u32| u32::from(s.sem_flg) & flag != 0;
    SemOp { num: s.sem_num, op: s.sem_op, nowait: has(IPC_NOWAIT), undo: has(SEM_UNDO) }
}

/// `semctl(2)`. Errors: `EINVAL` for unknown commands and numbers, `ERANGE` for values, `EACCES`, `EPERM`, `EFAULT`.
pub(in crate::syscall) fn semctl(
    cx: &mut CurrentTask,
    semid: i32,
    num: i32,
    cmd: u32,
    arg: u64,
) -> SysResult {
    if semid < 0 {
        return Err(Errno::EINVAL);
    }
    let caller = Caller::of(cx);
    let by = &caller.asker();
    let sem = &cx.task.ipc().sem;
    let at = GuestAddr(arg);
    match cmd {
        IPC_INFO | SEM_INFO => info(cx, cmd == SEM_INFO, at),
        IPC_STAT | SEM_STAT | SEM_STAT_ANY => {
            let set = match cmd {
                IPC_STAT => sem.stat(Name::Id(semid), by)?,
                SEM_STAT => sem.stat(Name::Index(semid), by)?,
                _ => sem.stat(Name::AnyIndex(semid), by)?,
            };
            let ds = SemidDs {
                sem_perm: caller.perm(&set.perm),
                sem_otime: set.otime,
                sem_ctime: set.ctime,
                sem_nsems: set.count as u64,
                ..SemidDs::default()
            };
            cx.put(at, &ds)?;
            if cmd == IPC_STAT { Ok(0) } else { id(set.perm.id) }
        }
        GETALL => {
            for (i, value) in sem.values(semid, by)?.into_iter().enumerate() {
                let value = u16::try_from(value).unwrap_or(u16::MAX);
                let at = at.checked_add(i as u64 * 2).ok_or(Errno::EFAULT)?;
                cx.put(at, &value)?;
            }
            Ok(0)
        }
        GETVAL => sem.get(semid, num, Which::Value, by),
        GETNCNT => sem.get(semid, num, Which::WaitingToGrow, by),
        GETZCNT => sem.get(semid, num, Which::WaitingForZero, by),
        GETPID => id(caller.number(sem.last_pid(semid, num, by)?.as_ref())),
        SETVAL => sem.set_value(semid, num, low_int(arg), by).map(|()| 0),
        SETALL => {
            let count = sem.may_set_values(semid, by)?;
            let values = UserPtr::<u16>::new(at).read_vec(&**cx.task.mm(), count)?;
            sem.set_values(semid, &values, by).map(|()| 0)
        }
        IPC_SET => {
            let new: SemidDs = get(cx, at)?;
            sem.set(semid, &caller.new_perm(&new.sem_perm)?, by).map(|()| 0)
        }
        IPC_RMID => sem.remove(semid, by).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}

/// `IPC_INFO` tells limits; `SEM_INFO` puts what there is in the place of two that mean nothing.
fn info(cx: &CurrentTask, used: bool, at: GuestAddr) -> SysResult {
    let sem = &cx.task.ipc().sem;
    let usage = sem.usage();
    let (semmns, semopm) = (int(sem.semmns.get()), int(sem.semopm.get()));
    let info = Seminfo {
        semmap: semmns,
        semmni: int(sem.semmni.get()),
        semmns,
        semmnu: semmns,
        semmsl: int(sem.semmsl.get()),
        semopm,
        semume: semopm,
        semusz: if used { int(usage.sets) } else { SEMUSZ },
        semvmx: SEMVMX,
        semaem: if used { int(usage.semaphores) } else { SEMAEM },
    };
    cx.put(at, &info)?;
    Ok(usage.max_index.into())
}
