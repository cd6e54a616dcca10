//! System calls on the memory and parts of other processes.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;
use abi::fs::fcntl::Iovec;
use abi::task::clone::{KCMP_FILE, KCMP_FILES, KCMP_FS, KCMP_IO, KCMP_SIGHAND, KCMP_SYSVSEM, KCMP_VM};
use kcore::addr::GuestAddr;
use kcore::id::{Fd, Pid};
use kcore::io::{IoSink, IoSource};
use kcore::user::{UserMemory, UserPtr};
use mm::{AddressSpace, IovecList, UserSink, UserSource};
use task::Task;
use task::ipc::SemUndo;

use super::SysResult;
use crate::current::CurrentTask;
use crate::ptrace_access::{AccessMode, may_access};
use crate::task::Resources;
use crate::usermem::IOV_MAX;

/// Bytes that are copied at a time.
const CHUNK: usize = 64 << 10;

/// The memory of a process that the caller may control. Errors: `ESRCH`, `EPERM`.
fn memory_of(cx: &CurrentTask, pid: Pid) -> Result<Arc<AddressSpace>, Errno> {
    let task = if pid.0 > 0 { cx.other_task(pid)? } else { return Err(Errno::ESRCH) };
    let mm = task.resources::<Resources>().and_then(Resources::mm).ok_or(Errno::ESRCH)?;
    may_access(&cx.task.cred(), Some(&cx.task.core), &task, AccessMode::Real)?;
    Ok(mm)
}

/// The remote pieces: they need only be addresses. Errors: `EINVAL`, `EFAULT`.
fn remote_pieces(cx: &CurrentTask, at: UserPtr<Iovec>, n: usize) -> Result<Vec<(u64, u64)>, Errno> {
    if n > IOV_MAX {
        return Err(Errno::EINVAL);
    }
    let pieces = at.read_vec(&**cx.task.mm(), n)?;
    if pieces.iter().any(|v| i64::try_from(v.iov_len).is_err()) {
        return Err(Errno::EINVAL);
    }
    Ok(pieces.into_iter().map(|v| (v.iov_base, v.iov_len)).collect())
}

/// Calls `copy` with pieces of at most [`CHUNK`] bytes of the remote memory until it says less than it was given.
fn for_chunks(pieces: &[(u64, u64)], mut copy: impl FnMut(GuestAddr, usize) -> usize) -> usize {
    let mut done = 0usize;
    for (base, len) in pieces {
        let mut at = 0;
        while at < *len {
            let n = usize::try_from(len - at).unwrap_or(CHUNK).min(CHUNK);
            let Some(addr) = base.checked_add(at) else { return done };
            let k = copy(GuestAddr(addr), n);
            done = done.saturating_add(k);
            if k < n {
                return done;
            }
            at += n as u64;
        }
    }
    done
}

/// A copy between the caller's pieces and those of another process.
struct Transfer {
    own: Arc<AddressSpace>,
    local: IovecList,
    remote: Vec<(u64, u64)>,
}

impl Transfer {
    /// Reads both lists. Errors: `EINVAL`, `EFAULT`.
    fn read(
        cx: &CurrentTask,
        (local, local_count): (UserPtr<Iovec>, usize),
        (remote, remote_count): (UserPtr<Iovec>, usize),
        flags: u64,
    ) -> Result<Self, Errno> {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        let local = cx.read_iovecs(local, local_count)?;
        let remote = remote_pieces(cx, remote, remote_count)?;
        Ok(Transfer { own: cx.task.mm().clone(), local, remote })
    }

    /// Calls `copy` with pieces of the remote memory, as [`for_chunks`]. Errors: `EFAULT` if there was something to copy and nothing was.
    fn run(&self, copy: impl FnMut(GuestAddr, usize) -> usize) -> SysResult {
        let done = for_chunks(&self.remote, copy);
        let wanted = self.remote.iter().any(|(_, len)| *len > 0);
        if done == 0 && wanted { Err(Errno::EFAULT) } else { Ok(done as u64) }
    }
}

