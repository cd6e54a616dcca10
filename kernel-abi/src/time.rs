//! Time: `clock_gettime(2)`, `setitimer(2)`, `timer_create(2)`, `times(2)`, `adjtimex(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Clocks.
    pub CLOCKS: i32 = general {
        CLOCK_REALTIME = 0,
        CLOCK_MONOTONIC = 1,
        CLOCK_PROCESS_CPUTIME_ID = 2,
        CLOCK_THREAD_CPUTIME_ID = 3,
        CLOCK_MONOTONIC_RAW = 4,
        CLOCK_REALTIME_COARSE = 5,
        CLOCK_MONOTONIC_COARSE = 6,
        CLOCK_BOOTTIME = 7,
        CLOCK_REALTIME_ALARM = 8,
        CLOCK_BOOTTIME_ALARM = 9,
        CLOCK_TAI = 11,
    }

    /// Timers of `setitimer(2)`.
    pub ITIMERS: i32 = general {
        ITIMER_REAL = 0,
        ITIMER_VIRTUAL = 1,
        ITIMER_PROF = 2,
    }

    /// Flags of `timer_settime(2)` and `clock_nanosleep(2)`.
    pub TIMER_FLAGS: u32 = general {
        TIMER_ABSTIME = 1,
    }

    /// Modes of `adjtimex(2)`.
    pub ADJTIMEX_MODES: u32 = libc {
        ADJ_OFFSET = 1,
        ADJ_FREQUENCY = 2,
        ADJ_MAXERROR = 4,
        ADJ_ESTERROR = 8,
        ADJ_STATUS = 0x10,
        ADJ_TIMECONST = 0x20,
        ADJ_TAI = 0x80,
        ADJ_SETOFFSET = 0x100,
        ADJ_MICRO = 0x1000,
        ADJ_NANO = 0x2000,
        ADJ_TICK = 0x4000,
        ADJ_OFFSET_SINGLESHOT = 0x8001,
        ADJ_OFFSET_SS_READ = 0xa001,
    }

    /// State of the clock, the result of `adjtimex(2)`.
    pub ADJTIMEX_STATES: i32 = libc {
        TIME_OK = 0,
        TIME_INS = 1,
        TIME_DEL = 2,
        TIME_OOP = 3,
        TIME_WAIT = 4,
        TIME_ERROR = 5,
    }

    /// Status of the clock.
    pub ADJTIMEX_STATUS: i32 = libc {
        STA_PLL = 1,
        STA_PPSFREQ = 2,
        STA_PPSTIME = 4,
        STA_FLL = 8,
        STA_INS = 0x10,
        STA_DEL = 0x20,
        STA_UNSYNC = 0x40,
        STA_FREQHOLD = 0x80,
        STA_NANO = 0x2000,
    }
}

layout! {
    /// `struct timespec`.
    pub struct Timespec = general::__kernel_timespec {
        /// Seconds.
        tv_sec: i64,
        /// Nanoseconds.
        tv_nsec: i64,
    }
    /// `struct timeval`.
    pub struct Timeval = general::timeval {
        /// Seconds.
        tv_sec: i64,
        /// Microseconds.
        tv_usec: i64,
    }
    /// `struct timezone`.
    pub struct Timezone = general::timezone {
        /// Minutes west of Greenwich.
        tz_minuteswest: i32,
        /// Kind of correction.
        tz_dsttime: i32,
    }
    /// `struct itimerspec`.
    pub struct Itimerspec = general::__kernel_itimerspec {
        /// Time between expirations.
        it_interval: Timespec,
        /// Time until the next.
        it_value: Timespec,
    }
    /// `struct itimerval`.
    pub struct Itimerval = general::itimerval {
        /// Time between expirations.
        it_interval: Timeval,
        /// Time until the next.
        it_value: Timeval,
    }
    /// `struct utimbuf` of `utime(2)`.
    pub struct Utimbuf = libc::utimbuf {
        /// Last access, seconds.
        actime: i64,
        /// Last change, seconds.
        modtime: i64,
    }
    /// `struct tms` of `times(2)`.
    pub struct Tms = libc::tms {
        /// Processor time in user mode, in clock ticks.
        tms_utime: i64,
        /// Processor time in the kernel.
        tms_stime: i64,
        /// The same of waited-for children.
        tms_cutime: i64,
        /// The same of waited-for children.
        tms_cstime: i64,
    }
    /// `struct timex`.
    pub struct Timex = libc::timex {
        /// `ADJ_*`.
        modes: u32,
        @pad __pad0: u32,
        /// Offset.
        offset: i64,
        /// Frequency.
        freq: i64,
        /// Largest error.
        maxerror: i64,
        /// Estimated error.
        esterror: i64,
        /// `STA_*`.
        status: i32,
        @pad __pad1: i32,
        /// Time constant.
        constant: i64,
        /// Precision.
        precision: i64,
        /// Tolerance.
        tolerance: i64,
        /// Time.
        time: Timeval,
        /// Microseconds between ticks.
        tick: i64,
        /// Frequency of the pulse.
        ppsfreq: i64,
        /// Jitter of the pulse.
        jitter: i64,
        /// Interval of the pulse.
        shift: i32,
        @pad __pad2: i32,
        /// Stability of the pulse.
        stabil: i64,
        /// Jitter limit exceeded.
        jitcnt: i64,
        /// Calibration intervals.
        calcnt: i64,
        /// Calibration errors.
        errcnt: i64,
        /// Stability limit exceeded.
        stbcnt: i64,
        /// Offset of atomic time.
        tai: i32,
        @pad __pad3: [i32; 11],
    }
}
