//! What a signal handler finds on its stack on x86-64: `ucontext_t` and the floating-point state.

use crate::signal::info::SigStack;

/// Least size of an alternate stack.
pub const MINSIGSTKSZ: u64 = 2048;
/// Recommended size of an alternate stack.
pub const SIGSTKSZ: u64 = 8192;

/// `uc_flags`: the floating-point state has an extended part.
pub const UC_FP_XSTATE: u64 = 1;
/// `uc_flags`: the stack segment was saved.
pub const UC_SIGCONTEXT_SS: u64 = 2;
/// `uc_flags`: the stack segment is restored as saved.
pub const UC_STRICT_RESTORE_SS: u64 = 4;
/// First word of the software-reserved bytes of the floating-point state if an extended part follows.
pub const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
/// Word after the extended part.
pub const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;

layout! {
    /// `struct sigcontext_64`: the registers.
    pub struct SigContext = [256] {
        /// Register.
        r8: u64,
        /// Register.
        r9: u64,
        /// Register.
        r10: u64,
        /// Register.
        r11: u64,
        /// Register.
        r12: u64,
        /// Register.
        r13: u64,
        /// Register.
        r14: u64,
        /// Register.
        r15: u64,
        /// Register.
        di: u64,
        /// Register.
        si: u64,
        /// Register.
        bp: u64,
        /// Register.
        bx: u64,
        /// Register.
        dx: u64,
        /// Register.
        ax: u64,
        /// Register.
        cx: u64,
        /// Register.
        sp: u64,
        /// Register.
        ip: u64,
        /// Register.
        flags: u64,
        /// Segment.
        cs: u16,
        /// Segment.
        gs: u16,
        /// Segment.
        fs: u16,
        /// Segment.
        ss: u16,
        /// Error code of the exception.
        err: u64,
        /// Number of the exception.
        trapno: u64,
        /// First word of the signal mask.
        oldmask: u64,
        /// Address of a page fault.
        cr2: u64,
        /// Address of the floating-point state.
        fpstate: u64,
        /// Zeros.
        reserved1: [u64; 8],
    }
    /// `struct ucontext`.
    pub struct UContext = [304] {
        /// `UC_*`.
        uc_flags: u64,
        /// Zero.
        uc_link: u64,
        /// Alternate stack.
        uc_stack: SigStack,
        /// Registers.
        uc_mcontext: SigContext,
        /// Signal mask.
        uc_sigmask: u64,
    }
    /// `struct _fpx_sw_bytes`: the software-reserved part of the floating-point state.
    pub struct FpxSwBytes = [48] {
        /// `FP_XSTATE_MAGIC1`, or anything else if there is no extended part.
        magic1: u32,
        /// Size with the extended part and `FP_XSTATE_MAGIC2`.
        extended_size: u32,
        /// Which components are there.
        xfeatures: u64,
        /// Size of the extended part.
        xstate_size: u32,
        /// Zeros.
        padding: [u32; 7],
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn as_the_library_sees_it() {
        assert_eq!(offset_of!(UContext, uc_mcontext), offset_of!(libc::ucontext_t, uc_mcontext));
        assert_eq!(offset_of!(UContext, uc_sigmask), offset_of!(libc::ucontext_t, uc_sigmask));
        assert_eq!(offset_of!(UContext, uc_stack), offset_of!(libc::ucontext_t, uc_stack));
        let registers = offset_of!(libc::mcontext_t, gregs);
        let at = |r: i32| registers + usize::try_from(r).unwrap() * 8;
        assert_eq!(offset_of!(SigContext, r8), at(libc::REG_R8));
        assert_eq!(offset_of!(SigContext, di), at(libc::REG_RDI));
        assert_eq!(offset_of!(SigContext, bx), at(libc::REG_RBX));
        assert_eq!(offset_of!(SigContext, dx), at(libc::REG_RDX));
        assert_eq!(offset_of!(SigContext, ax), at(libc::REG_RAX));
        assert_eq!(offset_of!(SigContext, cx), at(libc::REG_RCX));
        assert_eq!(offset_of!(SigContext, sp), at(libc::REG_RSP));
        assert_eq!(offset_of!(SigContext, ip), at(libc::REG_RIP));
        assert_eq!(offset_of!(SigContext, flags), at(libc::REG_EFL));
        assert_eq!(offset_of!(SigContext, cs), at(libc::REG_CSGSFS));
        assert_eq!(offset_of!(SigContext, err), at(libc::REG_ERR));
        assert_eq!(offset_of!(SigContext, trapno), at(libc::REG_TRAPNO));
        assert_eq!(offset_of!(SigContext, oldmask), at(libc::REG_OLDMASK));
        assert_eq!(offset_of!(SigContext, cr2), at(libc::REG_CR2));
        assert_eq!(offset_of!(SigContext, fpstate), offset_of!(libc::mcontext_t, fpregs));
        assert_eq!(MINSIGSTKSZ, u64::from(linux_raw_sys::general::MINSIGSTKSZ));
        assert_eq!(SIGSTKSZ, u64::from(linux_raw_sys::general::SIGSTKSZ));
    }
}
