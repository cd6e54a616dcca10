//! State that `prctl(2)` keeps for a thread and nothing else interprets here.

/// Per-thread state of `prctl(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prctl {
    /// `PR_SET_TIMERSLACK`, nanoseconds; 0 is the default of 50 µs.
    pub timer_slack: u64,
    /// `PR_SET_TSC` is `PR_TSC_SIGSEGV`.
    pub tsc_traps: bool,
    /// `PR_SET_IO_FLUSHER`.
    pub io_flusher: bool,
    /// `PR_MCE_KILL`: early (`true`) or late; `None` is the default.
    pub mce_kill: Option<bool>,
    /// `PR_SET_THP_DISABLE`.
    pub thp_disable: bool,
}
