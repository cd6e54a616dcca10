//! `execve(2)`.

use alloc::vec::Vec;
use core::ffi::c_char;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::io::IoError;
use kcore::user::{UserPtr, read_c_string};
use kcore::wait::{Events, WaitSet};

use super::SysResult;
use crate::current::CurrentTask;
use crate::exec::load;

/// Most arguments and environment strings together; their bytes are limited when the stack is built.
const MAX_STRINGS: usize = 0x7_ffff;
/// Longest single string with its NUL (`MAX_ARG_STRLEN`).
const MAX_STRING: usize = 128 << 10;

fn read_strings(cx: &CurrentTask, list: GuestAddr) -> Result<Vec<Vec<u8>>, Errno> {
    let mut strings = Vec::new();
    if list.is_null() {
        return Ok(strings);
    }
    let mut at = UserPtr::<u64>::new(list);
    let mut bytes = 0;
    loop {
        let p = at.read(&**cx.task.mm())?;
        if p == 0 {
            return Ok(strings);
        }
        let s = read_c_string(&**cx.task.mm(), GuestAddr(p), MAX_STRING)
            .map_err(|e| if e == Errno::ENAMETOOLONG { Errno::E2BIG } else { e })?;
        bytes += s.len() + 9;
        if strings.len() >= MAX_STRINGS || bytes > 2 << 20 {
            return Err(Errno::E2BIG);
        }
        strings.push(s);
        at = at.offset(1)?;
    }
}

/// `execve(2)`: everything that can fail is done before the old program is given up.
pub(super) async fn execve(
    cx: &mut CurrentTask,
    path: UserPtr<c_char>,
    argv: GuestAddr,
    envp: GuestAddr,
) -> SysResult {
    let path = cx.read_path(path)?;
    let mut args = read_strings(cx, argv)?;
    let env = read_strings(cx, envp)?;
    if args.is_empty() {
        // Since Linux 5.18 a program always has a first argument.
        args.push(Vec::new());
    }
    let kernel = cx.kernel.clone();
    let program = load(&kernel, Some(&cx.task.core), cx.task.fs(), &cx.task.cred(), &path, args, &env)?;
    let processes = kernel.processes().clone();
    processes.begin_exec(&cx.task.core)?;
    loop {
        let core = cx.task.core.clone();
        let queue = match processes.exec_ready(&core) {
            Ok(()) => break,
            Err(queue) => queue,
        };
        let set = WaitSet::one(&queue, Events::all());
        let mut first = true;
        cx.wait_killable(&set, || if core::mem::take(&mut first) { Err(IoError::Again) } else { Ok(()) })
            .await;
        if core.fatal_pending() {
            processes.abort_exec(&core);
            return Err(Errno::EINTR);
        }
    }
    super::leave_futexes(cx);
    super::clear_child_tid(cx);
    cx.thread.get_mut().set_space(&program.memory.space)?;
    cx.task.set_memory(program.memory);
    cx.regs = program.regs;
    cx.task.core.set_comm(&program.name);
    cx.task.core.set_left_futexes(false);
    processes.finish_exec(&cx.task.core);
    cx.task.files().close_on_exec();
    Ok(0)
}
