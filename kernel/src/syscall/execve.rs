//! `execve(2)`, `execveat(2)`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_char;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::io::IoError;
use kcore::user::{UserPtr, read_c_string};
use kcore::wait::{Events, WaitSet};
use platform::UserRegs;
use task::rlimit::{Resource, Rlimit};
use task::signal::{SigInfo, Signal};

use super::SysResult;
use super::limits::space_limits;
use crate::current::CurrentTask;
use crate::exec::{LoadRequest, Program, ProgramName, load, max_strings};
use crate::log::{GuestText, guest_log};
use crate::personality;

/// Longest single string with its NUL (`MAX_ARG_STRLEN`).
const MAX_STRING: usize = 128 << 10;

/// Reads a list of strings, of which `left` bytes with pointers may be used. Errors: `EFAULT`, `E2BIG`.
fn read_strings(cx: &CurrentTask, list: GuestAddr, left: &mut u64) -> Result<Vec<Vec<u8>>, Errno> {
    let mut strings = Vec::new();
    if list.is_null() {
        return Ok(strings);
    }
    let mut at = UserPtr::<u64>::new(list);
    loop {
        let p = at.read(&**cx.task.mm())?;
        if p == 0 {
            return Ok(strings);
        }
        let s = read_c_string(&**cx.task.mm(), GuestAddr(p), MAX_STRING)
            .map_err(|e| if e == Errno::ENAMETOOLONG { Errno::E2BIG } else { e })?;
        *left = left.checked_sub(s.len() as u64 + 9).ok_or(Errno::E2BIG)?;
        strings.push(s.into_vec());
        at = at.offset(1)?;
    }
}

/// `execve(2)`. Errors: those of the manual page.
pub(super) async fn execve(
    cx: &mut CurrentTask,
    path: UserPtr<c_char>,
    argv: GuestAddr,
    envp: GuestAddr,
) -> SysResult {
    let name = ProgramName::Path(cx.read_path(path)?.into_vec());
    execute(cx, name, argv, envp, false).await
}

/// `execveat(2)`. Errors: those of `execve`, `EBADF`, `EINVAL`, `ELOOP`, `ENOTDIR`.
pub(super) async fn execveat(
    cx: &mut CurrentTask,
    dir: Fd,
    path: UserPtr<c_char>,
    argv: GuestAddr,
    envp: GuestAddr,
    flags: u32,
) -> SysResult {
    const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
    const AT_EMPTY_PATH: u32 = 0x1000;
    const AT_EXECVE_CHECK: u32 = 0x1_0000;
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EXECVE_CHECK) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = cx.read_path(path)?.into_vec();
    let name = if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        let files = cx.task.files();
        ProgramName::File { fd: dir, file: files.get(dir)?, closes: files.cloexec(dir)? }
    } else if path.is_empty() {
        return Err(Errno::ENOENT);
    } else {
        let absolute = path.first() == Some(&b'/');
        let start = if absolute { None } else { cx.task.dir(dir)? };
        let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
        match start {
            Some(place) => ProgramName::At { fd: dir, dir: place, path, follow },
            None if follow => ProgramName::Path(path),
            None => ProgramName::At { fd: dir, dir: cx.task.fs().view().cwd.clone(), path, follow },
        }
    };
    execute(cx, name, argv, envp, flags & AT_EXECVE_CHECK != 0).await
}

/// Executes a program, or only checks whether that would work. Everything that can fail is done before the old program is given up.
async fn execute(
    cx: &mut CurrentTask,
    name: ProgramName,
    argv: GuestAddr,
    envp: GuestAddr,
    check_only: bool,
) -> SysResult {
    let stack_limit = cx.task.core.group().rlimit(Resource::Stack).cur;
    let mut left = max_strings(stack_limit);
    let mut args = read_strings(cx, argv, &mut left)?;
    let env = read_strings(cx, envp, &mut left)?;
    if args.is_empty() {
        // Since Linux 5.18 a program always has a first argument.
        args.push(Vec::new());
    }
    let kernel = cx.kernel.clone();
    let path = name.shown();
    let program = load(
        &kernel,
        LoadRequest {
            task: Some(&cx.task.core),
            cred: &cx.task.cred(),
            fs: cx.task.fs(),
            fs_is_shared: cx.task.shares_fs(),
            name,
            args,
            env,
            stack_limit,
        },
    )?;
    if check_only {
        return Ok(0);
    }
    let old = cx.task.core.pid();
    end_other_threads(cx).await?;
    let pid = cx.task.tid().0;
    guest_log!(cx.kernel, INFO, pid, path = %GuestText(&path), "a program is executed");
    commit(cx, program);
    if cx.task.core.is_traced() {
        cx.stop_for_exec(&old).await;
    }
    Ok(0)
}

/// Waits until the caller is the only thread of its process. Errors: `EAGAIN`, `EINTR`; it will be killed.
async fn end_other_threads(cx: &CurrentTask) -> Result<(), Errno> {
    let processes = cx.kernel.processes().clone();
    let core = cx.task.core.clone();
    processes.begin_exec(&core)?;
    while let Err(queue) = processes.exec_ready(&core) {
        let set = WaitSet::one(&queue, Events::all());
        let mut first = true;
        cx.wait_killable(&set, || if core::mem::take(&mut first) { Err(IoError::Again) } else { Ok(()) })
            .await;
        if core.fatal_pending() {
            processes.abort_exec(&core);
            return Err(Errno::EINTR);
        }
    }
    Ok(())
}

/// Puts the program in the place of the old one.
fn commit(cx: &mut CurrentTask, program: Program) {
    super::leave_futexes(cx);
    super::clear_child_tid(cx);
    if cx.thread.get_mut().set_space(&program.memory.space).is_err() {
        // There is nothing to go back to.
        cx.fault_signal(SigInfo::kernel(Signal::KILL));
        return;
    }
    let core = cx.task.core.clone();
    let group = core.group();
    cx.task.unshare_files();
    super::ipc::leave_memory(cx);
    cx.task.set_memory(program.memory);
    let number = cx.regs.number();
    cx.regs.set(UserRegs { orig_rax: number, ..program.regs });
    core.set_comm(&program.name);
    core.set_left_futexes(false);
    let old = core.cred();
    let changed = old.euid != program.cred.euid
        || old.egid != program.cred.egid
        || !program.cred.permitted.is_subset(old.permitted);
    if program.secure {
        limit_stack(group);
    }
    personality::after_exec(&core, program.secure);
    if program.secure || changed {
        core.with_fields(|f| f.pdeath_signal = None);
    }
    let privileged = program.cred.has_cap_in(Cap::IpcLock, cx.kernel.user_ns());
    cx.task.set_cred(Arc::new(program.cred));
    group.set_dumpable((program.dumpable && !changed).into());
    cx.task.mm().set_limits(space_limits(group, privileged));
    cx.kernel.processes().finish_exec(&core);
    cx.task.files().close_on_exec();
}

/// A privileged program's stack grows no further than usual.
fn limit_stack(group: &task::ThreadGroup) {
    const USUAL: u64 = 8 << 20;
    let now = group.rlimit(Resource::Stack);
    if now.cur > USUAL {
        // Lowering the soft limit needs no privilege.
        group.set_rlimit(Resource::Stack, Rlimit { cur: USUAL, ..now }, true).ok();
    }
}
