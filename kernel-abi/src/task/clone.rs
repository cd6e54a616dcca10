//! Making and waiting for processes: `clone(2)`, `wait4(2)`, `waitid(2)`, `pidfd_open(2)`, `kcmp(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Flags of `clone(2)` and `clone3(2)`.
    pub CLONE_FLAGS: u64 = general {
        CLONE_VM = 0x100,
        CLONE_FS = 0x200,
        CLONE_FILES = 0x400,
        CLONE_SIGHAND = 0x800,
        CLONE_PIDFD = 0x1000,
        CLONE_PTRACE = 0x2000,
        CLONE_VFORK = 0x4000,
        CLONE_PARENT = 0x8000,
        CLONE_THREAD = 0x10000,
        CLONE_NEWNS = 0x20000,
        CLONE_SYSVSEM = 0x40000,
        CLONE_SETTLS = 0x80000,
        CLONE_PARENT_SETTID = 0x10_0000,
        CLONE_CHILD_CLEARTID = 0x20_0000,
        CLONE_DETACHED = 0x40_0000,
        CLONE_UNTRACED = 0x80_0000,
        CLONE_CHILD_SETTID = 0x100_0000,
        CLONE_NEWCGROUP = 0x200_0000,
        CLONE_NEWUTS = 0x400_0000,
        CLONE_NEWIPC = 0x800_0000,
        CLONE_NEWUSER = 0x1000_0000,
        CLONE_NEWPID = 0x2000_0000,
        CLONE_NEWNET = 0x4000_0000,
        CLONE_IO = 0x8000_0000,
        CLONE_CLEAR_SIGHAND = 0x1_0000_0000,
        CLONE_INTO_CGROUP = 0x2_0000_0000,
        CLONE_NEWTIME = 0x80,
    }

    /// The part of the flags of `clone(2)` that is the exit signal.
    pub CLONE_SIGNAL: u64 = general {
        CSIGNAL = 0xff,
    }

    /// Sizes that `struct clone_args` had.
    pub CLONE_ARGS_SIZES: usize = general {
        CLONE_ARGS_SIZE_VER0 = 64,
        CLONE_ARGS_SIZE_VER1 = 80,
        CLONE_ARGS_SIZE_VER2 = 88,
    }

    /// Options of `wait4(2)` and `waitid(2)`.
    pub WAIT_OPTIONS: u32 = general {
        WNOHANG = 1,
        WUNTRACED = 2,
        WEXITED = 4,
        WCONTINUED = 8,
        WNOWAIT = 0x100_0000,
        __WNOTHREAD = 0x2000_0000,
        __WALL = 0x4000_0000,
        __WCLONE = 0x8000_0000,
    }

    /// Whom `waitid(2)` waits for.
    pub WAIT_IDS: u32 = general {
        P_ALL = 0,
        P_PID = 1,
        P_PGID = 2,
        P_PIDFD = 3,
    }

    /// Flags of `pidfd_open(2)`.
    pub PIDFD_FLAGS: u32 = libc {
        PIDFD_NONBLOCK = 0o4000,
    }

    /// What `kcmp(2)` compares.
    pub KCMP: u32 = none {
        KCMP_FILE = 0,
        KCMP_VM = 1,
        KCMP_FILES = 2,
        KCMP_FS = 3,
        KCMP_SIGHAND = 4,
        KCMP_IO = 5,
        KCMP_SYSVSEM = 6,
        KCMP_EPOLL_TFD = 7,
    }
}

/// `WSTOPPED` of `waitid(2)` is another name of `WUNTRACED`.
pub const WSTOPPED: u32 = WUNTRACED;

layout! {
    /// `struct clone_args` of `clone3(2)`.
    pub struct CloneArgs = general::clone_args {
        /// `CLONE_*`.
        flags: u64,
        /// Where the pidfd is stored.
        pidfd: u64,
        /// Where the child's number is stored in the child.
        child_tid: u64,
        /// Where the child's number is stored in the parent.
        parent_tid: u64,
        /// Signal for the parent when the child ends.
        exit_signal: u64,
        /// Lowest address of the stack.
        stack: u64,
        /// Its size.
        stack_size: u64,
        /// Thread-local storage.
        tls: u64,
        /// Address of the wanted numbers.
        set_tid: u64,
        /// How many.
        set_tid_size: u64,
        /// Descriptor of the cgroup.
        cgroup: u64,
    }
}
