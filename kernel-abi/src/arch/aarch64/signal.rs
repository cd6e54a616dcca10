//! What a signal handler finds on its stack on arm64: `ucontext_t` and the records of its reserved part.

use crate::signal::info::SigStack;

/// Least size of an alternate stack.
pub const MINSIGSTKSZ: u64 = 5120;
/// Recommended size of an alternate stack.
pub const SIGSTKSZ: u64 = 16384;

/// The record of the floating-point registers.
pub const FPSIMD_MAGIC: u32 = 0x4650_8001;
/// The record of the syndrome of a fault.
pub const ESR_MAGIC: u32 = 0x4553_5201;
/// The record that points at more records.
pub const EXTRA_MAGIC: u32 = 0x4558_5401;

layout! {
    /// `struct sigcontext`: the registers, without the 4096 bytes of records that follow it, aligned to 16 bytes.
    pub struct SigContext = [280] {
        /// Address of a fault.
        fault_address: u64,
        /// General registers.
        regs: [u64; 31],
        /// Register.
        sp: u64,
        /// Register.
        pc: u64,
        /// Register.
        pstate: u64,
    }
    /// `struct ucontext`, up to the registers.
    pub struct UContext = [456] {
        /// Zero.
        uc_flags: u64,
        /// Zero.
        uc_link: u64,
        /// Alternate stack.
        uc_stack: SigStack,
        /// Signal mask.
        uc_sigmask: u64,
        /// Room for more signals, and alignment.
        __unused: [u64; 16],
        /// Registers.
        uc_mcontext: SigContext,
    }
    /// `struct _aarch64_ctx`: head of a record.
    pub struct RecordHead = [8] {
        /// `*_MAGIC`; 0 at the end.
        magic: u32,
        /// Length with this head.
        size: u32,
    }
    /// `struct fpsimd_context`.
    pub struct FpsimdContext = [528] {
        /// `FPSIMD_MAGIC`.
        head: RecordHead,
        /// Register.
        fpsr: u32,
        /// Register.
        fpcr: u32,
        /// Vector registers, each as two words.
        vregs: [[u64; 2]; 32],
    }
}

#[cfg(all(test, target_arch = "aarch64"))]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn as_the_library_sees_it() {
        const _: () = assert!(offset_of!(UContext, uc_sigmask) == offset_of!(libc::ucontext_t, uc_sigmask));
        const _: () = assert!(offset_of!(UContext, uc_mcontext) == offset_of!(libc::ucontext_t, uc_mcontext));
        const _: () = assert!(offset_of!(SigContext, regs) == offset_of!(libc::mcontext_t, regs));
        const _: () = assert!(offset_of!(SigContext, pstate) == offset_of!(libc::mcontext_t, pstate));
        const _: () = assert!(MINSIGSTKSZ == linux_raw_sys::general::MINSIGSTKSZ as u64);
        const _: () = assert!(SIGSTKSZ == linux_raw_sys::general::SIGSTKSZ as u64);
    }
}
