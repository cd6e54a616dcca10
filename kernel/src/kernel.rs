//! A kernel: everything that one sandbox shares.

use alloc::string::String;
use alloc::sync::Arc;

use kcore::host::{Clock, Entropy};
use kcore::timer::TimerQueue;
use mm::FrameAllocator;
use platform::Platform;
use vfs::Vfs;

use crate::sched::{Executor, Idle};

/// Takes lines about system calls, for `--strace`.
pub trait TraceSink: Send + Sync {
    /// One finished system call.
    fn line(&self, line: &str);
}

/// What a kernel runs on.
pub struct Host {
    /// Runs guest code.
    pub platform: Arc<dyn Platform>,
    /// Guest memory; the platform's stubs map the same file.
    pub frames: Arc<FrameAllocator>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// How workers sleep.
    pub idle: Arc<dyn Idle>,
    /// Where system calls are reported, if anywhere.
    pub trace: Option<Arc<dyn TraceSink>>,
}

/// One sandbox's kernel. A process may hold several; they share nothing.
pub struct Kernel {
    host: Host,
    vfs: Vfs,
    timers: Arc<TimerQueue>,
    executor: Executor,
    hostname: String,
}

impl Kernel {
    /// A kernel without tasks.
    pub fn new(host: Host, vfs: Vfs, hostname: &str) -> Arc<Kernel> {
        let timers = Arc::new(TimerQueue::new());
        let executor = Executor::new(host.idle.clone(), timers.clone(), host.clock.clone());
        Arc::new(Kernel { host, vfs, timers, executor, hostname: hostname.into() })
    }
    /// What it runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }
    /// Services of path operations.
    pub fn vfs(&self) -> &Vfs {
        &self.vfs
    }
    /// Armed deadlines.
    pub fn timers(&self) -> &Arc<TimerQueue> {
        &self.timers
    }
    /// Runs the tasks.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }
    /// The initial host name.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }
}
