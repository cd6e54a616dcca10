//! What tasks used, `getrusage(2)`.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use crate::task::Task;

/// What a thread does with processor time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuMode {
    /// It sleeps.
    Idle,
    /// It runs guest code.
    User,
    /// The kernel works on its behalf.
    System,
}

const MODE: u64 = 3;
const CHANGING: u64 = 3;

impl CpuMode {
    fn bits(self) -> u64 {
        match self {
            CpuMode::Idle => 0,
            CpuMode::User => 1,
            CpuMode::System => 2,
        }
    }
    fn of(state: u64) -> CpuMode {
        match state & MODE {
            1 => CpuMode::User,
            2 => CpuMode::System,
            _ => CpuMode::Idle,
        }
    }
}

/// CPU time of a thread, in nanoseconds. Only the thread's own future changes the mode; everybody may read.
#[derive(Debug, Default)]
pub struct CpuTimes {
    /// When the present mode began, in nanoseconds times four, and the mode; [`CHANGING`] while the sums are being brought up to date.
    state: AtomicU64,
    user: AtomicU64,
    system: AtomicU64,
}

impl CpuTimes {
    /// Ends the present mode and begins `to`. `now` is the monotonic time.
    pub fn switch(&self, to: CpuMode, now: u64) {
        let old = self.state.load(Ordering::Relaxed);
        let spent = now.saturating_sub(old >> 2);
        match CpuMode::of(old) {
            CpuMode::Idle => {}
            CpuMode::User => self.change(&self.user, spent),
            CpuMode::System => self.change(&self.system, spent),
        }
        self.state.store(now << 2 | to.bits(), Ordering::Release);
    }
    fn change(&self, sum: &AtomicU64, spent: u64) {
        // Nobody else writes, so that plain stores do; whoever sees the new sum sees that it is changing.
        self.state.store(self.state.load(Ordering::Relaxed) | CHANGING, Ordering::Relaxed);
        fence(Ordering::Release);
        sum.store(sum.load(Ordering::Relaxed).wrapping_add(spent), Ordering::Relaxed);
    }
    /// The present mode, and since when.
    pub fn mode(&self) -> (CpuMode, u64) {
        let state = self.state.load(Ordering::Acquire);
        (CpuMode::of(state), state >> 2)
    }
    /// User and system time up to `now`.
    pub fn get(&self, now: u64) -> (u64, u64) {
        loop {
            let state = self.state.load(Ordering::Acquire);
            let (user, system) = (self.user.load(Ordering::Acquire), self.system.load(Ordering::Acquire));
            if state & MODE == CHANGING || self.state.load(Ordering::Acquire) != state {
                core::hint::spin_loop();
                continue;
            }
            let spent = now.saturating_sub(state >> 2);
            return match CpuMode::of(state) {
                CpuMode::Idle => (user, system),
                CpuMode::User => (user + spent, system),
                CpuMode::System => (user, system + spent),
            };
        }
    }
}

/// A number of events.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a thread did, counted as it happens.
#[derive(Debug, Default)]
pub struct Counters {
    /// Page faults served from memory.
    pub min_flt: Counter,
    /// Page faults that read from a file.
    pub maj_flt: Counter,
    /// Times that it waited.
    pub nvcsw: Counter,
    /// Times that it was made to let others run.
    pub nivcsw: Counter,
    /// Bytes that reading calls returned.
    pub rchar: Counter,
    /// Bytes that writing calls took.
    pub wchar: Counter,
    /// Reading calls.
    pub syscr: Counter,
    /// Writing calls.
    pub syscw: Counter,
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
    /// Page faults served from memory.
    pub min_flt: u64,
    /// Page faults that read from a file.
    pub maj_flt: u64,
    /// Voluntary context switches.
    pub nvcsw: u64,
    /// Involuntary context switches.
    pub nivcsw: u64,
    /// Bytes that reading calls returned.
    pub rchar: u64,
    /// Bytes that writing calls took.
    pub wchar: u64,
    /// Reading calls.
    pub syscr: u64,
    /// Writing calls.
    pub syscw: u64,
}

impl Rusage {
    /// What one thread used up to `now`, monotonic. Its memory is its process's.
    pub fn of_task(t: &Task, now: u64) -> Rusage {
        let (user_ns, system_ns) = t.times.get(now);
        let c = &t.counters;
        Rusage {
            user_ns,
            system_ns,
            max_rss: 0,
            min_flt: c.min_flt.get(),
            maj_flt: c.maj_flt.get(),
            nvcsw: c.nvcsw.get(),
            nivcsw: c.nivcsw.get(),
            rchar: c.rchar.get(),
            wchar: c.wchar.get(),
            syscr: c.syscr.get(),
            syscw: c.syscw.get(),
        }
    }
    /// What one thread used up to its last change of mode: all of it once it is at rest.
    pub fn at_rest(t: &Task) -> Rusage {
        Rusage::of_task(t, t.times.mode().1)
    }
    /// Adds what another used.
    pub fn add(&mut self, o: &Rusage) {
        self.user_ns += o.user_ns;
        self.system_ns += o.system_ns;
        self.max_rss = self.max_rss.max(o.max_rss);
        self.min_flt += o.min_flt;
        self.maj_flt += o.maj_flt;
        self.nvcsw += o.nvcsw;
        self.nivcsw += o.nivcsw;
        self.rchar += o.rchar;
        self.wchar += o.wchar;
        self.syscr += o.syscr;
        self.syscw += o.syscw;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_to_the_mode_that_it_was_spent_in() {
        let t = CpuTimes::default();
        t.switch(CpuMode::System, 100);
        t.switch(CpuMode::User, 130);
        assert_eq!(t.get(135), (5, 30), "what is going on counts");
        assert_eq!(t.mode(), (CpuMode::User, 130));
        t.switch(CpuMode::System, 150);
        t.switch(CpuMode::Idle, 151);
        assert_eq!(t.get(1000), (20, 31), "sleep does not");
        t.switch(CpuMode::System, 140);
        assert_eq!(t.get(139), (20, 31), "a clock that stands still takes nothing away");
    }
}
