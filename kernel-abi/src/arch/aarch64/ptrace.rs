//! Registers as `ptrace(2)` shows them on arm64.

layout! {
    /// `struct user_pt_regs`, `PTRACE_GETREGSET` with `NT_PRSTATUS`.
    pub struct UserRegs = [34 * 8] {
        /// General registers.
        regs: [u64; 31],
        /// Register.
        sp: u64,
        /// Register.
        pc: u64,
        /// Register.
        pstate: u64,
    }
    /// `struct user_fpsimd_state`, `NT_PRFPREG`.
    pub struct UserFpRegs = [528] {
        /// Vector registers, each as two words.
        vregs: [[u64; 2]; 32],
        /// Register.
        fpsr: u32,
        /// Register.
        fpcr: u32,
        /// Zeros.
        __reserved: [u32; 2],
    }
}

#[cfg(all(test, target_arch = "aarch64"))]
mod tests {
    use super::*;

    #[test]
    fn as_the_library_sees_it() {
        const _: () = assert!(size_of::<UserRegs>() == size_of::<libc::user_regs_struct>());
        const _: () = assert!(
            core::mem::offset_of!(UserRegs, pstate) == core::mem::offset_of!(libc::user_regs_struct, pstate)
        );
        const _: () = assert!(size_of::<UserFpRegs>() == size_of::<libc::user_fpsimd_struct>());
    }
}
