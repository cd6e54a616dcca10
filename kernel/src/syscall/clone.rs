//! New tasks: `clone(2)`, `clone3(2)`, `fork(2)`, `vfork(2)`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use abi::task::clone::*;
use abi::task::ptrace::PTRACE_EVENT_VFORK_DONE;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::id::{Fd, Pid};
use kcore::io::IoError;
use kcore::user::{UserMemory, UserPtr};
use kcore::wait::{Events, WaitSet};
use task::ipc::SemUndo;
use task::ptrace::clone_event;
use task::signal::Signal;
use task::{CloneFlags, CloneSpec};
use zerocopy::{FromZeros, IntoBytes};

use super::{SysResult, namespace};
use crate::current::CurrentTask;
use crate::log::guest_log;
use crate::pidfd::{Pidfd, install_pidfd};
use crate::restart::Restart;
use crate::space::fork_memory;
use crate::task::{Parts, Resources, Task};

/// What a new task shall be, whichever call asks for it.
#[derive(Clone, Debug, Default)]
struct Plan {
    flags: u64,
    exit_signal: Option<Signal>,
    /// The child's stack pointer; null for the parent's.
    stack: GuestAddr,
    tls: u64,
    pidfd: GuestAddr,
    parent_tid: GuestAddr,
    child_tid: GuestAddr,
    set_tid: Vec<Pid>,
}

