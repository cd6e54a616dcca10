//! The register state of a guest thread.

use alloc::vec::Vec;

/// The general registers of an x86-64 guest thread, in the order of the kernel's `struct user_regs_struct`
/// (`arch/x86/include/asm/user_64.h`), which is also the order `PTRACE_GETREGS` uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are the registers' names")]
pub struct UserRegs {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// The system-call number of a trap that is [`Trap::Syscall`](crate::Trap::Syscall).
    pub orig_rax: u64,
    pub rip: u64,
    pub cs: u64,
    pub eflags: u64,
    pub rsp: u64,
    pub ss: u64,
    pub fs_base: u64,
    pub gs_base: u64,
    pub ds: u64,
    pub es: u64,
    pub fs: u64,
    pub gs: u64,
}

/// The floating-point and vector state of a guest thread: an `XSAVE` area in the standard (non-compacted) format,
/// as `PTRACE_GETREGSET` with `NT_X86_XSTATE` gives it and as signal frames store it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FpuState(pub Vec<u8>);
