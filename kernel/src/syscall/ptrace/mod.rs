//! Watching and changing another task, [`ptrace(2)`](https://man7.org/linux/man-pages/man2/ptrace.2.html).

mod info;
mod memory;
mod registers;

use alloc::sync::Arc;

use abi::Errno;
use abi::task::ptrace::*;
use kcore::addr::GuestAddr;
use kcore::id::Pid;
use kcore::io::IoError;
use kcore::user::UserPtr;
use kcore::wait::{Events, WaitSet};
use task::Task;
use task::ptrace::Resume;
use task::signal::{SigInfo, SigSet, SigmaskHow, Signal};

use super::SysResult;
use crate::current::CurrentTask;
use crate::ptrace_access::{AccessMode, may_access};

/// `ptrace(2)`. Errors: `ESRCH` for a task that the caller does not trace or that does not stand still, `EPERM` for one that it may
/// not trace, `EIO` for unknown requests, signals and places, `EINVAL`, `EFAULT`.
pub(super) async fn ptrace(cx: &mut CurrentTask, request: u32, pid: Pid, addr: u64, data: u64) -> SysResult {
    let processes = cx.kernel.processes().clone();
    let me = cx.task.core.clone();
    if request == PTRACE_TRACEME {
        return processes.ptrace_traceme(&me).map(|()| 0);
    }
    let task = if pid.0 > 0 { cx.other_task(pid)? } else { return Err(Errno::ESRCH) };
    match request {
        PTRACE_ATTACH => attach(cx, &task, None).await?,
        PTRACE_SEIZE if addr != 0 => return Err(Errno::EIO),
        PTRACE_SEIZE => attach(cx, &task, Some(u32::try_from(data).map_err(|_| Errno::EIO)?)).await?,
        PTRACE_INTERRUPT => processes.ptrace_interrupt(&me, &task)?,
        PTRACE_KILL => {
            processes.ptrace_check(&me, &task, true)?;
            processes.send_to_task(&task, SigInfo::kernel(Signal::KILL), true)?;
        }
        _ => {
            processes.ptrace_check(&me, &task, false)?;
            return of_stopped(cx, &task, request, addr, data);
        }
    }
    Ok(0)
}

/// Attaches, and waits while a task that stood still with its group already moves over to a stop for its tracer: what the tracer asks
/// for next finds it there.
async fn attach(cx: &CurrentTask, task: &Arc<Task>, seize: Option<u32>) -> Result<(), Errno> {
    may_access(&cx.task.cred(), Some(&cx.task.core), task, AccessMode::Real)?;
    cx.kernel.processes().ptrace_attach(&cx.task.core, task, seize)?;
    let core = cx.task.core.clone();
    let set = WaitSet::one(&core.group().child_queue, Events::all());
    cx.wait_killable(&set, || if task.moves_to_tracer() { Err(IoError::Again) } else { Ok(()) }).await;
    Ok(())
}

/// The signal that a tracer gives; 0 is none. Errors: `EIO`.
fn signal_of(data: u64) -> Result<Option<Signal>, Errno> {
    if data == 0 {
        return Ok(None);
    }
    i32::try_from(data).ok().and_then(Signal::new).map(Some).ok_or(Errno::EIO)
}

/// Requests on a tracee that stands still.
fn of_stopped(cx: &CurrentTask, task: &Arc<Task>, request: u32, addr: u64, data: u64) -> SysResult {
    let processes = cx.kernel.processes();
    let me = &cx.task.core;
    let at = GuestAddr(data);
    let resume = |how| processes.ptrace_resume(me, task, how, signal_of(data)?);
    match request {
        PTRACE_CONT => resume(Resume::Cont)?,
        PTRACE_SYSCALL => resume(Resume::Syscall)?,
        PTRACE_SINGLESTEP => resume(Resume::SingleStep)?,
        PTRACE_SYSEMU => resume(Resume::Sysemu)?,
        PTRACE_SYSEMU_SINGLESTEP => resume(Resume::SysemuSingleStep)?,
        PTRACE_DETACH => processes.ptrace_detach(me, task, signal_of(data)?)?,
        PTRACE_LISTEN => processes.ptrace_listen(me, task)?,
        PTRACE_SETOPTIONS => {
            let options = u32::try_from(data).map_err(|_| Errno::EINVAL)?;
            processes.ptrace_set_options(me, task, options)?;
        }
        PTRACE_GETEVENTMSG => cx.put(at, &processes.ptrace_stop(me, task)?.message)?,
        PTRACE_PEEKTEXT | PTRACE_PEEKDATA => cx.put(at, &memory::peek(task, GuestAddr(addr))?)?,
        PTRACE_POKETEXT | PTRACE_POKEDATA => memory::poke(task, GuestAddr(addr), data)?,
        PTRACE_PEEKUSR => cx.put(at, &registers::peek_user(task, addr)?)?,
        PTRACE_POKEUSR => registers::poke_user(task, addr, data)?,
        PTRACE_GETREGS => registers::get(cx, task, NT_PRSTATUS, at, usize::MAX).map(drop)?,
        PTRACE_SETREGS => registers::set(cx, task, NT_PRSTATUS, at, usize::MAX).map(drop)?,
        PTRACE_GETFPREGS => registers::get(cx, task, NT_PRFPREG, at, usize::MAX).map(drop)?,
        PTRACE_SETFPREGS => registers::set(cx, task, NT_PRFPREG, at, usize::MAX).map(drop)?,
        PTRACE_GETREGSET | PTRACE_SETREGSET => register_set(cx, task, request, addr, at)?,
        PTRACE_GETSIGINFO => cx.put(at, &processes.ptrace_siginfo(me, task, None)?.to_bytes())?,
        PTRACE_SETSIGINFO => info::set_siginfo(cx, task, at)?,
        PTRACE_PEEKSIGINFO => return info::peek_siginfo(cx, task, GuestAddr(addr), at),
        PTRACE_GET_SYSCALL_INFO => return info::syscall_info(cx, task, addr, at),
        PTRACE_GETSIGMASK | PTRACE_SETSIGMASK if addr != 8 => return Err(Errno::EINVAL),
        PTRACE_GETSIGMASK => cx.put(at, &task.sigmask().0)?,
        PTRACE_SETSIGMASK => {
            let mask = UserPtr::<u64>::new(at).read(&**cx.task.mm())?;
            task.sigprocmask(SigmaskHow::Set, SigSet(mask));
        }
        _ => return Err(Errno::EIO),
    }
    Ok(0)
}

fn register_set(cx: &CurrentTask, task: &Task, request: u32, note: u64, iov: GuestAddr) -> Result<(), Errno> {
    let note = u32::try_from(note).map_err(|_| Errno::EINVAL)?;
    let [base, len] = UserPtr::<[u64; 2]>::new(iov).read(&**cx.task.mm())?;
    let room = usize::try_from(len).unwrap_or(usize::MAX);
    if !len.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    let access = if request == PTRACE_GETREGSET { registers::get } else { registers::set };
    let done = access(cx, task, note, GuestAddr(base), room)?;
    cx.put(iov, &[base, done as u64])
}
