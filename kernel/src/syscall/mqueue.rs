//! POSIX message queues, [`mq_overview(7)`](https://man7.org/linux/man-pages/man7/mq_overview.7.html).

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::Errno;
use abi::ipc::MqAttr;
use abi::signal::info::SigEvent;
use abi::signal::number::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD};
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::host::Nanos;
use kcore::id::{Fd, Pid};
use kcore::io::{IoError, IoResult};
use kcore::user::{UserMemory, UserPtr};
use kcore::wait::{Events, WaitSet};
use task::rlimit::Resource;
use task::signal::{SigFields, SigInfo, Signal, code};
use task::{ProcessTable, Task, ThreadGroup};
use vfs::consts::{NAME_MAX, O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK, O_RDWR, O_WRONLY};
use vfs::fs::mqueue::{HARD_MSGMAX, HARD_MSGSIZEMAX, Notifier, PRIO_MAX, Queue, QueueSize};
use vfs::locks::LockOwner;
use vfs::ops;
use vfs::{FsView, OpCtx, OpenFile, Path};

use super::SysResult;
use super::path::{Caller, Name};
use super::time::read_timespec;
use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;

/// The directory of a caller's queues, seen as the root of all paths.
struct Directory<'t> {
    caller: Caller<'t>,
    root: Path,
    view: FsView,
}

impl<'t> Directory<'t> {
    fn of(cx: &'t CurrentTask) -> Directory<'t> {
        let mount = cx.task.parts().ipc.mqueue_mount.clone();
        let caller = Caller::new(cx);
        let root = Path { dentry: mount.root().clone(), mount };
        let view = FsView { root: root.clone(), cwd: root.clone(), ..FsView::clone(&caller.view) };
        Directory { caller, root, view }
    }
    fn ctx<'a>(&'a self, cx: &'a CurrentTask) -> OpCtx<'a> {
        OpCtx::new(cx.kernel().vfs(), &self.view, self.caller.cred)
    }
}

/// The name of a queue, which the C library gives without its slash. Errors: `EFAULT`, `ENOENT`, `EACCES`, `ENAMETOOLONG`.
fn read_name(cx: &CurrentTask, name: Name) -> Result<Vec<u8>, Errno> {
    let name = cx.read_path(name)?;
    match &name[..] {
        b"" => Err(Errno::ENOENT),
        b"." | b".." => Err(Errno::EACCES),
        n if n.contains(&b'/') => Err(Errno::EACCES),
        n if n.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
        _ => Ok(name.into_vec()),
    }
}

/// [`mq_open(3)`](https://man7.org/linux/man-pages/man3/mq_open.3.html). Errors: as there.
pub(super) fn mq_open(cx: &mut CurrentTask, name: Name, flags: u32, mode: u32, attr: GuestAddr) -> SysResult {
    let asked = match attr.is_null() {
        true => None,
        false => Some(UserPtr::<MqAttr>::new(attr).read(&**cx.task.mm())?),
    };
    let name = read_name(cx, name)?;
    let dir = Directory::of(cx);
    let ctx = dir.ctx(cx);
    let open = |place: &Path| {
        if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL {
            return Err(Errno::EEXIST.into());
        }
        if flags & O_ACCMODE == O_RDWR | O_WRONLY {
            return Err(Errno::EINVAL.into());
        }
        ops::open_path(&ctx, place, flags & (O_ACCMODE | O_NONBLOCK))
    };
    let file = match ops::lookup(&ctx, &name, false) {
        Ok(place) => open(&place),
        Err(Errno::ENOENT) if flags & O_CREAT != 0 => {
            let size = match asked {
                Some(a) => Some(size_of_queue(cx, &a)?),
                None => None,
            };
            let limit = cx.task.core.group().rlimit(Resource::Msgqueue).cur;
            let privileged = dir.caller.cred.has_cap_everywhere(Cap::SysResource);
            let fs = &cx.task.parts().ipc.mqueue;
            let made = ops::create_with(&ctx, &dir.root, &name, mode, |new| {
                fs.new_queue(&name, new, size.unwrap_or_else(|| fs.default_size()), limit, privileged)
            });
            match made {
                Ok(place) => ops::open_new(&ctx, &place, flags & (O_ACCMODE | O_NONBLOCK)),
                // Somebody was faster.
                Err(Errno::EEXIST) => open(&ops::lookup(&ctx, &name, false)?),
                Err(e) => Err(e.into()),
            }
        }
        Err(e) => Err(e.into()),
    };
    cx.install(file.map_err(IoError::errno)?, true)
}

/// What a new queue shall hold. Errors: `EINVAL` beyond the limits.
fn size_of_queue(cx: &CurrentTask, a: &MqAttr) -> Result<QueueSize, Errno> {
    let limits = cx.task.parts().ipc.mqueue.limits();
    let (messages, bytes) = if cx.task.cred().has_cap_everywhere(Cap::SysResource) {
        (HARD_MSGMAX, HARD_MSGSIZEMAX)
    } else {
        let get = |n: &AtomicU64| i64::try_from(n.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        (get(&limits.msg_max), get(&limits.msgsize_max))
    };
    let within = |n: i64, most: i64| u64::try_from(n).ok().filter(|n| *n > 0 && n.cast_signed() <= most);
    Ok(QueueSize {
        messages: within(a.mq_maxmsg, messages).ok_or(Errno::EINVAL)?,
        bytes: within(a.mq_msgsize, bytes).ok_or(Errno::EINVAL)?,
    })
}

/// [`mq_unlink(3)`](https://man7.org/linux/man-pages/man3/mq_unlink.3.html). Errors: as there.
pub(super) fn mq_unlink(cx: &mut CurrentTask, name: Name) -> SysResult {
    let name = read_name(cx, name)?;
    let dir = Directory::of(cx);
    ops::unlink(&dir.ctx(cx), &name).map(|()| 0)
}

/// When an absolute time on the real-time clock is on the monotonic one. Errors: `EFAULT`; `EINVAL` for a time that is none.
fn deadline(cx: &CurrentTask, at: GuestAddr) -> Result<Option<Nanos>, Errno> {
    if at.is_null() {
        return Ok(None);
    }
    let time = read_timespec(cx, at)?;
    let clock = &cx.kernel().host().clock;
    Ok(Some(clock.monotonic().saturating_add(time.saturating_sub(clock.realtime()))))
}

/// Waits for a change that lets `attempt` succeed. Errors: `EAGAIN` if the file is non-blocking, `ETIMEDOUT`, `EINTR` with the
/// rule `ERESTARTSYS`.
async fn wait<T>(
    cx: &CurrentTask,
    (file, queue): (&OpenFile, &Queue),
    events: Events,
    deadline: Option<Nanos>,
    attempt: impl FnMut() -> IoResult<T>,
) -> Result<T, Errno> {
    if file.is_nonblocking() {
        return Err(Errno::EAGAIN);
    }
    match cx.wait(&WaitSet::one(queue.changed(), events), deadline, attempt).await {
        Ok(v) => Ok(v),
        Err(WaitEnd::Failed(e)) => Err(e),
        Err(WaitEnd::TimedOut) => Err(Errno::ETIMEDOUT),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::Sys)),
    }
}

