//! `seccomp(2)` and the instructions of its programs.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Modes, `PR_SET_SECCOMP`.
    pub SECCOMP_MODES: u32 = ptrace {
        SECCOMP_MODE_DISABLED = 0,
        SECCOMP_MODE_STRICT = 1,
        SECCOMP_MODE_FILTER = 2,
    }

    /// Operations of `seccomp(2)`.
    pub SECCOMP_OPS: u32 = ptrace {
        SECCOMP_SET_MODE_STRICT = 0,
        SECCOMP_SET_MODE_FILTER = 1,
        SECCOMP_GET_ACTION_AVAIL = 2,
        SECCOMP_GET_NOTIF_SIZES = 3,
    }

    /// Flags of `SECCOMP_SET_MODE_FILTER`.
    pub SECCOMP_FILTER_FLAGS: u32 = ptrace {
        SECCOMP_FILTER_FLAG_TSYNC = 1,
        SECCOMP_FILTER_FLAG_LOG = 2,
        SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4,
        SECCOMP_FILTER_FLAG_NEW_LISTENER = 8,
        SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 0x10,
        SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 0x20,
    }

    /// What a program returns.
    pub SECCOMP_ACTIONS: u32 = ptrace {
        SECCOMP_RET_KILL_PROCESS = 0x8000_0000,
        SECCOMP_RET_KILL_THREAD = 0,
        SECCOMP_RET_TRAP = 0x30000,
        SECCOMP_RET_ERRNO = 0x50000,
        SECCOMP_RET_USER_NOTIF = 0x7fc0_0000,
        SECCOMP_RET_TRACE = 0x7ff0_0000,
        SECCOMP_RET_LOG = 0x7ffc_0000,
        SECCOMP_RET_ALLOW = 0x7fff_0000,
    }

    /// Parts of what a program returns.
    pub SECCOMP_RET_PARTS: u32 = ptrace {
        SECCOMP_RET_ACTION_FULL = 0xffff_0000,
        SECCOMP_RET_ACTION = 0x7fff_0000,
        SECCOMP_RET_DATA = 0xffff,
    }

    /// Flags of notifications.
    pub SECCOMP_NOTIF_FLAGS: u32 = ptrace {
        SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1,
        SECCOMP_ADDFD_FLAG_SETFD = 1,
        SECCOMP_ADDFD_FLAG_SEND = 2,
    }

    /// Architectures, as `struct seccomp_data` names them.
    pub AUDIT_ARCHES: u32 = ptrace {
        AUDIT_ARCH_X86_64 = 0xc000_003e,
        AUDIT_ARCH_I386 = 0x4000_0003,
        AUDIT_ARCH_AARCH64 = 0xc000_00b7,
        AUDIT_ARCH_ARM = 0x4000_0028,
    }

    /// Classes, modes, operators of classic BPF.
    pub BPF_CODES: u16 = ptrace {
        BPF_LD = 0,
        BPF_LDX = 1,
        BPF_ST = 2,
        BPF_STX = 3,
        BPF_ALU = 4,
        BPF_JMP = 5,
        BPF_RET = 6,
        BPF_MISC = 7,
        BPF_W = 0,
        BPF_H = 8,
        BPF_B = 0x10,
        BPF_IMM = 0,
        BPF_ABS = 0x20,
        BPF_IND = 0x40,
        BPF_MEM = 0x60,
        BPF_LEN = 0x80,
        BPF_MSH = 0xa0,
        BPF_ADD = 0,
        BPF_SUB = 0x10,
        BPF_MUL = 0x20,
        BPF_DIV = 0x30,
        BPF_OR = 0x40,
        BPF_AND = 0x50,
        BPF_LSH = 0x60,
        BPF_RSH = 0x70,
        BPF_NEG = 0x80,
        BPF_MOD = 0x90,
        BPF_XOR = 0xa0,
        BPF_JA = 0,
        BPF_JEQ = 0x10,
        BPF_JGT = 0x20,
        BPF_JGE = 0x30,
        BPF_JSET = 0x40,
        BPF_K = 0,
        BPF_X = 8,
        BPF_A = 0x10,
        BPF_TAX = 0,
        BPF_TXA = 0x80,
    }

    /// Limits of programs.
    pub BPF_LIMITS: usize = ptrace {
        BPF_MAXINSNS = 4096,
        BPF_MEMWORDS = 16,
    }
}

layout! {
    /// `struct seccomp_data`: what a program reads.
    pub struct SeccompData = ptrace::seccomp_data {
        /// System call.
        nr: i32,
        /// `AUDIT_ARCH_*`.
        arch: u32,
        /// Address of the instruction.
        instruction_pointer: u64,
        /// Arguments.
        args: [u64; 6],
    }
    /// `struct sock_filter`: one instruction.
    pub struct SockFilter = ptrace::sock_filter {
        /// `BPF_*`.
        code: u16,
        /// Jump if true.
        jt: u8,
        /// Jump if false.
        jf: u8,
        /// Constant.
        k: u32,
    }
    /// `struct sock_fprog`: a program.
    pub struct SockFprog = ptrace::sock_fprog {
        /// Number of instructions.
        len: u16,
        @pad __pad: [u16; 3],
        /// Address of the first.
        filter: u64,
    }
    /// `struct seccomp_notif_sizes`.
    pub struct SeccompNotifSizes = ptrace::seccomp_notif_sizes {
        /// Size of `struct seccomp_notif`.
        seccomp_notif: u16,
        /// Size of `struct seccomp_notif_resp`.
        seccomp_notif_resp: u16,
        /// Size of `struct seccomp_data`.
        seccomp_data: u16,
    }
    /// `struct seccomp_notif`.
    pub struct SeccompNotif = ptrace::seccomp_notif {
        /// Identifies the call.
        id: u64,
        /// Thread.
        pid: u32,
        /// Zero.
        flags: u32,
        /// The call.
        data: SeccompData,
    }
    /// `struct seccomp_notif_resp`.
    pub struct SeccompNotifResp = ptrace::seccomp_notif_resp {
        /// Identifies the call.
        id: u64,
        /// Result.
        val: i64,
        /// Negated error, or 0.
        error: i32,
        /// `SECCOMP_USER_NOTIF_FLAG_*`.
        flags: u32,
    }
    /// `struct seccomp_notif_addfd`.
    pub struct SeccompNotifAddfd = ptrace::seccomp_notif_addfd {
        /// Identifies the call.
        id: u64,
        /// `SECCOMP_ADDFD_FLAG_*`.
        flags: u32,
        /// Descriptor of the supervisor.
        srcfd: u32,
        /// Descriptor that the target gets.
        newfd: u32,
        /// `O_CLOEXEC` or 0.
        newfd_flags: u32,
    }
}
