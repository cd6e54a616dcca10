//! Message queues: `msgget(2)`, `msgop(2)`, `msgctl(2)`.

use abi::Errno;
use abi::ipc::*;
use kcore::addr::GuestAddr;
use kcore::io::{IoError, IoResult};
use kcore::user::{UserMemory, UserPtr};
use kcore::wait::{Events, WaitSet};
use task::ipc::{Message, Name, QueueInfo, Take};

use super::super::SysResult;
use super::{Caller, get, id, int};
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;

/// Bytes of a message's type in memory.
const KIND_SIZE: u64 = 8;

/// `msgget(2)`. Errors: as [`task::ipc::MsgTable::msgget`].
pub(in crate::syscall) fn msgget(cx: &mut CurrentTask, key: i32, flags: u32) -> SysResult {
    let caller = Caller::of(cx);
    id(cx.task.ipc().msg.msgget(key, flags, &caller.asker())?)
}

/// `msgsnd(2)`, [`msgop(2)`]. Errors: `EINVAL` for a number, size or type that is none; `EACCES`, `EFAULT`; `EAGAIN` for a full queue with
/// `IPC_NOWAIT`; `EIDRM`; `EINTR`, again unless a handler ran.
///
/// [`msgop(2)`]: https://man7.org/linux/man-pages/man2/msgop.2.html
pub(in crate::syscall) async fn msgsnd(
    cx: &mut CurrentTask,
    msqid: i32,
    at: GuestAddr,
    size: usize,
    flags: u32,
) -> SysResult {
    let mem = &**cx.task.mm();
    let kind: i64 = get(cx, at)?;
    if msqid < 0 || size as u64 > cx.task.ipc().msg.msgmax.get() || kind < 1 {
        return Err(Errno::EINVAL);
    }
    let text = at.checked_add(KIND_SIZE).ok_or(Errno::EFAULT)?;
    let message = Message { kind, data: UserPtr::<u8>::new(text).read_vec(mem, size)?.into() };
    let attempt = || cx.task.ipc().msg.send(msqid, &message, &Caller::of(cx).asker());
    match attempt() {
        Err(IoError::Again) if flags & IPC_NOWAIT == 0 => wait(cx, msqid, attempt).await.map(|()| 0),
        done => done.map(|()| 0).map_err(IoError::errno),
    }
}

/// Repeats `attempt` at each change of a queue. That the queue is gone then means that it was removed.
async fn wait<T>(cx: &CurrentTask, msqid: i32, mut attempt: impl FnMut() -> IoResult<T>) -> Result<T, Errno> {
    let changes = cx.task.ipc().msg.changes(msqid)?;
    let set = WaitSet::one(&changes, Events::all());
    let attempt = || {
        attempt().map_err(|e| match e {
            IoError::Errno(Errno::EINVAL) => Errno::EIDRM.into(),
            e => e,
        })
    };
    match cx.wait(&set, None, attempt).await {
        Ok(v) => Ok(v),
        Err(WaitEnd::Failed(e)) => Err(e),
        Err(WaitEnd::TimedOut) => Err(Errno::EAGAIN),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::NoHandler)),
    }
}

