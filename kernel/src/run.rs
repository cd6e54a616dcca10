//! The run loop of a guest thread.

use core::future::poll_fn;

use abi::Errno;
use mm::{FaultAccess, FaultOutcome};
use platform::{Access, Trap};

use crate::current::CurrentTask;
use crate::syscall;
use crate::task::ExitStatus;

const SIGKILL: u8 = 9;
const SIGSEGV: u8 = 11;
const SIGBUS: u8 = 7;

/// Runs a guest thread to its end.
pub async fn run_task(mut cx: CurrentTask) {
    let kicker = cx.thread.get_mut().kicker();
    cx.task.set_kick(kicker);
    let status = loop {
        if let Some(status) = cx.exiting {
            break status;
        }
        let trap = {
            let CurrentTask { thread, regs, task, .. } = &mut cx;
            let thread = thread.get_mut();
            poll_fn(|c| {
                task.set_waker(c.waker());
                thread.poll_run(c, regs)
            })
            .await
        };
        match trap {
            Ok(Trap::Syscall) => syscall::handle(&mut cx).await,
            Ok(Trap::Fault { at, access }) => fault(&mut cx, at, access),
            Ok(Trap::Exception(info)) => {
                let signal = u8::try_from(info.signal).unwrap_or(SIGKILL);
                cx.exiting = Some(ExitStatus::Signal(signal));
            }
            Ok(Trap::Kicked) => {}
            // The host took the thread away (out of memory, or an administrator): Linux would show a SIGKILL.
            Err(_) => cx.exiting = Some(ExitStatus::Signal(SIGKILL)),
        }
    };
    cx.task.finish(status);
}

fn fault(cx: &mut CurrentTask, at: kcore::addr::GuestAddr, access: Access) {
    let access = if access.contains(Access::UNKNOWN) {
        FaultAccess::Unknown
    } else if access.contains(Access::WRITE) {
        FaultAccess::Write
    } else if access.contains(Access::EXEC) {
        FaultAccess::Exec
    } else {
        FaultAccess::Read
    };
    match cx.task.mm().handle_fault(at, access) {
        FaultOutcome::Resumed => {}
        FaultOutcome::Segv { .. } => cx.exiting = Some(ExitStatus::Signal(SIGSEGV)),
        FaultOutcome::Bus { .. } => cx.exiting = Some(ExitStatus::Signal(SIGBUS)),
    }
}

/// What the run loop stores in the return register.
pub(crate) fn return_value(result: Result<u64, Errno>) -> u64 {
    result.unwrap_or_else(Errno::to_ret)
}
