//! System calls: the table, and the handlers in a module for each family.

mod allocate;
mod args;
mod attributes;
mod blocking;
mod clock_set;
mod clone;
mod copy;
mod cred;
mod cross;
mod descriptor;
mod directory;
mod dirent;
mod epoll;
mod eventfd;
mod execve;
mod fcntl;
mod file_owner;
mod futex;
mod inotify;
mod ioctl;
mod ipc;
mod itimer;
mod limits;
mod locks;
mod memfd;
mod memory;
mod mount;
mod mount_query;
mod mqueue;
mod names;
mod namespace;
mod open;
mod path;
mod pidfd;
mod pidfd_info;
mod pipe;
mod poll;
mod posix_timer;
mod prctl;
mod prctl_mm;
mod priority;
mod process;
mod ptrace;
mod read_write;
mod rusage;
mod sched;
mod seccomp;
mod select;
mod signal;
mod signalfd;
mod socket;
mod splice;
mod stat;
mod statfs;
mod sync;
mod system;
pub mod table;
mod target;
mod time;
mod timerfd;
mod wait;
mod xattr;
mod xattrat;

pub(crate) use args::{Shape, low_int};
pub(crate) use futex::leave_futexes;
pub(crate) use ipc::leave_ipc;
pub(crate) use mount::FILE_SYSTEMS;
pub(crate) use process::clear_child_tid;
pub(crate) use rusage::TICK;
pub(crate) use seccomp::ACTIONS;
pub(crate) use system::{MACHINE, RELEASE, SYSNAME, VERSION};
pub use table::{ArgInfo, Entry, Status, entries, entry};

use abi::Errno;

use crate::current::CurrentTask;
use crate::run::{NO_CALL, return_value};

/// What a handler returns: the value of the return register, or an error.
pub(crate) type SysResult = Result<u64, Errno>;

/// Serves the system call that the guest's registers describe.
pub(crate) async fn handle(cx: &mut CurrentTask) {
    if !cx.task.core.has_entry_work() {
        serve(cx).await;
    } else {
        if cx.task.core.is_traced() && !cx.stop_at_entry().await {
            return;
        }
        // No number is the tracer's way to have no call made; it sees the exit all the same.
        let wanted = cx.regs.number() != NO_CALL;
        if wanted && (!cx.task.core.is_filtered() || cx.pass_filters().await) {
            serve(cx).await;
        }
    }
    if cx.exiting.is_some() {
        return;
    }
    if cx.task.core.is_traced() {
        cx.stop_at_exit().await;
    }
}

async fn serve(cx: &mut CurrentTask) {
    let (nr, args) = cx.requested_call();
    cx.trace_entry(nr, args);
    let result = match u32::try_from(nr) {
        Ok(nr) => {
            cx.log_gaps(nr);
            table::dispatch(cx, nr, args).await
        }
        Err(_) => Err(Errno::ENOSYS),
    };
    // An interruption that the handler made something else of does not restart the call.
    let restart = cx.take_interrupted().filter(|_| result == Err(Errno::EINTR));
    let value = restart.unwrap_or_else(|| return_value(result));
    cx.regs.set_result(value);
    cx.trace_exit(value);
}
