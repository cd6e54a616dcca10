//! Registers as `ptrace(2)` shows them on x86-64.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

layout! {
    /// `struct user_regs_struct`, `PTRACE_GETREGS`.
    pub struct UserRegs = [27 * 8] {
        /// Register.
        r15: u64,
        /// Register.
        r14: u64,
        /// Register.
        r13: u64,
        /// Register.
        r12: u64,
        /// Register.
        rbp: u64,
        /// Register.
        rbx: u64,
        /// Register.
        r11: u64,
        /// Register.
        r10: u64,
        /// Register.
        r9: u64,
        /// Register.
        r8: u64,
        /// Register.
        rax: u64,
        /// Register.
        rcx: u64,
        /// Register.
        rdx: u64,
        /// Register.
        rsi: u64,
        /// Register.
        rdi: u64,
        /// Register.
        orig_rax: u64,
        /// Register.
        rip: u64,
        /// Register.
        cs: u64,
        /// Register.
        eflags: u64,
        /// Register.
        rsp: u64,
        /// Register.
        ss: u64,
        /// Register.
        fs_base: u64,
        /// Register.
        gs_base: u64,
        /// Register.
        ds: u64,
        /// Register.
        es: u64,
        /// Register.
        fs: u64,
        /// Register.
        gs: u64,
    }
}

/// `struct user_fpregs_struct`, `PTRACE_GETFPREGS`: the area of `fxsave`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct UserFpRegs {
    /// Control word.
    pub cwd: u16,
    /// Status word.
    pub swd: u16,
    /// Tag word.
    pub ftw: u16,
    /// Last opcode.
    pub fop: u16,
    /// Address of the last instruction.
    pub rip: u64,
    /// Address of the last operand.
    pub rdp: u64,
    /// Control and status of SSE.
    pub mxcsr: u32,
    /// Which bits of `mxcsr` the processor knows.
    pub mxcr_mask: u32,
    /// Eight registers of the x87, 16 bytes each.
    pub st_space: [u32; 32],
    /// Sixteen registers of SSE.
    pub xmm_space: [u32; 64],
    /// Reserved; the last 48 bytes are the software's.
    pub padding: [u32; 24],
}

/// Offset of `u_debugreg` in `struct user`, `PTRACE_PEEKUSR`.
pub const USER_DEBUGREG: u64 = 848;
/// Size of the kernel's `struct user`, which has two words more than the C library's.
pub const USER_SIZE: u64 = 928;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use core::mem::offset_of;

    use super::*;

    macro_rules! same {
        ($mine:ident, $theirs:ident: $($f:ident)*) => {
            assert_eq!(size_of::<$mine>(), size_of::<libc::$theirs>());
            $(assert_eq!(offset_of!($mine, $f), offset_of!(libc::$theirs, $f), stringify!($f));)*
        };
    }

    #[test]
    fn as_the_library_sees_it() {
        same!(UserRegs, user_regs_struct: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss
            fs_base gs_base ds es fs gs);
        same!(UserFpRegs, user_fpregs_struct: cwd swd ftw fop rip rdp mxcsr mxcr_mask st_space xmm_space);
        assert_eq!(USER_DEBUGREG, offset_of!(libc::user, u_debugreg) as u64);
        assert_eq!(USER_SIZE, size_of::<libc::user>() as u64 + 2 * 8);
    }
}
