//! The register state of a guest thread.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

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

impl UserRegs {
    fn args(&self) -> [u64; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9]
    }
}

/// Where a backend has the registers of a guest thread that it has not handed over.
pub trait RegisterSource: Send + Sync {
    /// All of them, as the thread trapped: the same ones until it next runs.
    fn registers(&self) -> UserRegs;
}

/// The registers of a guest thread in the kernel's hands.
///
/// Most system calls are answered without a look at more than their number and arguments, and where a backend shares memory with the
/// guest's processor each further cache line costs as much as the whole way there. So after [`Trap::Syscall`](crate::Trap::Syscall) a
/// backend may leave the rest where it is, until somebody asks for it.
#[derive(Clone)]
pub struct Registers {
    /// While the rest is elsewhere only `orig_rax`, `rax` and the six arguments are valid.
    values: UserRegs,
    source: Option<Arc<dyn RegisterSource>>,
    is_partial: bool,
}

impl Registers {
    /// The number of the system call, as [`UserRegs::orig_rax`].
    pub fn number(&self) -> u64 {
        self.values.orig_rax
    }

    /// Says that the trap was by another system call, or by none. The guest itself does not see this.
    pub fn set_number(&mut self, number: u64) {
        self.values.orig_rax = number;
    }

    /// The arguments of the system call.
    pub fn args(&self) -> [u64; 6] {
        self.values.args()
    }

    /// The return register, `rax`: at a system call, its number.
    pub fn result(&self) -> u64 {
        self.values.rax
    }

    /// Sets the return register, and leaves all others alone.
    pub fn set_result(&mut self, value: u64) {
        self.values.rax = value;
    }

    /// All registers.
    pub fn get(&self) -> UserRegs {
        match &self.source {
            Some(source) if self.is_partial => {
                UserRegs { rax: self.values.rax, orig_rax: self.values.orig_rax, ..source.registers() }
            }
            _ => self.values,
        }
    }

    /// All registers, to be changed.
    pub fn get_mut(&mut self) -> &mut UserRegs {
        self.values = self.get();
        self.is_partial = false;
        &mut self.values
    }

    /// Replaces all registers.
    pub fn set(&mut self, all: UserRegs) {
        self.values = all;
        self.is_partial = false;
    }

    /// For backends: the thread makes a system call with this number and these arguments. `source` has the other registers, and must be
    /// the same one for the life of the thread.
    pub fn set_call(&mut self, number: u64, args: [u64; 6], source: &Arc<impl RegisterSource + 'static>) {
        self.values.orig_rax = number;
        self.values.rax = number;
        let r = &mut self.values;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] = args;
        self.is_partial = true;
        if self.source.is_none() {
            self.source = Some(source.clone());
        }
    }

    /// For backends: whether nothing but the number and the result can have changed since [`Registers::set_call`].
    pub fn is_partial(&self) -> bool {
        self.is_partial
    }
}

impl From<UserRegs> for Registers {
    fn from(values: UserRegs) -> Registers {
        Registers { values, source: None, is_partial: false }
    }
}

impl fmt::Debug for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// The floating-point and vector state of a guest thread: an `XSAVE` area in the standard (non-compacted) format,
/// as `PTRACE_GETREGSET` with `NT_X86_XSTATE` gives it and as signal frames store it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FpuState(pub Vec<u8>);
