//! Filters of system calls, [`seccomp(2)`](https://man7.org/linux/man-pages/man2/seccomp.2.html).

mod enforce;

use alloc::vec::Vec;

use abi::Errno;
use abi::task::seccomp::*;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::user::UserPtr;
use task::seccomp::{FilterScope, Insn, MAX_INSNS, Program, Unsynchronized};

use super::SysResult;
use crate::current::CurrentTask;

/// What a filter may answer that means something here.
pub(crate) const ACTIONS: [(u32, &str); 7] = [
    (SECCOMP_RET_KILL_PROCESS, "kill_process"),
    (SECCOMP_RET_KILL_THREAD, "kill_thread"),
    (SECCOMP_RET_TRAP, "trap"),
    (SECCOMP_RET_ERRNO, "errno"),
    (SECCOMP_RET_TRACE, "trace"),
    (SECCOMP_RET_LOG, "log"),
    (SECCOMP_RET_ALLOW, "allow"),
];

/// `seccomp(2)`. Errors: `EINVAL` for unknown operations, flags and programs that do not pass the checks, and once strict mode or
/// filters exclude it; `EACCES` for filters without `no_new_privs` and `CAP_SYS_ADMIN`; `EFAULT`; `ENOMEM`; `ESRCH`;
/// `EOPNOTSUPP` for an action that is not known.
pub(super) fn seccomp(cx: &mut CurrentTask, operation: u32, flags: u32, args: GuestAddr) -> SysResult {
    match operation {
        SECCOMP_SET_MODE_STRICT if flags == 0 && args.is_null() => strict(cx),
        SECCOMP_SET_MODE_FILTER => filter(cx, flags, args),
        SECCOMP_GET_ACTION_AVAIL if flags == 0 => {
            let action = UserPtr::<u32>::new(args).read(&**cx.task.mm())?;
            if ACTIONS.iter().any(|(known, _)| *known == action) { Ok(0) } else { Err(Errno::EOPNOTSUPP) }
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `PR_SET_SECCOMP`. Errors: `EINVAL` for unknown modes; as `seccomp`.
pub(super) fn set_mode(cx: &mut CurrentTask, mode: u64, program: u64) -> SysResult {
    match u32::try_from(mode) {
        Ok(SECCOMP_MODE_STRICT) => strict(cx),
        Ok(SECCOMP_MODE_FILTER) => filter(cx, 0, GuestAddr(program)),
        _ => Err(Errno::EINVAL),
    }
}

fn strict(cx: &CurrentTask) -> SysResult {
    cx.kernel.processes().seccomp_strict(&cx.task.core).map(|()| 0)
}

fn filter(cx: &CurrentTask, flags: u32, at: GuestAddr) -> SysResult {
    // What SECCOMP_FILTER_FLAG_LOG asks for beyond the actions that are always logged is an administrator's choice on Linux, too;
    // speculation is the host's business.
    const KNOWN: u32 = SECCOMP_FILTER_FLAG_TSYNC
        | SECCOMP_FILTER_FLAG_LOG
        | SECCOMP_FILTER_FLAG_SPEC_ALLOW
        | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let program = read_program(cx, at)?;
    let sync = flags & SECCOMP_FILTER_FLAG_TSYNC != 0;
    let scope = if sync { FilterScope::Process } else { FilterScope::Thread };
    match cx.kernel.processes().seccomp_filter(&cx.task.core, program, scope)? {
        Ok(()) => Ok(0),
        Err(_) if flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH != 0 => Err(Errno::ESRCH),
        Err(Unsynchronized(thread)) => {
            u64::try_from(thread.tid_in(&cx.task.core.pid_ns()).0).map_err(|_| Errno::ESRCH)
        }
    }
}

fn read_program(cx: &CurrentTask, at: GuestAddr) -> Result<Program, Errno> {
    let mm = &**cx.task.mm();
    let prog = UserPtr::<SockFprog>::new(at).read(mm)?;
    let len = usize::from(prog.len);
    if len == 0 || len > MAX_INSNS {
        return Err(Errno::EINVAL);
    }
    if !cx.task.core.no_new_privs() {
        let cred = cx.task.cred();
        if !cred.has_cap_in(Cap::SysAdmin, &cred.user_ns) {
            return Err(Errno::EACCES);
        }
    }
    let insns = UserPtr::<SockFilter>::new(GuestAddr(prog.filter)).read_vec(mm, len)?;
    let insns: Vec<Insn> = insns.iter().map(|i| Insn { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    Program::new(insns)
}
