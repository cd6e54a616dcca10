//! Signals, `signal(7)`, and the flags of `sigaction(2)` and its relatives.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

pub use crate::arch::current::signal::{MINSIGSTKSZ, SIGSTKSZ};

constants! {
    /// Signals; those from `SIGRTMIN` on have no names of their own.
    pub SIGNALS: i32 = general {
        SIGHUP = 1,
        SIGINT = 2,
        SIGQUIT = 3,
        SIGILL = 4,
        SIGTRAP = 5,
        SIGABRT = 6,
        SIGBUS = 7,
        SIGFPE = 8,
        SIGKILL = 9,
        SIGUSR1 = 10,
        SIGSEGV = 11,
        SIGUSR2 = 12,
        SIGPIPE = 13,
        SIGALRM = 14,
        SIGTERM = 15,
        SIGSTKFLT = 16,
        SIGCHLD = 17,
        SIGCONT = 18,
        SIGSTOP = 19,
        SIGTSTP = 20,
        SIGTTIN = 21,
        SIGTTOU = 22,
        SIGURG = 23,
        SIGXCPU = 24,
        SIGXFSZ = 25,
        SIGVTALRM = 26,
        SIGPROF = 27,
        SIGWINCH = 28,
        SIGIO = 29,
        SIGPWR = 30,
        SIGSYS = 31,
    }

    /// Names that stand for the same, and the range of real-time signals.
    pub SIGNAL_LIMITS: i32 = general {
        SIGIOT = 6,
        SIGPOLL = 29,
        SIGRTMIN = 32,
        _NSIG = 64,
    }

    /// Flags of `sigaction(2)`.
    pub SA_FLAGS: u64 = general {
        SA_NOCLDSTOP = 1,
        SA_NOCLDWAIT = 2,
        SA_SIGINFO = 4,
        SA_UNSUPPORTED = 0x400,
        SA_EXPOSE_TAGBITS = 0x800,
        SA_RESTORER = 0x400_0000,
        SA_ONSTACK = 0x800_0000,
        SA_RESTART = 0x1000_0000,
        SA_NODEFER = 0x4000_0000,
        SA_RESETHAND = 0x8000_0000,
    }

    /// How `sigprocmask(2)` changes the mask.
    pub SIG_HOW: i32 = general {
        SIG_BLOCK = 0,
        SIG_UNBLOCK = 1,
        SIG_SETMASK = 2,
    }

    /// Flags of `sigaltstack(2)`.
    pub SS_FLAGS: u32 = general {
        SS_ONSTACK = 1,
        SS_DISABLE = 2,
        SS_AUTODISARM = 0x8000_0000,
    }

    /// How `struct sigevent` notifies.
    pub SIGEV: i32 = general {
        SIGEV_SIGNAL = 0,
        SIGEV_NONE = 1,
        SIGEV_THREAD = 2,
        SIGEV_THREAD_ID = 4,
    }
}

/// The handler that stands for the default action.
pub const SIG_DFL: u64 = 0;
/// The handler that ignores.
pub const SIG_IGN: u64 = 1;
/// The largest signal number.
pub const SIGRTMAX: i32 = _NSIG;
