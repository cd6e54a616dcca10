//! Who waits for what, for reports of kernels that stand still.
//!
//! Nothing is written down while tasks wait. Whoever wants to know wakes all of them for nothing ([`Kernel::ask_waits`]): each looks
//! again, and says what it waits for as it goes back to sleep. One that goes on instead had missed its wake-up.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::panic::Location;
use core::sync::atomic::{AtomicBool, Ordering};

use kcore::host::Nanos;
use kcore::id::Pid;
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitSet};
use task::TaskId;

use crate::current::CurrentTask;
use crate::kernel::Kernel;
use crate::syscall::table::call_text;

static WAITS: LockClass = LockClass::new("who waits", 940);

/// A task that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Which one.
    pub task: TaskId,
    /// Its number in the initial namespace.
    pub tid: Pid,
    /// Whether it stands still by a signal or for its tracer.
    pub stopped: bool,
    /// Its system call, as traces show it.
    pub call: String,
    /// The queues that would wake it, by where they were made, and the events that it wants.
    pub queues: Vec<(&'static Location<'static>, Events)>,
    /// When it stops waiting, on the monotonic clock.
    pub deadline: Option<Nanos>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stopped {
            return write!(f, "task {} is stopped", self.tid);
        }
        write!(f, "task {} waits in {}", self.tid, self.call)?;
        let queues = self.queues.iter();
        queues.enumerate().try_for_each(|(i, (at, events))| {
            let before = if i == 0 { " for" } else { "," };
            write!(f, "{before} {events:?} on the queue of {}:{}", at.file(), at.line())
        })?;
        if self.queues.is_empty() {
            f.write_str(" for whoever wakes it by name")?;
        }
        self.deadline.map_or(Ok(()), |at| write!(f, ", until {at} ns"))
    }
}

/// The answers to a question.
pub(crate) struct Waits {
    asked: AtomicBool,
    found: Mutex<Vec<Waiting>>,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits { asked: AtomicBool::new(false), found: Mutex::new(&WAITS, Vec::new()) }
    }
}

impl Kernel {
    /// Asks all tasks what they wait for. They answer when the executor has polled them.
    pub fn ask_waits(&self) {
        self.waits().found.lock().clear();
        self.waits().asked.store(true, Ordering::SeqCst);
        self.processes().tasks().iter().for_each(|t| t.wake());
    }
    /// The answers to [`Kernel::ask_waits`] so far, and no more of them from now on.
    pub fn take_waits(&self) -> Vec<Waiting> {
        self.waits().asked.store(false, Ordering::SeqCst);
        core::mem::take(&mut *self.waits().found.lock())
    }
}

impl CurrentTask {
    /// Answers, if asked, that the task goes on waiting.
    pub(crate) fn note_wait(&self, set: &WaitSet, deadline: Option<Nanos>) {
        let waits = self.kernel.waits();
        if !waits.asked.load(Ordering::Relaxed) {
            return;
        }
        let core = &self.task.core;
        let waiting = Waiting {
            task: core.id(),
            tid: core.tid(),
            stopped: core.is_stopped(),
            call: call_text(self.regs.number(), self.regs.args()),
            queues: set.iter().map(|(q, e)| (q.made_at(), e)).collect(),
            deadline,
        };
        waits.found.lock().push(waiting);
    }
}