/// [`mq_timedsend(3)`](https://man7.org/linux/man-pages/man3/mq_send.3.html). Errors: as there.
pub(super) async fn mq_timedsend(
    cx: &mut CurrentTask,
    fd: Fd,
    message: UserPtr<u8>,
    len: usize,
    priority: u32,
    timeout: GuestAddr,
) -> SysResult {
    let deadline = deadline(cx, timeout)?;
    if priority >= PRIO_MAX {
        return Err(Errno::EINVAL);
    }
    let file = cx.task.files().get_open(fd)?;
    let queue = Queue::of(&file)?;
    if !file.writable() {
        return Err(Errno::EBADF);
    }
    if len as u64 > queue.size().bytes {
        return Err(Errno::EMSGSIZE);
    }
    let message: Arc<[u8]> = message.read_vec(&**cx.task.mm(), len)?.into();
    let attempt = || queue.send(priority, &message, &**cx.task.core());
    match attempt() {
        Err(IoError::Again) => {
            wait(cx, (&file, queue), Events::WRITABLE, deadline, attempt).await.map(|()| 0)
        }
        done => done.map(|()| 0).map_err(IoError::errno),
    }
}

/// [`mq_timedreceive(3)`](https://man7.org/linux/man-pages/man3/mq_receive.3.html): the length of the message. Errors: as there.
pub(super) async fn mq_timedreceive(
    cx: &mut CurrentTask,
    fd: Fd,
    buf: GuestAddr,
    len: usize,
    priority: GuestAddr,
    timeout: GuestAddr,
) -> SysResult {
    let deadline = deadline(cx, timeout)?;
    let file = cx.task.files().get_open(fd)?;
    let queue = Queue::of(&file)?;
    if !file.readable() {
        return Err(Errno::EBADF);
    }
    if (len as u64) < queue.size().bytes {
        return Err(Errno::EMSGSIZE);
    }
    let (own, message) = match queue.receive() {
        Err(IoError::Again) => {
            let _receiver = (!file.is_nonblocking()).then(|| queue.receiver());
            wait(cx, (&file, queue), Events::READABLE, deadline, || queue.receive()).await?
        }
        done => done.map_err(IoError::errno)?,
    };
    if !priority.is_null() {
        cx.put(priority, &own)?;
    }
    if cx.task.mm().copy_out(buf, &message) < message.len() {
        return Err(Errno::EFAULT);
    }
    Ok(message.len() as u64)
}

