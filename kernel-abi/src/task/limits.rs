//! Limits, use and priority: `getrlimit(2)`, `getrusage(2)`, `getpriority(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

use crate::time::Timeval;

constants! {
    /// Resources that have limits.
    pub RLIMITS: u32 = general {
        RLIMIT_CPU = 0,
        RLIMIT_FSIZE = 1,
        RLIMIT_DATA = 2,
        RLIMIT_STACK = 3,
        RLIMIT_CORE = 4,
        RLIMIT_RSS = 5,
        RLIMIT_NPROC = 6,
        RLIMIT_NOFILE = 7,
        RLIMIT_MEMLOCK = 8,
        RLIMIT_AS = 9,
        RLIMIT_LOCKS = 10,
        RLIMIT_SIGPENDING = 11,
        RLIMIT_MSGQUEUE = 12,
        RLIMIT_NICE = 13,
        RLIMIT_RTPRIO = 14,
        RLIMIT_RTTIME = 15,
        RLIM_NLIMITS = 16,
    }

    /// The limit that is none.
    pub RLIM: u64 = general {
        RLIM_INFINITY = 0xffff_ffff_ffff_ffff,
    }

    /// Whose use `getrusage(2)` reports.
    pub RUSAGE_WHO: i32 = general {
        RUSAGE_SELF = 0,
        RUSAGE_CHILDREN = -1,
        RUSAGE_THREAD = 1,
    }

    /// Whose priority `setpriority(2)` sets.
    pub PRIORITY_WHO: u32 = general {
        PRIO_PROCESS = 0,
        PRIO_PGRP = 1,
        PRIO_USER = 2,
    }
}

layout! {
    /// `struct rlimit` and `struct rlimit64`.
    pub struct Rlimit = general::rlimit64 {
        /// Soft limit.
        rlim_cur: u64,
        /// Hard limit.
        rlim_max: u64,
    }
    /// `struct rusage`.
    pub struct Rusage = general::rusage {
        /// Processor time in user mode.
        ru_utime: Timeval,
        /// Processor time in the kernel.
        ru_stime: Timeval,
        /// Largest resident set, in KiB.
        ru_maxrss: i64,
        /// Unused.
        ru_ixrss: i64,
        /// Unused.
        ru_idrss: i64,
        /// Unused.
        ru_isrss: i64,
        /// Faults without input.
        ru_minflt: i64,
        /// Faults with input.
        ru_majflt: i64,
        /// Unused.
        ru_nswap: i64,
        /// Inputs from file systems.
        ru_inblock: i64,
        /// Outputs to file systems.
        ru_oublock: i64,
        /// Unused.
        ru_msgsnd: i64,
        /// Unused.
        ru_msgrcv: i64,
        /// Unused.
        ru_nsignals: i64,
        /// Times it waited.
        ru_nvcsw: i64,
        /// Times it was preempted.
        ru_nivcsw: i64,
    }
}
