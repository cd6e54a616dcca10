//! What a tracee stands still for.

use abi::Errno;
use abi::task::ptrace::*;
use abi::task::seccomp::AUDIT_ARCH_X86_64;
use kcore::addr::GuestAddr;
use kcore::user::{UserMemory, UserPtr};
use task::Task;
use task::signal::{SigInfo, Signal};
use zerocopy::{FromZeros, IntoBytes};

use crate::current::CurrentTask;
use crate::syscall::SysResult;
use crate::task::Resources;

/// `PTRACE_SETSIGINFO`. Errors: `EINVAL`, `EFAULT`, `E2BIG`, `ESRCH`.
pub(super) fn set_siginfo(cx: &CurrentTask, task: &Task, at: GuestAddr) -> Result<(), Errno> {
    let bytes = UserPtr::<[u8; 128]>::new(at).read(&**cx.task().mm())?;
    let [a, b, c, d, ..] = bytes;
    let signal = Signal::new(i32::from_le_bytes([a, b, c, d])).ok_or(Errno::EINVAL)?;
    let info = SigInfo::from_bytes(signal, &bytes)?;
    cx.kernel().processes().ptrace_siginfo(cx.task().core(), task, Some(info)).map(drop)
}

/// `PTRACE_PEEKSIGINFO`: stores signals that wait, and returns how many. Errors: `EINVAL` for unknown flags and negative counts,
/// `EFAULT`, `ESRCH`.
pub(super) fn peek_siginfo(cx: &CurrentTask, task: &Task, args: GuestAddr, to: GuestAddr) -> SysResult {
    let args = UserPtr::<PtracePeeksiginfoArgs>::new(args).read(&**cx.task().mm())?;
    let count = usize::try_from(args.nr).map_err(|_| Errno::EINVAL)?;
    if args.flags & !PTRACE_PEEKSIGINFO_SHARED != 0 {
        return Err(Errno::EINVAL);
    }
    let Ok(offset) = usize::try_from(args.off) else { return Ok(0) };
    let shared = args.flags & PTRACE_PEEKSIGINFO_SHARED != 0;
    let processes = cx.kernel().processes();
    let waiting = processes.ptrace_peek_siginfo(cx.task().core(), task, shared, offset, count)?;
    let mut at = to;
    let mut done = 0;
    for info in waiting {
        let bytes = info.to_bytes();
        if cx.task().mm().copy_out(at, &bytes) != bytes.len() {
            return if done > 0 { Ok(done) } else { Err(Errno::EFAULT) };
        }
        at = GuestAddr(at.0.wrapping_add(bytes.len() as u64));
        done += 1;
    }
    Ok(done)
}

/// `PTRACE_GET_SYSCALL_INFO`: stores what there is room for and returns how much there is. Errors: `EFAULT`, `ESRCH`.
pub(super) fn syscall_info(cx: &CurrentTask, task: &Task, room: u64, to: GuestAddr) -> SysResult {
    const NONE_SIZE: usize = 24;
    const EXIT_SIZE: usize = 33;
    const ENTRY_SIZE: usize = 80;
    const MAX_ERRNO: i64 = 4095;
    const SYSCALL_STOP: u32 = 5 | 0x80;
    const SECCOMP_STOP: u32 = 5 | PTRACE_EVENT_SECCOMP << 8;
    const SECCOMP_SIZE: usize = 84;
    let stop = cx.kernel().processes().ptrace_stop(cx.task().core(), task)?;
    let regs = task.resources::<Resources>().ok_or(Errno::ESRCH)?.stopped().with(|r| r.regs)?;
    let mut info = PtraceSyscallInfo::new_zeroed();
    info.arch = AUDIT_ARCH_X86_64;
    info.instruction_pointer = regs.rip;
    info.stack_pointer = regs.rsp;
    let args = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
    let size = match (stop.code, u32::try_from(stop.message)) {
        (SYSCALL_STOP, Ok(PTRACE_EVENTMSG_SYSCALL_ENTRY)) => {
            info.op = PTRACE_SYSCALL_INFO_ENTRY;
            (info.nr, info.args) = (regs.orig_rax, args);
            ENTRY_SIZE
        }
        (SECCOMP_STOP, Ok(data)) => {
            info.op = PTRACE_SYSCALL_INFO_SECCOMP;
            (info.nr, info.args, info.ret_data) = (regs.orig_rax, args, data);
            SECCOMP_SIZE
        }
        (SYSCALL_STOP, Ok(PTRACE_EVENTMSG_SYSCALL_EXIT)) => {
            info.op = PTRACE_SYSCALL_INFO_EXIT;
            info.nr = regs.rax;
            info.args[0] = (-MAX_ERRNO..0).contains(&regs.rax.cast_signed()).into();
            EXIT_SIZE
        }
        _ => {
            info.op = PTRACE_SYSCALL_INFO_NONE;
            NONE_SIZE
        }
    };
    let len = usize::try_from(room).unwrap_or(usize::MAX).min(size);
    let part = info.as_bytes().get(..len).ok_or(Errno::EFAULT)?;
    if cx.task().mm().copy_out(to, part) == len { Ok(size as u64) } else { Err(Errno::EFAULT) }
}
