//! System V IPC, `sysvipc(7)`.

mod msg;
mod sem;
mod shm;

pub(super) use msg::{msgctl, msgget, msgrcv, msgsnd};
pub(super) use sem::{semctl, semget, semop, semtimedop};
pub(super) use shm::{shmat, shmctl, shmdt, shmget};

use alloc::sync::Arc;

use abi::Errno;
use abi::ipc::IpcPerm;
use kcore::addr::GuestAddr;
use kcore::cred::Credentials;
use kcore::user::UserPtr;
use task::PidNode;
use task::ipc::{Asker, NewPerm, Perm, SemUndo};

use super::SysResult;
use crate::current::CurrentTask;

const SECOND: u64 = 1_000_000_000;

/// Who makes a call, for as long as it lasts.
struct Caller {
    cred: Arc<Credentials>,
    pid: Arc<PidNode>,
    now: i64,
}

impl Caller {
    fn of(cx: &CurrentTask) -> Caller {
        let now = i64::try_from(cx.kernel().host().clock.realtime() / SECOND).unwrap_or(i64::MAX);
        Caller { cred: cx.task.cred(), pid: cx.task.core.group().pid().clone(), now }
    }
    fn asker(&self) -> Asker<'_> {
        Asker { cred: &self.cred, pid: &self.pid, now: self.now }
    }
    /// A process as the caller knows it; 0 for none and for one that it cannot see.
    fn number(&self, pid: Option<&Arc<PidNode>>) -> i32 {
        pid.map_or(0, |p| p.in_ns(self.pid.ns()).0)
    }
    fn perm(&self, p: &Perm) -> IpcPerm {
        let ns = &self.cred.user_ns;
        IpcPerm {
            key: p.key,
            uid: ns.show_uid(p.uid),
            gid: ns.show_gid(p.gid),
            cuid: ns.show_uid(p.cuid),
            cgid: ns.show_gid(p.cgid),
            mode: p.mode,
            seq: p.seq(),
            ..IpcPerm::default()
        }
    }
    /// What `IPC_SET` asks for. Errors: `EINVAL` for users that the caller's namespace does not have.
    fn new_perm(&self, p: &IpcPerm) -> Result<NewPerm, Errno> {
        let ns = &self.cred.user_ns;
        let (uid, gid) = (ns.uid(p.uid).ok_or(Errno::EINVAL)?, ns.gid(p.gid).ok_or(Errno::EINVAL)?);
        Ok(NewPerm { uid, gid, mode: p.mode })
    }
}

/// A structure of the guest's. Errors: `EFAULT`.
fn get<T: zerocopy::FromBytes + zerocopy::IntoBytes>(cx: &CurrentTask, at: GuestAddr) -> Result<T, Errno> {
    UserPtr::<T>::new(at).read(&**cx.task.mm())
}

/// A count for a structure with `int` fields.
fn int<T>(n: T) -> i32
where
    i32: TryFrom<T>,
{
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn id(id: i32) -> SysResult {
    u64::try_from(id).map_err(|_| Errno::EINVAL)
}

/// A task ends: the adjustments for which it stands are made, and its segments know when it left.
pub(crate) fn leave_ipc(cx: &CurrentTask) {
    leave_memory(cx);
    let undo = &cx.task.parts().undo;
    if undo.leave() {
        cx.task.ipc().sem.undo(undo, &Caller::of(cx).asker());
    }
}

/// The task gives up its adjustments, and begins with none.
pub(super) fn renew_undo(cx: &mut CurrentTask) {
    let undo = cx.task.parts().undo.clone();
    if undo.leave() {
        cx.task.ipc().sem.undo(&undo, &Caller::of(cx).asker());
    }
    let fresh = SemUndo::new();
    fresh.enter();
    cx.task.change_parts(|p| p.undo = fresh);
}

/// A task leaves its address space: if it is the last one, its segments know.
pub(super) fn leave_memory(cx: &CurrentTask) {
    if cx.task.is_last_in_memory() {
        shm::detach_all(cx);
    }
}
