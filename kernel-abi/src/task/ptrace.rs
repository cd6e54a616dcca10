//! `ptrace(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

pub use crate::arch::current::ptrace::*;

constants! {
    /// Requests of every architecture.
    pub PTRACE_REQUESTS: u32 = ptrace {
        PTRACE_TRACEME = 0,
        PTRACE_PEEKTEXT = 1,
        PTRACE_PEEKDATA = 2,
        PTRACE_PEEKUSR = 3,
        PTRACE_POKETEXT = 4,
        PTRACE_POKEDATA = 5,
        PTRACE_POKEUSR = 6,
        PTRACE_CONT = 7,
        PTRACE_KILL = 8,
        PTRACE_SINGLESTEP = 9,
        PTRACE_ATTACH = 0x10,
        PTRACE_DETACH = 0x11,
        PTRACE_SYSCALL = 0x18,
        PTRACE_SETOPTIONS = 0x4200,
        PTRACE_GETEVENTMSG = 0x4201,
        PTRACE_GETSIGINFO = 0x4202,
        PTRACE_SETSIGINFO = 0x4203,
        PTRACE_GETREGSET = 0x4204,
        PTRACE_SETREGSET = 0x4205,
        PTRACE_SEIZE = 0x4206,
        PTRACE_INTERRUPT = 0x4207,
        PTRACE_LISTEN = 0x4208,
        PTRACE_PEEKSIGINFO = 0x4209,
        PTRACE_GETSIGMASK = 0x420a,
        PTRACE_SETSIGMASK = 0x420b,
        PTRACE_SECCOMP_GET_FILTER = 0x420c,
        PTRACE_SECCOMP_GET_METADATA = 0x420d,
        PTRACE_GET_SYSCALL_INFO = 0x420e,
        PTRACE_SET_SYSCALL_INFO = 0x4212,
        PTRACE_GET_RSEQ_CONFIGURATION = 0x420f,
        PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG = 0x4210,
        PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4211,
    }

    /// Requests of x86-64.
    pub PTRACE_REQUESTS_X86_64: u32 = ptrace if "x86_64" {
        PTRACE_GETREGS = 0xc,
        PTRACE_SETREGS = 0xd,
        PTRACE_GETFPREGS = 0xe,
        PTRACE_SETFPREGS = 0xf,
        PTRACE_GETFPXREGS = 0x12,
        PTRACE_SETFPXREGS = 0x13,
        PTRACE_GET_THREAD_AREA = 0x19,
        PTRACE_SET_THREAD_AREA = 0x1a,
        PTRACE_ARCH_PRCTL = 0x1e,
        PTRACE_SYSEMU = 0x1f,
        PTRACE_SYSEMU_SINGLESTEP = 0x20,
        PTRACE_SINGLEBLOCK = 0x21,
    }

    /// Options.
    pub PTRACE_OPTIONS: u32 = ptrace {
        PTRACE_O_TRACESYSGOOD = 1,
        PTRACE_O_TRACEFORK = 2,
        PTRACE_O_TRACEVFORK = 4,
        PTRACE_O_TRACECLONE = 8,
        PTRACE_O_TRACEEXEC = 0x10,
        PTRACE_O_TRACEVFORKDONE = 0x20,
        PTRACE_O_TRACEEXIT = 0x40,
        PTRACE_O_TRACESECCOMP = 0x80,
        PTRACE_O_EXITKILL = 0x10_0000,
        PTRACE_O_SUSPEND_SECCOMP = 0x20_0000,
    }

    /// Events.
    pub PTRACE_EVENTS: u32 = ptrace {
        PTRACE_EVENT_FORK = 1,
        PTRACE_EVENT_VFORK = 2,
        PTRACE_EVENT_CLONE = 3,
        PTRACE_EVENT_EXEC = 4,
        PTRACE_EVENT_VFORK_DONE = 5,
        PTRACE_EVENT_EXIT = 6,
        PTRACE_EVENT_SECCOMP = 7,
        PTRACE_EVENT_STOP = 128,
    }

    /// What `PTRACE_GETEVENTMSG` gives at a system call.
    pub PTRACE_EVENT_MESSAGES: u32 = ptrace {
        PTRACE_EVENTMSG_SYSCALL_ENTRY = 1,
        PTRACE_EVENTMSG_SYSCALL_EXIT = 2,
    }

    /// Kinds of `struct ptrace_syscall_info`.
    pub PTRACE_SYSCALL_INFO_OPS: u8 = ptrace {
        PTRACE_SYSCALL_INFO_NONE = 0,
        PTRACE_SYSCALL_INFO_ENTRY = 1,
        PTRACE_SYSCALL_INFO_EXIT = 2,
        PTRACE_SYSCALL_INFO_SECCOMP = 3,
    }

    /// Flags of `PTRACE_PEEKSIGINFO`.
    pub PTRACE_PEEKSIGINFO_FLAGS: u32 = ptrace {
        PTRACE_PEEKSIGINFO_SHARED = 1,
    }

    /// Register sets, and other ELF notes.
    pub NOTE_TYPES: u32 = libc {
        NT_PRSTATUS = 1,
        NT_PRFPREG = 2,
        NT_PRPSINFO = 3,
        NT_TASKSTRUCT = 4,
        NT_AUXV = 6,
    }
}

/// The register set that holds the extended state of x86-64.
pub const NT_X86_XSTATE: u32 = 0x202;

layout! {
    /// `struct ptrace_peeksiginfo_args`.
    pub struct PtracePeeksiginfoArgs = ptrace::ptrace_peeksiginfo_args {
        /// Where in the queue to start.
        off: u64,
        /// `PTRACE_PEEKSIGINFO_*`.
        flags: u32,
        /// How many.
        nr: i32,
    }
    /// `struct ptrace_syscall_info` of an entry or a seccomp stop; at an exit `nr` holds the result and the first byte of `args` says
    /// whether it is an error.
    pub struct PtraceSyscallInfo = ptrace::ptrace_syscall_info {
        /// `PTRACE_SYSCALL_INFO_*`.
        op: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        flags: u16,
        /// `AUDIT_ARCH_*`.
        arch: u32,
        /// Register.
        instruction_pointer: u64,
        /// Register.
        stack_pointer: u64,
        /// System call, or result.
        nr: u64 = __bindgen_anon_1.entry.nr,
        /// Arguments.
        args: [u64; 6] = __bindgen_anon_1.entry.args,
        /// Data of the filter, at a seccomp stop.
        ret_data: u32 = __bindgen_anon_1.seccomp.ret_data,
        @pad reserved2: u32,
    }
    /// `struct ptrace_rseq_configuration`.
    pub struct PtraceRseqConfiguration = ptrace::ptrace_rseq_configuration {
        /// Address that was registered.
        rseq_abi_pointer: u64,
        /// Size that was registered.
        rseq_abi_size: u32,
        /// Signature of abort handlers.
        signature: u32,
        /// Flags of the registration.
        flags: u32,
        @pad pad: u32,
    }
}
