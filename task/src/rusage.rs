//! What tasks used, `getrusage(2)`.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::task::Task;

/// CPU time of a thread, in nanoseconds.
#[derive(Debug, Default)]
pub struct CpuTimes {
    /// In guest code.
    pub user: AtomicU64,
    /// In the kernel on its behalf.
    pub system: AtomicU64,
}

impl CpuTimes {
    /// User and system time.
    pub fn get(&self) -> (u64, u64) {
        (self.user.load(Ordering::Relaxed), self.system.load(Ordering::Relaxed))
    }
    /// Adds user time.
    pub fn add_user(&self, ns: u64) {
        self.user.fetch_add(ns, Ordering::Relaxed);
    }
    /// Adds system time.
    pub fn add_system(&self, ns: u64) {
        self.system.fetch_add(ns, Ordering::Relaxed);
    }
}

/// What was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rusage {
    /// User time in nanoseconds.
    pub user_ns: u64,
    /// System time in nanoseconds.
    pub system_ns: u64,
    /// Largest resident size in KiB.
    pub max_rss: u64,
    /// Voluntary context switches.
    pub switches: u64,
}

impl Rusage {
    /// What one thread used.
    pub fn of_task(t: &Task) -> Rusage {
        let (user_ns, system_ns) = t.times.get();
        Rusage { user_ns, system_ns, max_rss: 0, switches: t.switches.load(Ordering::Relaxed) }
    }
    /// Adds what another used.
    pub fn add(&mut self, o: &Rusage) {
        self.user_ns += o.user_ns;
        self.system_ns += o.system_ns;
        self.max_rss = self.max_rss.max(o.max_rss);
        self.switches += o.switches;
    }
}