/// `mq_getattr(3)` and [`mq_setattr(3)`](https://man7.org/linux/man-pages/man3/mq_getattr.3.html), of which only `O_NONBLOCK` can be
/// changed. Errors: `EBADF`, `EFAULT`; `EINVAL` for other flags.
pub(super) fn mq_getsetattr(cx: &mut CurrentTask, fd: Fd, new: GuestAddr, old: GuestAddr) -> SysResult {
    let nonblock = i64::from(O_NONBLOCK);
    let new = match new.is_null() {
        true => None,
        false => Some(UserPtr::<MqAttr>::new(new).read(&**cx.task.mm())?.mq_flags),
    };
    if new.is_some_and(|flags| flags & !nonblock != 0) {
        return Err(Errno::EINVAL);
    }
    let file = cx.task.files().get_open(fd)?;
    let queue = Queue::of(&file)?;
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let now = MqAttr {
        mq_flags: i64::from(file.flags()) & nonblock,
        mq_maxmsg: number(queue.size().messages),
        mq_msgsize: number(queue.size().bytes),
        mq_curmsgs: number(queue.count()),
        ..MqAttr::default()
    };
    if let Some(flags) = new {
        let flag = if flags == 0 { 0 } else { O_NONBLOCK };
        file.set_flags(file.flags() & !O_NONBLOCK | flag)?;
    }
    if !old.is_null() {
        cx.put(old, &now)?;
    }
    Ok(0)
}

/// A process that wants a signal for a message.
struct SignalNotifier {
    owner: LockOwner,
    group: Weak<ThreadGroup>,
    processes: Weak<ProcessTable>,
    kind: i32,
    signal: Option<Signal>,
    value: u64,
}

impl Notifier for SignalNotifier {
    fn notify(&self, from: &(dyn Any + Send + Sync)) {
        let (Some(group), Some(processes)) = (self.group.upgrade(), self.processes.upgrade()) else { return };
        let (Some(signal), Some(from)) = (self.signal, from.downcast_ref::<Task>()) else { return };
        let (pid, uid) = (from.group().tgid_in(group.pid().ns()), from.cred().uid);
        let fields = SigFields::Rt { pid, uid, value: self.value };
        // A process whose queue of signals is full has lost this one, too.
        processes.send_to_group(&group, SigInfo::new(signal, code::SI_MESGQ, fields), pid == Pid(0)).ok();
    }
    fn owner(&self) -> LockOwner {
        self.owner
    }
    fn describe(&self) -> (i32, i32, i32) {
        let pid = self.group.upgrade().map_or(0, |g| g.tgid().0);
        (self.kind, self.signal.map_or(0, Signal::number), pid)
    }
}

/// [`mq_notify(3)`](https://man7.org/linux/man-pages/man3/mq_notify.3.html). Errors: as there; for `SIGEV_THREAD`, which the C library
/// asks for with a netlink socket, those of a descriptor that is none.
pub(super) fn mq_notify(cx: &mut CurrentTask, fd: Fd, event: GuestAddr) -> SysResult {
    let owner = cx.task.files().lock_owner();
    if event.is_null() {
        let file = cx.task.files().get_open(fd)?;
        Queue::of(&file)?.clear_notifier(owner);
        return Ok(0);
    }
    let event = UserPtr::<SigEvent>::new(event).read(&**cx.task.mm())?;
    let signal = match event.sigev_notify {
        SIGEV_NONE => None,
        SIGEV_SIGNAL => Some(Signal::new(event.sigev_signo).ok_or(Errno::EINVAL)?),
        SIGEV_THREAD => {
            let socket = cx.task.files().get_open(Fd(event.sigev_signo))?;
            let is_socket = socket.stat()?.kind() == vfs::FileKind::Socket;
            return Err(if is_socket { Errno::EINVAL } else { Errno::ENOTSOCK });
        }
        _ => return Err(Errno::EINVAL),
    };
    let file = cx.task.files().get_open(fd)?;
    let notifier = SignalNotifier {
        owner,
        group: Arc::downgrade(cx.task.core.group()),
        processes: Arc::downgrade(cx.kernel().processes()),
        kind: event.sigev_notify,
        signal,
        value: event.sigev_value,
    };
    Queue::of(&file)?.set_notifier(Arc::new(notifier)).map(|()| 0)
}