impl Plan {
    fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }
    fn spec(&self) -> CloneSpec {
        CloneSpec {
            flags: CloneFlags::from_bits_retain(self.flags),
            exit_signal: self.exit_signal.filter(|_| !self.has(CLONE_THREAD)),
            set_tid: self.set_tid.clone(),
            clear_child_tid: if self.has(CLONE_CHILD_CLEARTID) { self.child_tid.0 } else { 0 },
            ..CloneSpec::default()
        }
    }
    /// Checks the flags against each other, [`clone(2)`]. Errors: `EINVAL`.
    ///
    /// [`clone(2)`]: https://man7.org/linux/man-pages/man2/clone.2.html
    fn check(&self) -> Result<(), Errno> {
        let has_both = |a: u64, b: u64| self.has(a) && self.has(b);
        let without = |a: u64, b: u64| self.has(a) && !self.has(b);
        if has_both(CLONE_FS, CLONE_NEWNS | CLONE_NEWUSER)
            || has_both(CLONE_THREAD, CLONE_NEWUSER | CLONE_NEWPID)
            || has_both(CLONE_SYSVSEM, CLONE_NEWIPC)
            || has_both(CLONE_SIGHAND, CLONE_CLEAR_SIGHAND)
            || has_both(CLONE_PIDFD, CLONE_DETACHED)
            || without(CLONE_THREAD, CLONE_SIGHAND)
            || without(CLONE_SIGHAND, CLONE_VM)
        {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

/// `fork(2)`.
pub(super) async fn fork(cx: &mut CurrentTask) -> SysResult {
    start(cx, Plan { exit_signal: Some(Signal::CHLD), ..Plan::default() }).await
}

/// `vfork(2)`.
pub(super) async fn vfork(cx: &mut CurrentTask) -> SysResult {
    let flags = CLONE_VFORK | CLONE_VM;
    start(cx, Plan { flags, exit_signal: Some(Signal::CHLD), ..Plan::default() }).await
}

/// `clone(2)`, with x86-64's order of arguments. Errors: `EINVAL`, `EAGAIN`, `ENOMEM`, `EFAULT`, `EMFILE`.
pub(super) async fn clone(
    cx: &mut CurrentTask,
    raw: u64,
    stack: GuestAddr,
    parent_tid: GuestAddr,
    child_tid: GuestAddr,
    tls: u64,
) -> SysResult {
    let raw = raw & 0xffff_ffff;
    let plan = Plan {
        flags: raw & !CSIGNAL,
        // A number that is no signal is as good as none.
        exit_signal: i32::try_from(raw & CSIGNAL).ok().and_then(Signal::new),
        stack,
        tls,
        // The two share the argument, so that only one of them can be asked for.
        pidfd: parent_tid,
        parent_tid,
        child_tid,
        set_tid: Vec::new(),
    };
    if plan.has(CLONE_PIDFD) && plan.has(CLONE_PARENT_SETTID) {
        return Err(Errno::EINVAL);
    }
    start(cx, plan).await
}

/// `clone3(2)`. Errors: as `clone`, and `E2BIG` for arguments that are not known, `EBADF` for a cgroup.
pub(super) async fn clone3(cx: &mut CurrentTask, args: GuestAddr, size: usize) -> SysResult {
    let args = read_args(cx, args, size)?;
    let plan = plan_of(cx, &args, size)?;
    start(cx, plan).await
}

fn read_args(cx: &CurrentTask, at: GuestAddr, size: usize) -> Result<CloneArgs, Errno> {
    if size as u64 > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < CLONE_ARGS_SIZE_VER0 {
        return Err(Errno::EINVAL);
    }
    let bytes = UserPtr::<u8>::new(at).read_vec(&**cx.task.mm(), size)?;
    let (known, rest) = bytes.split_at(size.min(size_of::<CloneArgs>()));
    if rest.iter().any(|b| *b != 0) {
        return Err(Errno::E2BIG);
    }
    let mut args = CloneArgs::new_zeroed();
    args.as_mut_bytes()[..known.len()].copy_from_slice(known);
    Ok(args)
}

fn plan_of(cx: &CurrentTask, a: &CloneArgs, size: usize) -> Result<Plan, Errno> {
    const MAX_LEVELS: u64 = 32;
    const KNOWN: u64 = 0xffff_ffff | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP;
    let exit_signal = match i32::try_from(a.exit_signal).map_err(|_| Errno::EINVAL)? {
        0 => None,
        n => Some(Signal::new(n).ok_or(Errno::EINVAL)?),
    };
    if a.set_tid_size > MAX_LEVELS
        || (a.set_tid == 0) != (a.set_tid_size == 0)
        || a.flags & CLONE_INTO_CGROUP != 0
            && (i32::try_from(a.cgroup).is_err() || size < CLONE_ARGS_SIZE_VER2)
        || a.flags & !KNOWN != 0
        || a.flags & (CLONE_DETACHED | CSIGNAL & !CLONE_NEWTIME) != 0
        || a.flags & (CLONE_THREAD | CLONE_PARENT) != 0 && exit_signal.is_some()
        || (a.stack == 0) != (a.stack_size == 0)
    {
        return Err(Errno::EINVAL);
    }
    let end = a.stack.checked_add(a.stack_size).filter(|end| *end <= cx.task.mm().layout().max.0);
    let levels = usize::try_from(a.set_tid_size).map_err(|_| Errno::EINVAL)?;
    let set_tid = UserPtr::<i32>::new(GuestAddr(a.set_tid)).read_vec(&**cx.task.mm(), levels)?;
    if a.flags & CLONE_INTO_CGROUP != 0 {
        // No descriptor is a cgroup's.
        return Err(Errno::EBADF);
    }
    Ok(Plan {
        flags: a.flags,
        exit_signal,
        stack: GuestAddr(end.ok_or(Errno::EINVAL)?),
        tls: a.tls,
        pidfd: GuestAddr(a.pidfd),
        parent_tid: GuestAddr(a.parent_tid),
        child_tid: GuestAddr(a.child_tid),
        set_tid: set_tid.into_iter().map(Pid).collect(),
    })
}

/// Makes the task, and waits for a child of `vfork`.
async fn start(cx: &mut CurrentTask, plan: Plan) -> SysResult {
    plan.check()?;
    if cx.task.core.begin_fork().is_err() {
        return Err(cx.interrupted(Restart::Always));
    }
    let pidfd = if plan.has(CLONE_PIDFD) { Some(reserve_pidfd(cx, &plan)?) } else { None };
    let made = make(cx, &plan);
    let (child, current) = match made {
        Ok(made) => made,
        Err(e) => {
            if let Some((fd, _)) = pidfd {
                cx.task.files().close(fd).ok();
            }
            return Err(e);
        }
    };
    if let Some((_, pidfd)) = pidfd {
        pidfd.bind(&child);
    }
    let tid = child.tid_in(&cx.task.core.pid_ns());
    guest_log!(cx.kernel, DEBUG, pid = cx.task.tid().0, child = child.tid().0, "a task starts");
    cx.kernel.start(current);
    if cx.task.core.is_traced() && !plan.has(CLONE_UNTRACED) {
        cx.stop_for_event(clone_event(&plan.spec()), &child.pid()).await;
    }
    if plan.has(CLONE_VFORK) {
        wait_for_vfork(cx, &child).await;
        if cx.task.core.is_traced() {
            cx.stop_for_event(PTRACE_EVENT_VFORK_DONE, &child.pid()).await;
        }
    }
    u64::try_from(tid.0).map_err(|_| Errno::EAGAIN)
}

/// A descriptor for the child, stored where the caller wants it, before there is a child: what can fail, fails first.
fn reserve_pidfd(cx: &CurrentTask, plan: &Plan) -> Result<(Fd, Arc<Pidfd>), Errno> {
    let pidfd = Pidfd::unbound(plan.has(CLONE_THREAD));
    let fd = install_pidfd(cx, pidfd.clone(), false)?;
    if let Err(e) = cx.put(plan.pidfd, &fd.0) {
        cx.task.files().close(fd).ok();
        return Err(e);
    }
    Ok((fd, pidfd))
}

fn make(cx: &mut CurrentTask, plan: &Plan) -> Result<(Arc<task::Task>, CurrentTask), Errno> {
    let kernel = cx.kernel.clone();
    // First, while the thread still waits for its answer: later it may sleep, and would have to be woken for this.
    let fpu = cx.thread.get_mut().copy_fpu();
    let own = cx.task.parts();
    let cred = cx.task.cred();
    let new = namespace::make(&kernel, own, &cred, plan.flags)?;
    // A thread's numbers come from where its process's do.
    let pids = new.pids.unwrap_or_else(|| own.pids.clone());
    let fs = match new.fs {
        Some(fs) => fs,
        None if plan.has(CLONE_FS) => own.fs.clone(),
        None => own.fs.fork(),
    };
    let only_stack = cx.task.is_last_in_memory().then_some(GuestAddr(cx.regs.get().rsp));
    let memory =
        if plan.has(CLONE_VM) { own.memory.clone() } else { fork_memory(&kernel, &own.memory, only_stack)? };
    let parts = Parts {
        memory,
        files: if plan.has(CLONE_FILES) { own.files.clone() } else { own.files.fork() },
        fs,
        uts: new.uts.unwrap_or_else(|| own.uts.clone()),
        ipc: new.ipc.unwrap_or_else(|| own.ipc.clone()),
        undo: if plan.has(CLONE_SYSVSEM) { own.undo.clone() } else { SemUndo::new() },
        pids: pids.clone(),
    };
    let spec = CloneSpec { ns: Some(pids), cred: new.cred, ..plan.spec() };
    let mut thread = kernel.host().platform.new_thread(&parts.memory.space)?;
    thread.set_fpu(fpu);
    let core = kernel.processes().fork(&cx.task.core, spec, Resources::new(parts.clone()))?;
    parts.undo.enter();
    if !plan.has(CLONE_THREAD) {
        super::itimer::watch_cpu_limit(&kernel, core.group());
    }
    if plan.has(CLONE_PARENT_SETTID) {
        // As on Linux, a bad address does not undo the child.
        cx.put(plan.parent_tid, &core.tid_in(&cx.task.core.pid_ns()).0).ok();
    }
    if plan.has(CLONE_CHILD_SETTID) {
        parts.memory.mm.copy_out(plan.child_tid, &core.tid().0.to_le_bytes());
    }
    let mut regs = cx.regs.get();
    regs.rax = 0;
    regs.eflags = cx.own_eflags();
    if !plan.stack.is_null() {
        regs.rsp = plan.stack.0;
    }
    if plan.has(CLONE_SETTLS) {
        regs.fs_base = plan.tls;
    }
    let current = CurrentTask::new(&kernel, Task::new(core.clone(), parts), thread, regs);
    Ok((core, current))
}

/// The parent of a `vfork` stands still until the child has executed a program or ended. Only death ends that earlier.
async fn wait_for_vfork(cx: &CurrentTask, child: &task::Task) {
    let set = WaitSet::one(&child.vfork_done, Events::all());
    let check = || if child.vfork_pending() { Err(IoError::Again) } else { Ok(()) };
    while child.vfork_pending() && !cx.task.core.fatal_pending() {
        cx.wait_killable(&set, check).await;
    }
}
