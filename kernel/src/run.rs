//! The run loop of a guest thread.

use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Waker;

use abi::Errno;
use mm::{FaultAccess, FaultOutcome};
use platform::{Access, ExceptionInfo, Kick, Trap};
use task::ExitStatus;
use task::rusage::CpuMode;
use task::signal::code::SEGV_ACCERR;
use task::signal::{SigInfo, Signal};

use crate::current::{CurrentTask, Exception};
use crate::log::guest_log;
use crate::syscall;

/// Runs a guest thread to its end.
pub(crate) async fn run_task(mut cx: CurrentTask) {
    let kicker = cx.thread.get_mut().kicker();
    let kick = kicker.clone();
    cx.task.core.set_kick(Arc::new(move || kick.kick()));
    let forget = kicker.clone();
    cx.task.core.set_forget(Arc::new(move || forget.forget_identity()));
    let mut identified = None;
    let mut waker: Option<Waker> = None;
    let status = loop {
        if cx.exiting.is_none() {
            resting(&*kicker, pin!(cx.take_signals())).await;
        }
        if let Some(status) = cx.exiting {
            break status;
        }
        // Before the look at who the task is: what changes meanwhile is seen the next time.
        let epoch = kicker.identity_epoch();
        if identified != Some(epoch) {
            identified = Some(epoch);
            let identity = cx.identity();
            cx.thread.get_mut().set_identity(&identity, epoch);
        }
        let trap = {
            let CurrentTask { thread, regs, task, kernel, .. } = &mut cx;
            let clock = &kernel.host().clock;
            let thread = thread.get_mut();
            let core = &task.core;
            let mut has_begun = false;
            let trap = poll_fn(|c| {
                if !waker.as_ref().is_some_and(|w| w.will_wake(c.waker())) {
                    waker = Some(c.waker().clone());
                    core.set_waker(waker.clone());
                }
                thread.poll_run_with(c, regs, &mut || {
                    if !core::mem::replace(&mut has_begun, true) {
                        core.times.switch(CpuMode::User, clock.stamp());
                    }
                })
            })
            .await;
            core.times.switch(CpuMode::System, clock.stamp());
            trap
        };
        match trap {
            Ok(Trap::Syscall) => resting(&*kicker, pin!(syscall::handle(&mut cx))).await,
            Ok(Trap::Fault { at, access }) => {
                cx.regs.set_number(NO_CALL);
                fault(&mut cx, at, access);
            }
            Ok(Trap::Exception(info)) => {
                cx.regs.set_number(NO_CALL);
                exception(&mut cx, &info);
            }
            Ok(Trap::Kicked) => cx.regs.set_number(NO_CALL),
            // The host took the thread away (out of memory, or an administrator): Linux would show a SIGKILL.
            Err(e) => {
                guest_log!(cx.kernel, ERROR, pid = cx.task.tid().0, error = ?e, "the host took a guest thread away");
                cx.exiting = Some(ExitStatus::Signaled { signal: Signal::KILL, core: false });
            }
        }
    };
    cx.trace_end(status);
    if cx.task.core.is_traced() {
        cx.stop_at_end(status).await;
    }
    end(cx, status);
}

/// What `orig_rax` says when the task did not come by a system call, so that none is made again.
pub(crate) const NO_CALL: u64 = u64::MAX;

/// Lets the guest thread's place to run rest whenever `work` has to wait. By reference: the state of all system calls is large.
async fn resting<T>(place: &dyn Kick, mut work: Pin<&mut impl Future<Output = T>>) -> T {
    poll_fn(|c| {
        let done = work.as_mut().poll(c);
        if done.is_pending() {
            place.rest();
        }
        done
    })
    .await
}

fn exception(cx: &mut CurrentTask, e: &ExceptionInfo) {
    const SINGLE_STEP: u64 = 1;
    (cx.exception.trapno, cx.exception.error) = (e.trapno, e.error);
    let code = if e.trapno == SINGLE_STEP { cx.stepped(e) } else { Some(e.code) };
    let Some(code) = code else { return };
    let signal = Signal::new(e.signal).unwrap_or(Signal::KILL);
    cx.fault_signal(SigInfo::fault(signal, code, e.addr));
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
    cx.task.core.counters.min_flt.add(1);
    let outcome = cx.task.mm().handle_fault(cx.task.core.id().0, at, access);
    if outcome != FaultOutcome::Resumed {
        cx.exception = page_fault(at, access, outcome);
    }
    match outcome {
        FaultOutcome::Resumed => {}
        FaultOutcome::Segv { code } => cx.fault_signal(SigInfo::fault(Signal::SEGV, code, at.0)),
        FaultOutcome::Bus { code } => cx.fault_signal(SigInfo::fault(Signal::BUS, code, at.0)),
    }
}

/// A page fault as the processor reports it. A backend that cannot tell loads from stores makes it a load.
fn page_fault(at: kcore::addr::GuestAddr, access: FaultAccess, outcome: FaultOutcome) -> Exception {
    const PAGE_FAULT: u64 = 14;
    let (present, write, user, fetch) = (1, 2, 4, 16);
    let mut error = user;
    if matches!(outcome, FaultOutcome::Segv { code: SEGV_ACCERR }) {
        error |= present;
    }
    match access {
        FaultAccess::Write => error |= write,
        FaultAccess::Exec => error |= fetch,
        FaultAccess::Read | FaultAccess::Unknown => {}
    }
    Exception { trapno: PAGE_FAULT, error, cr2: at.0 }
}

/// Ends the thread: first what it shares, so that a parent that is told finds it gone.
fn end(mut cx: CurrentTask, status: ExitStatus) {
    syscall::leave_futexes(&cx);
    syscall::clear_child_tid(&mut cx);
    cx.task.core.group().note_max_rss(cx.task.mm().peak_rss() >> 10);
    syscall::leave_ipc(&cx);
    let CurrentTask { kernel, task, thread, .. } = cx;
    let core = task.release();
    core.set_waker(None);
    drop(thread);
    core.times.switch(CpuMode::Idle, kernel.host().clock.monotonic());
    let effects = kernel.processes().exit_thread(&core, status);
    guest_log!(kernel, DEBUG, tid = core.tid().0, "a thread ended");
    if let Some(tty) = effects.tty {
        kernel.leave_tty(tty);
    }
    if let Some(status) = effects.group_dead {
        guest_log!(kernel, INFO, pid = core.group().pid().number().0, ?status, "a process ended");
        core.group().timers.disarm_all();
        kernel.unix().transit().collect();
        kernel.process_died(core.group(), status);
    }
}

/// What the run loop stores in the return register.
pub(crate) fn return_value(result: Result<u64, Errno>) -> u64 {
    result.unwrap_or_else(Errno::to_ret)
}
