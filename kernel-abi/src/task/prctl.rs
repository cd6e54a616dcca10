//! `prctl(2)`, `arch_prctl(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Operations of `prctl(2)`.
    pub PRCTL: i32 = prctl {
        PR_SET_PDEATHSIG = 1,
        PR_GET_PDEATHSIG = 2,
        PR_GET_DUMPABLE = 3,
        PR_SET_DUMPABLE = 4,
        PR_GET_UNALIGN = 5,
        PR_SET_UNALIGN = 6,
        PR_GET_KEEPCAPS = 7,
        PR_SET_KEEPCAPS = 8,
        PR_GET_FPEMU = 9,
        PR_SET_FPEMU = 10,
        PR_GET_FPEXC = 11,
        PR_SET_FPEXC = 12,
        PR_GET_TIMING = 13,
        PR_SET_TIMING = 14,
        PR_SET_NAME = 15,
        PR_GET_NAME = 16,
        PR_GET_ENDIAN = 19,
        PR_SET_ENDIAN = 20,
        PR_GET_SECCOMP = 21,
        PR_SET_SECCOMP = 22,
        PR_CAPBSET_READ = 23,
        PR_CAPBSET_DROP = 24,
        PR_GET_TSC = 25,
        PR_SET_TSC = 26,
        PR_GET_SECUREBITS = 27,
        PR_SET_SECUREBITS = 28,
        PR_SET_TIMERSLACK = 29,
        PR_GET_TIMERSLACK = 30,
        PR_TASK_PERF_EVENTS_DISABLE = 31,
        PR_TASK_PERF_EVENTS_ENABLE = 32,
        PR_MCE_KILL = 33,
        PR_MCE_KILL_GET = 34,
        PR_SET_MM = 35,
        PR_SET_PTRACER = 1_499_557_217,
        PR_SET_CHILD_SUBREAPER = 36,
        PR_GET_CHILD_SUBREAPER = 37,
        PR_SET_NO_NEW_PRIVS = 38,
        PR_GET_NO_NEW_PRIVS = 39,
        PR_GET_TID_ADDRESS = 40,
        PR_SET_THP_DISABLE = 41,
        PR_GET_THP_DISABLE = 42,
        PR_CAP_AMBIENT = 47,
        PR_GET_SPECULATION_CTRL = 52,
        PR_SET_SPECULATION_CTRL = 53,
        PR_SET_TAGGED_ADDR_CTRL = 55,
        PR_GET_TAGGED_ADDR_CTRL = 56,
        PR_SET_IO_FLUSHER = 57,
        PR_GET_IO_FLUSHER = 58,
        PR_SET_SYSCALL_USER_DISPATCH = 59,
        PR_SCHED_CORE = 62,
        PR_SET_MDWE = 65,
        PR_GET_MDWE = 66,
        PR_SET_VMA = 1_398_164_801,
        PR_GET_AUXV = 1_096_112_214,
        PR_SET_MEMORY_MERGE = 67,
        PR_GET_MEMORY_MERGE = 68,
        PR_TIMER_CREATE_RESTORE_IDS = 77,
        PR_FUTEX_HASH = 78,
    }

    /// What `PR_SET_MM` sets.
    pub PR_SET_MM_WHAT: i32 = prctl {
        PR_SET_MM_START_CODE = 1,
        PR_SET_MM_END_CODE = 2,
        PR_SET_MM_START_DATA = 3,
        PR_SET_MM_END_DATA = 4,
        PR_SET_MM_START_STACK = 5,
        PR_SET_MM_START_BRK = 6,
        PR_SET_MM_BRK = 7,
        PR_SET_MM_ARG_START = 8,
        PR_SET_MM_ARG_END = 9,
        PR_SET_MM_ENV_START = 10,
        PR_SET_MM_ENV_END = 11,
        PR_SET_MM_AUXV = 12,
        PR_SET_MM_EXE_FILE = 13,
        PR_SET_MM_MAP = 14,
        PR_SET_MM_MAP_SIZE = 15,
    }

    /// What `PR_CAP_AMBIENT` does.
    pub PR_CAP_AMBIENT_WHAT: i32 = prctl {
        PR_CAP_AMBIENT_IS_SET = 1,
        PR_CAP_AMBIENT_RAISE = 2,
        PR_CAP_AMBIENT_LOWER = 3,
        PR_CAP_AMBIENT_CLEAR_ALL = 4,
    }

    /// What `PR_SET_VMA` sets.
    pub PR_SET_VMA_WHAT: i32 = prctl {
        PR_SET_VMA_ANON_NAME = 0,
    }

    /// Who may trace, for `PR_SET_PTRACER`.
    pub PTRACERS: i64 = libc {
        PR_SET_PTRACER_ANY = -1,
    }

    /// How reading the time-stamp counter ends, `PR_SET_TSC`.
    pub TSC_MODES: i32 = prctl {
        PR_TSC_ENABLE = 1,
        PR_TSC_SIGSEGV = 2,
    }

    /// Machine checks, `PR_MCE_KILL`.
    pub MCE_KILL_WHAT: i32 = prctl {
        PR_MCE_KILL_CLEAR = 0,
        PR_MCE_KILL_SET = 1,
        PR_MCE_KILL_LATE = 0,
        PR_MCE_KILL_EARLY = 1,
        PR_MCE_KILL_DEFAULT = 2,
    }

    /// Speculation features, `PR_GET_SPECULATION_CTRL`.
    pub SPECULATION: i32 = prctl {
        PR_SPEC_STORE_BYPASS = 0,
        PR_SPEC_INDIRECT_BRANCH = 1,
        PR_SPEC_L1D_FLUSH = 2,
    }

    /// State of a speculation feature.
    pub SPECULATION_STATE: u32 = prctl {
        PR_SPEC_NOT_AFFECTED = 0,
        PR_SPEC_PRCTL = 1,
        PR_SPEC_ENABLE = 2,
        PR_SPEC_DISABLE = 4,
        PR_SPEC_FORCE_DISABLE = 8,
        PR_SPEC_DISABLE_NOEXEC = 16,
    }

    /// Flags of `PR_SET_MDWE`.
    pub MDWE_FLAGS: u32 = prctl {
        PR_MDWE_REFUSE_EXEC_GAIN = 1,
        PR_MDWE_NO_INHERIT = 2,
    }

    /// Switch of `PR_SET_SYSCALL_USER_DISPATCH`.
    pub SYSCALL_DISPATCH: u32 = prctl {
        PR_SYS_DISPATCH_OFF = 0,
        PR_SYS_DISPATCH_ON = 1,
    }

    /// Operations of `arch_prctl(2)` on x86-64.
    pub ARCH_PRCTL: i32 = none {
        ARCH_SET_GS = 0x1001,
        ARCH_SET_FS = 0x1002,
        ARCH_GET_FS = 0x1003,
        ARCH_GET_GS = 0x1004,
        ARCH_GET_CPUID = 0x1011,
        ARCH_SET_CPUID = 0x1012,
    }
}

layout! {
    /// `struct prctl_mm_map` of `PR_SET_MM_MAP`.
    pub struct PrctlMmMap = prctl::prctl_mm_map {
        /// Start of the text.
        start_code: u64,
        /// End of the text.
        end_code: u64,
        /// Start of the data.
        start_data: u64,
        /// End of the data.
        end_data: u64,
        /// Start of the heap.
        start_brk: u64,
        /// End of the heap.
        brk: u64,
        /// Start of the stack.
        start_stack: u64,
        /// Start of the arguments.
        arg_start: u64,
        /// End of the arguments.
        arg_end: u64,
        /// Start of the environment.
        env_start: u64,
        /// End of the environment.
        env_end: u64,
        /// Auxiliary vector.
        auxv: u64,
        /// Its size in bytes.
        auxv_size: u32,
        /// Descriptor of the executable.
        exe_fd: u32,
    }
}
