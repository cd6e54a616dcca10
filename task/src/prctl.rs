//! State that `prctl(2)` keeps for a thread and nothing else interprets here.

/// How much later than asked for timers may fire, `PR_SET_TIMERSLACK(2const)`, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerSlack {
    now: u64,
    /// What 0 sets: what the thread was made with.
    default: u64,
}

impl Default for TimerSlack {
    fn default() -> TimerSlack {
        TimerSlack { now: 50_000, default: 50_000 }
    }
}

impl TimerSlack {
    /// In force.
    pub fn get(self) -> u64 {
        self.now
    }
    /// Sets it; 0 brings the default back.
    pub fn set(&mut self, slack: u64) {
        self.now = if slack == 0 { self.default } else { slack };
    }
    /// For a new thread: its default is what its maker has.
    pub(crate) fn inherited(self) -> TimerSlack {
        TimerSlack { now: self.now, default: self.now }
    }
}

/// Per-thread state of `prctl(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prctl {
    /// `PR_SET_TIMERSLACK`.
    pub timer_slack: TimerSlack,
    /// `PR_SET_TSC` is `PR_TSC_SIGSEGV`.
    pub tsc_traps: bool,
    /// `PR_SET_IO_FLUSHER`.
    pub io_flusher: bool,
    /// `PR_MCE_KILL`: early (`true`) or late; `None` is the default.
    pub mce_kill: Option<bool>,
    /// `PR_SET_THP_DISABLE`.
    pub thp_disable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_thread_goes_back_to_what_its_maker_had() {
        let mut slack = TimerSlack::default();
        slack.set(70_000);
        let mut child = slack.inherited();
        child.set(1);
        child.set(0);
        assert_eq!(child.get(), 70_000);
        slack.set(0);
        assert_eq!(slack.get(), 50_000);
    }
}