/// `process_vm_readv(2)`: what could be copied. Errors: `EINVAL`, `ESRCH`, `EPERM`, `EFAULT`.
pub(super) fn process_vm_readv(
    cx: &mut CurrentTask,
    pid: Pid,
    local: UserPtr<Iovec>,
    local_count: usize,
    remote: UserPtr<Iovec>,
    remote_count: usize,
    flags: u64,
) -> SysResult {
    let transfer = Transfer::read(cx, (local, local_count), (remote, remote_count), flags)?;
    let mut sink = UserSink::new(&transfer.own, &transfer.local);
    if sink.remaining() == 0 {
        return Ok(0);
    }
    let theirs = memory_of(cx, pid)?;
    let mut buf = vec![0; CHUNK];
    transfer.run(|at, n| {
        let n = n.min(sink.remaining());
        let got = theirs.copy_in(at, &mut buf[..n]);
        sink.write(&buf[..got]).unwrap_or(0)
    })
}

/// `process_vm_writev(2)`: what could be copied. Errors: `EINVAL`, `ESRCH`, `EPERM`, `EFAULT`.
pub(super) fn process_vm_writev(
    cx: &mut CurrentTask,
    pid: Pid,
    local: UserPtr<Iovec>,
    local_count: usize,
    remote: UserPtr<Iovec>,
    remote_count: usize,
    flags: u64,
) -> SysResult {
    let transfer = Transfer::read(cx, (local, local_count), (remote, remote_count), flags)?;
    let mut source = UserSource::new(&transfer.own, &transfer.local);
    if source.remaining() == 0 {
        return Ok(0);
    }
    let theirs = memory_of(cx, pid)?;
    let mut buf = vec![0; CHUNK];
    transfer.run(|at, n| {
        let n = n.min(source.remaining());
        let got = source.read(&mut buf[..n]).unwrap_or(0);
        theirs.copy_out(at, &buf[..got])
    })
}

/// What `kcmp` answers for parts that differ, without telling an order.
const DIFFERENT: u64 = 3;

/// `kcmp(2)`: 0 for the same part, 3 for different ones. Errors: `ESRCH`, `EPERM`, `EBADF`, `EINVAL`.
pub(super) fn kcmp(cx: &mut CurrentTask, a: Pid, b: Pid, what: u32, first: u64, second: u64) -> SysResult {
    let (a, b) = (cx.other_task(a)?, cx.other_task(b)?);
    for t in [&a, &b] {
        may_access(&cx.task.cred(), Some(&cx.task.core), t, AccessMode::Real)?;
    }
    let same = match what {
        KCMP_FILE => Arc::ptr_eq(&file_of(&a, first)?, &file_of(&b, second)?),
        KCMP_VM => same(&a, &b, Resources::mm)?,
        KCMP_FILES => same(&a, &b, Resources::files)?,
        KCMP_FS => same(&a, &b, Resources::fs)?,
        KCMP_SIGHAND => Arc::ptr_eq(&a.group().handlers(), &b.group().handlers()),
        // Nobody has an I/O context, and nothing is the same as nothing.
        KCMP_IO => true,
        KCMP_SYSVSEM => {
            let lists = (undo_of(&a)?, undo_of(&b)?);
            Arc::ptr_eq(&lists.0, &lists.1) || !lists.0.exists() && !lists.1.exists()
        }
        _ => return Err(Errno::EINVAL),
    };
    Ok(if same { 0 } else { DIFFERENT })
}

fn file_of(t: &Task, n: u64) -> Result<Arc<vfs::OpenFile>, Errno> {
    let fd = i32::try_from(n).map_err(|_| Errno::EBADF)?;
    t.resources::<Resources>().and_then(Resources::files).ok_or(Errno::EBADF)?.get(Fd(fd))
}

fn undo_of(t: &Task) -> Result<Arc<SemUndo>, Errno> {
    t.resources::<Resources>().and_then(Resources::parts).map(|p| p.undo).ok_or(Errno::ESRCH)
}

fn same<T>(a: &Task, b: &Task, part: fn(&Resources) -> Option<Arc<T>>) -> Result<bool, Errno> {
    let get = |t: &Task| t.resources::<Resources>().and_then(part).ok_or(Errno::ESRCH);
    Ok(Arc::ptr_eq(&get(a)?, &get(b)?))
}
