//! A guest thread, as its own future sees it: the only one that waits or touches registers.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::Poll;

use kcore::host::Nanos;
use kcore::io::{IoError, IoResult};
use kcore::sync::{LockClass, Mutex};
use kcore::timer::TimerTarget;
use kcore::wait::WaitSet;
use platform::{GuestThread, Registers, UserRegs};

use crate::kernel::Kernel;
use crate::restart::Restarts;
use crate::strace::TracedCall;
use crate::task::Task;
use crate::traced::Stepping;
use task::ExitStatus;

static SLEEPER: LockClass = LockClass::new("sleeper", 860);
static RESTARTS: LockClass = LockClass::new("interrupted calls", 3);
static THREAD: LockClass = LockClass::new("guest thread", 2);

/// Why a wait ended without what was waited for. There is no conversion of `Interrupted` to an errno: each system call chooses
/// how it restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// The deadline passed.
    TimedOut,
    /// A signal (or an exec, exit or checkpoint) wants the task.
    Interrupted,
    /// What was waited for failed.
    Failed(abi::Errno),
}

/// What signal frames say of a processor exception.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Exception {
    /// The processor's number of it.
    pub(crate) trapno: u64,
    /// Its error code.
    pub(crate) error: u64,
    /// The address of the last page fault.
    pub(crate) cr2: u64,
}

/// A guest thread in the hands of the future that runs it.
pub struct CurrentTask {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) task: Task,
    /// Never locked: it is reached by `get_mut` only, and the mutex makes references to the whole shareable across waits.
    pub(crate) thread: Mutex<Box<dyn GuestThread>>,
    pub(crate) regs: Registers,
    pub(crate) exiting: Option<ExitStatus>,
    /// The last exception that became a signal.
    pub(crate) exception: Exception,
    /// How its tracer lets it run an instruction at a time.
    pub(crate) stepping: Stepping,
    /// The system call that `--strace` shows.
    pub(crate) traced_call: TracedCall,
    /// The system calls that signals interrupted.
    pub(crate) restarts: Mutex<Restarts>,
}

struct Sleeper(Mutex<Option<core::task::Waker>>);

impl TimerTarget for Sleeper {
    fn fire(self: Arc<Self>, _now: Nanos) {
        let waker = self.0.lock().take();
        if let Some(w) = waker {
            w.wake();
        }
    }
}

impl CurrentTask {
    pub(crate) fn new(
        kernel: &Arc<Kernel>,
        task: Task,
        thread: Box<dyn GuestThread>,
        regs: UserRegs,
    ) -> CurrentTask {
        CurrentTask {
            kernel: kernel.clone(),
            task,
            thread: Mutex::new(&THREAD, thread),
            regs: regs.into(),
            exiting: None,
            exception: Exception::default(),
            stepping: Stepping::default(),
            traced_call: TracedCall::default(),
            restarts: Mutex::new(&RESTARTS, Restarts::default()),
        }
    }
    /// The kernel.
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }
    /// What others see of this task.
    pub fn task(&self) -> &Task {
        &self.task
    }
    /// Waits until `attempt` says something other than [`IoError::Again`]: it is tried first, after registering on the queues of
    /// `set`, and at each wake. `deadline` is on the monotonic clock. This is the one place where a task waits.
    pub async fn wait<T>(
        &self,
        set: &WaitSet,
        deadline: Option<Nanos>,
        mut attempt: impl FnMut() -> IoResult<T>,
    ) -> Result<T, WaitEnd> {
        let mut registrations = None;
        let mut timer = None;
        let end = poll_fn(|cx| {
            self.task.core.set_waker(Some(cx.waker().clone()));
            if registrations.is_none() {
                registrations = Some(set.register(cx.waker()));
            }
            match attempt() {
                Ok(v) => return Poll::Ready(Ok(v)),
                Err(IoError::Errno(e)) => return Poll::Ready(Err(WaitEnd::Failed(e))),
                Err(IoError::Again) => {}
            }
            if self.task.core.signal_pending() {
                // What was waited for may have come with the signal, as a child's end does with SIGCHLD.
                return Poll::Ready(match attempt() {
                    Ok(v) => Ok(v),
                    Err(IoError::Errno(e)) => Err(WaitEnd::Failed(e)),
                    Err(IoError::Again) => Err(WaitEnd::Interrupted),
                });
            }
            if let Some(at) = deadline {
                if self.kernel.host().clock.monotonic() >= at {
                    return Poll::Ready(Err(WaitEnd::TimedOut));
                }
                if timer.is_none() {
                    let sleeper = Arc::new(Sleeper(Mutex::new(&SLEEPER, Some(cx.waker().clone()))));
                    timer = Some(self.kernel.timers().arm(at, sleeper));
                }
            }
            self.note_wait(set, deadline);
            self.trace_wait();
            Poll::Pending
        })
        .await;
        if let Some(key) = timer {
            self.kernel.timers().cancel(key);
        }
        end
    }

    /// Waits until the task is interrupted and `done`; nothing else ends the wait.
    pub(crate) async fn wait_until(&self, mut done: impl FnMut() -> bool) {
        poll_fn(|cx| {
            self.task.core.set_waker(Some(cx.waker().clone()));
            if done() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Waits like [`CurrentTask::wait`], but only a fatal signal ends it before `attempt` succeeds.
    pub(crate) async fn wait_killable(&self, set: &WaitSet, mut attempt: impl FnMut() -> IoResult<()>) {
        let mut registrations = None;
        poll_fn(|cx| {
            self.task.core.set_waker(Some(cx.waker().clone()));
            if registrations.is_none() {
                registrations = Some(set.register(cx.waker()));
            }
            if attempt().is_ok() || self.task.core.fatal_pending() {
                return Poll::Ready(());
            }
            self.note_wait(set, None);
            self.trace_wait();
            Poll::Pending
        })
        .await;
    }
}