/// `msgrcv(2)`, [`msgop(2)`]: the bytes of the message. Errors: `EINVAL` for a number, size or combination of flags that is none;
/// `EACCES`, `EFAULT`; `E2BIG` for a message that is longer; `ENOMSG` without one, with `IPC_NOWAIT`; `EIDRM`; `EINTR`, again unless a
/// handler ran.
///
/// [`msgop(2)`]: https://man7.org/linux/man-pages/man2/msgop.2.html
pub(in crate::syscall) async fn msgrcv(
    cx: &mut CurrentTask,
    msqid: i32,
    at: GuestAddr,
    size: usize,
    kind: i64,
    flags: u32,
) -> SysResult {
    if msqid < 0 || i64::try_from(size).is_err() {
        return Err(Errno::EINVAL);
    }
    let take = if flags & MSG_COPY != 0 {
        if flags & MSG_EXCEPT != 0 || flags & IPC_NOWAIT == 0 {
            return Err(Errno::EINVAL);
        }
        Take::Copy(kind)
    } else {
        match kind {
            0 => Take::Any,
            k if k < 0 => Take::UpTo(k.checked_neg().unwrap_or(i64::MAX)),
            k if flags & MSG_EXCEPT != 0 => Take::NotKind(k),
            k => Take::Kind(k),
        }
    };
    let cut = flags & MSG_NOERROR != 0;
    let attempt = || cx.task.ipc().msg.receive(msqid, take, size, cut, &Caller::of(cx).asker());
    let message = match attempt() {
        Ok(m) => m,
        Err(IoError::Again) if flags & IPC_NOWAIT != 0 => return Err(Errno::ENOMSG),
        Err(IoError::Again) => wait(cx, msqid, attempt).await?,
        Err(IoError::Errno(e)) => return Err(e),
    };
    cx.put(at, &message.kind)?;
    let data = message.data.get(..size).unwrap_or(&message.data);
    let text = at.checked_add(KIND_SIZE).ok_or(Errno::EFAULT)?;
    if cx.task.mm().copy_out(text, data) < data.len() {
        return Err(Errno::EFAULT);
    }
    Ok(data.len() as u64)
}

/// `msgctl(2)`. Errors: `EINVAL` for unknown commands and numbers, `EACCES`, `EPERM`, `EFAULT`.
pub(in crate::syscall) fn msgctl(cx: &mut CurrentTask, msqid: i32, cmd: u32, at: GuestAddr) -> SysResult {
    if msqid < 0 {
        return Err(Errno::EINVAL);
    }
    let caller = Caller::of(cx);
    let by = &caller.asker();
    let msg = &cx.task.ipc().msg;
    match cmd {
        IPC_INFO | MSG_INFO => info(cx, cmd == MSG_INFO, at),
        IPC_STAT | MSG_STAT | MSG_STAT_ANY => {
            let queue = match cmd {
                IPC_STAT => msg.stat(Name::Id(msqid), by)?,
                MSG_STAT => msg.stat(Name::Index(msqid), by)?,
                _ => msg.stat(Name::AnyIndex(msqid), by)?,
            };
            cx.put(at, &stat(&caller, &queue))?;
            if cmd == IPC_STAT { Ok(0) } else { id(queue.perm.id) }
        }
        IPC_SET => {
            let new: MsqidDs = get(cx, at)?;
            msg.set(msqid, &caller.new_perm(&new.msg_perm)?, new.msg_qbytes, by).map(|()| 0)
        }
        IPC_RMID => msg.remove(msqid, by).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}

/// `IPC_INFO` tells limits; `MSG_INFO` puts what there is in the place of three that mean nothing.
fn info(cx: &CurrentTask, used: bool, at: GuestAddr) -> SysResult {
    // What the header makes of the default limits.
    const MSGPOOL: i32 = 512_000;
    const MSGMAP: i32 = 16384;
    const MSGSSZ: i32 = 16;
    const MSGTQL: i32 = 16384;
    const MSGSEG: u16 = 0xffff;
    let msg = &cx.task.ipc().msg;
    let usage = msg.usage();
    let info = Msginfo {
        msgpool: if used { int(usage.queues) } else { MSGPOOL },
        msgmap: if used { int(usage.messages) } else { MSGMAP },
        msgmax: int(msg.msgmax.get()),
        msgmnb: int(msg.msgmnb.get()),
        msgmni: int(msg.msgmni.get()),
        msgssz: MSGSSZ,
        msgtql: if used { int(usage.bytes) } else { MSGTQL },
        msgseg: MSGSEG,
        ..Msginfo::default()
    };
    cx.put(at, &info)?;
    Ok(usage.max_index.into())
}

fn stat(caller: &Caller, q: &QueueInfo) -> MsqidDs {
    MsqidDs {
        msg_perm: caller.perm(&q.perm),
        msg_stime: q.stime,
        msg_rtime: q.rtime,
        msg_ctime: q.ctime,
        msg_cbytes: q.bytes,
        msg_qnum: q.messages as u64,
        msg_qbytes: q.max_bytes,
        msg_lspid: caller.number(q.lspid.as_ref()),
        msg_lrpid: caller.number(q.lrpid.as_ref()),
        ..MsqidDs::default()
    }
}
