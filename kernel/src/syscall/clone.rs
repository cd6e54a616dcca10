//! New tasks: `clone(2)`, `fork(2)`, `vfork(2)`.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::io::IoError;
use kcore::user::UserMemory;
use kcore::wait::{Events, WaitSet};
use task::signal::Signal;
use task::{CloneFlags, CloneSpec};

use super::SysResult;
use crate::current::CurrentTask;
use crate::space::fork_memory;
use crate::task::{Parts, Resources, Task};

/// The low byte of the flags is the signal at the child's death.
const CSIGNAL: u64 = 0xff;
// What this layer acts on; the rest of the flags are the process table's.
const FS: CloneFlags = CloneFlags::from_bits_retain(0x200);
const FILES: CloneFlags = CloneFlags::from_bits_retain(0x400);
const SETTLS: CloneFlags = CloneFlags::from_bits_retain(0x8_0000);
const PARENT_SETTID: CloneFlags = CloneFlags::from_bits_retain(0x10_0000);
const CHILD_SETTID: CloneFlags = CloneFlags::from_bits_retain(0x100_0000);
/// Namespaces that cannot be made yet.
const NAMESPACES: u64 = 0x7e02_0080;

/// `fork(2)`.
pub(super) async fn fork(cx: &mut CurrentTask) -> SysResult {
    clone(cx, 17, GuestAddr::NULL, GuestAddr::NULL, GuestAddr::NULL, 0).await
}

/// `vfork(2)`.
pub(super) async fn vfork(cx: &mut CurrentTask) -> SysResult {
    let flags = (CloneFlags::VFORK | CloneFlags::VM).bits() | 17;
    clone(cx, flags, GuestAddr::NULL, GuestAddr::NULL, GuestAddr::NULL, 0).await
}

/// `clone(2)`, with x86-64's order of arguments.
pub(super) async fn clone(
    cx: &mut CurrentTask,
    raw: u64,
    stack: GuestAddr,
    parent_tid: GuestAddr,
    child_tid: GuestAddr,
    tls: u64,
) -> SysResult {
    if raw & NAMESPACES != 0 {
        // As on a kernel built without them.
        return Err(Errno::EINVAL);
    }
    let flags = CloneFlags::from_bits_retain(raw & !CSIGNAL & 0xffff_ffff);
    let (tid, vfork) = make(cx, flags, raw & CSIGNAL, stack, parent_tid, child_tid, tls)?;
    if let Some(child) = vfork {
        wait_for_vfork(cx, &child).await;
    }
    Ok(tid)
}

type Made = (u64, Option<alloc::sync::Arc<task::Task>>);

fn make(
    cx: &mut CurrentTask,
    flags: CloneFlags,
    signal: u64,
    stack: GuestAddr,
    parent_tid: GuestAddr,
    child_tid: GuestAddr,
    tls: u64,
) -> Result<Made, Errno> {
    let exit_signal = match i32::try_from(signal) {
        Ok(0) | Err(_) => None,
        Ok(n) => Some(Signal::new(n).ok_or(Errno::EINVAL)?),
    };
    let kernel = cx.kernel.clone();
    let own = cx.task.parts();
    let parts = Parts {
        memory: if flags.contains(CloneFlags::VM) {
            own.memory.clone()
        } else {
            fork_memory(&kernel, &own.memory)?
        },
        files: if flags.contains(FILES) { own.files.clone() } else { own.files.fork() },
        fs: if flags.contains(FS) { own.fs.clone() } else { own.fs.fork() },
        uts: own.uts.clone(),
    };
    let mut thread = kernel.host().platform.new_thread(&parts.memory.space)?;
    thread.fpu().0 = cx.thread.get_mut().fpu().0.clone();
    let clears = flags.contains(CloneFlags::CHILD_CLEARTID);
    let spec = CloneSpec {
        flags,
        exit_signal: exit_signal.filter(|_| !flags.contains(CloneFlags::THREAD)),
        clear_child_tid: if clears { child_tid.0 } else { 0 },
        ..CloneSpec::default()
    };
    let core = kernel.processes().fork(&cx.task.core, spec, Resources::new(parts.clone()))?;
    if !flags.contains(CloneFlags::THREAD) {
        super::itimer::watch_cpu_limit(&kernel, core.group());
    }
    let tid = core.tid_in(&cx.task.core.pid_ns());
    if flags.contains(PARENT_SETTID) {
        // As on Linux, a bad address does not undo the child.
        cx.put(parent_tid, &tid.0).ok();
    }
    if flags.contains(CHILD_SETTID) {
        parts.memory.mm.copy_out(child_tid, &core.tid().0.to_le_bytes());
    }
    let mut regs = cx.regs;
    regs.rax = 0;
    if !stack.is_null() {
        regs.rsp = stack.0;
    }
    if flags.contains(SETTLS) {
        regs.fs_base = tls;
    }
    let vfork = flags.contains(CloneFlags::VFORK).then(|| core.clone());
    kernel.start(CurrentTask::new(&kernel, Task::new(core, parts), thread, regs));
    Ok((u64::try_from(tid.0).map_err(|_| Errno::EAGAIN)?, vfork))
}

/// The parent of a `vfork` stands still until the child has executed a program or ended. Only death ends that earlier.
async fn wait_for_vfork(cx: &CurrentTask, child: &task::Task) {
    let set = WaitSet::one(&child.vfork_done, Events::all());
    let check = || if child.vfork_pending() { Err(IoError::Again) } else { Ok(()) };
    while child.vfork_pending() && !cx.task.core.fatal_pending() {
        cx.wait_killable(&set, check).await;
    }
}
