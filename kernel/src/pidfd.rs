//! Descriptors that refer to processes and threads, [`pidfd_open(2)`](https://man7.org/linux/man-pages/man2/pidfd_open.2.html).

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use abi::Errno;
use abi::task::clone::PIDFD_NONBLOCK;
use kcore::id::Fd;
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};
use task::{PidNode, Task, ThreadGroup};
use vfs::consts::O_RDWR;
use vfs::{FileOps, OpenFile};

use crate::current::CurrentTask;

static TARGET: LockClass = LockClass::new("pidfd", 361);

/// Whom a pidfd refers to. It keeps the numbers taken, so that they never mean somebody else.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) pid: Arc<PidNode>,
    task: Arc<Task>,
}

impl Target {
    /// The process.
    pub(crate) fn group(&self) -> &Arc<ThreadGroup> {
        self.task.group()
    }
}

/// What a pidfd does.
pub(crate) struct Pidfd {
    /// Whether it is for one thread (`PIDFD_THREAD`) rather than its process.
    thread: bool,
    target: Mutex<Option<Target>>,
}

impl Pidfd {
    /// For a task that is yet to be made.
    pub(crate) fn unbound(thread: bool) -> Arc<Pidfd> {
        Arc::new(Pidfd { thread, target: Mutex::new(&TARGET, None) })
    }
    /// For `task`, or its process.
    pub(crate) fn new(thread: bool, task: &Arc<Task>) -> Arc<Pidfd> {
        let pidfd = Pidfd::unbound(thread);
        pidfd.bind(task);
        pidfd
    }
    /// Says whom it is for.
    pub(crate) fn bind(&self, task: &Arc<Task>) {
        *self.target.lock() = Some(Target { pid: task.pid(), task: task.clone() });
    }
    /// Whether it is for one thread.
    pub(crate) fn is_thread(&self) -> bool {
        self.thread
    }
    /// Whom it is for. Errors: `ESRCH` while that is not made.
    pub(crate) fn target(&self) -> Result<Target, Errno> {
        self.target.lock().clone().ok_or(Errno::ESRCH)
    }
    fn group(&self) -> Option<Arc<ThreadGroup>> {
        Some(self.target.lock().as_ref()?.task.group().clone())
    }
}

impl FileOps for Pidfd {
    fn can_read(&self) -> bool {
        false
    }
    fn can_write(&self) -> bool {
        false
    }
    fn ready(&self, _: &OpenFile, want: Events) -> Events {
        let Ok(target) = self.target() else { return Events::empty() };
        let over = if self.thread { target.task.has_ended() } else { target.task.group().is_dead() };
        let mut ready = Events::empty();
        if over {
            ready |= Events::READABLE;
        }
        if target.task.group().is_reaped() || self.thread && over && !target.task.is_leader() {
            ready |= Events::HUP;
        }
        ready & (want | Events::ALWAYS)
    }
    fn queue(&self, _: &OpenFile) -> Option<WaitQueue> {
        self.group().map(|g| g.exit_queue.clone())
    }
    fn name(&self) -> String {
        String::from("anon_inode:[pidfd]")
    }
    fn fdinfo(&self, _: &OpenFile) -> String {
        let Ok(target) = self.target() else { return String::new() };
        let group = target.task.group();
        if group.is_reaped() {
            return String::from("Pid:\t-1\nNSpid:\t-1\n");
        }
        let mut all = String::new();
        for n in target.pid.numbers().rev() {
            all.push_str(&format!("\t{n}"));
        }
        // The outermost number comes first; all that read this are in that namespace or see what it sees.
        let outermost = target.pid.numbers().next_back().map_or(0, |n| n.0);
        format!("Pid:\t{outermost}\nNSpid:{all}\n")
    }
}

/// Gives the caller a descriptor for a pidfd. Errors: `EMFILE`.
pub(crate) fn install_pidfd(cx: &CurrentTask, pidfd: Arc<Pidfd>, nonblock: bool) -> Result<Fd, Errno> {
    let flags = O_RDWR | if nonblock { PIDFD_NONBLOCK } else { 0 };
    cx.task.files().insert(cx.kernel().nameless().open(pidfd, flags), true, 0, cx.fd_limit())
}
