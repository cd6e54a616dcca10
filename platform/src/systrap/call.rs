//! The area of a thread that waits in the stub's code for system calls of rewritten code, without a signal's frame.

use super::frame::{Frame, USER_CS, USER_SS, base, flags};
use super::layout::*;
use crate::fpu::FpuLayout;
use crate::{FpuState, Identity, UserRegs};

/// General registers but `rcx` and `r11`, with where they are.
macro_rules! in_place {
    ($visit:ident) => {
        $visit! {
            rax C_RAX, rdi C_RDI, rsi C_RSI, rdx C_RDX, r10 C_R10, r8 C_R8, r9 C_R9, rsp C_RSP, rbx C_RBX, rbp C_RBP,
            r12 C_R12, r13 C_R13, r14 C_R14, r15 C_R15
        }
    };
}

impl Frame<'_> {
    fn word(&self, at: u64) -> u64 {
        self.control.read(self.area + at)
    }

    fn set_word(&self, at: u64, value: u64) {
        self.control.write(self.area + at, value);
    }

    /// Where the call returns to, as the thread says.
    pub(super) fn call_return(&self) -> u64 {
        self.word(C_RIP)
    }

    /// The stack pointer at the call.
    pub(super) fn call_stack(&self) -> u64 {
        self.word(C_RSP)
    }

    /// The call's number and arguments: they share a cache line with the word that said that it is made.
    pub(super) fn call(&self) -> (u64, [u64; 6]) {
        (self.word(C_RAX), [C_RDI, C_RSI, C_RDX, C_R10, C_R8, C_R9].map(|at| self.word(at)))
    }

    /// The registers as the instruction would have left them, with the call's number in `rax`.
    pub(super) fn call_registers(&self) -> UserRegs {
        let eflags = self.word(C_FLAGS);
        let rip = self.word(C_RIP);
        let mut r = UserRegs {
            rip,
            rcx: rip,
            eflags,
            r11: eflags,
            fs_base: self.word(C_FS),
            cs: USER_CS,
            ss: USER_SS,
            ..UserRegs::default()
        };
        macro_rules! get {
            ($($name:ident $at:ident),*) => { $(r.$name = self.word($at);)* };
        }
        in_place!(get);
        r.orig_rax = r.rax;
        r
    }

    /// Sets the call's result.
    pub(super) fn set_result(&self, rax: u64) {
        self.set_word(C_RAX, rax);
    }

    /// Puts registers in place for [`STATE_LOAD`].
    pub(super) fn set_call_registers(&self, r: &UserRegs) {
        macro_rules! set {
            ($($name:ident $at:ident),*) => { $(self.set_word($at, r.$name);)* };
        }
        in_place!(set);
        self.set_word(C_RIP, r.rip);
        self.set_word(C_FLAGS, flags(r.eflags));
        self.set_word(C_RCX, r.rcx);
        self.set_word(C_FS, base(r.fs_base));
        self.set_word(C_GS, self.real_gs(r.gs_base));
        for (i, v) in (0u64..).zip([r.r11, r.rip, USER_CS, flags(r.eflags), r.rsp, USER_SS]) {
            self.set_word(C_LOAD + i * 8, v);
        }
    }

    /// Has the thread's calls answered there that `identity` knows the results of, and no others.
    pub(super) fn set_identity(&self, identity: &Identity) {
        let Identity { pid, tid, ppid, uid, euid, gid, egid } = *identity;
        let words: [Option<u32>; ANSWERED_HERE.len()] = [pid, tid, ppid, uid, euid, gid, egid];
        for (i, word) in (0u64..).zip(words) {
            self.control.store(self.area + IDENTITY + i * 4, word.map_or(0, |w| !w));
        }
    }

    /// The state that the thread has saved.
    pub(super) fn saved_fpu(&self, layout: &FpuLayout) -> FpuState {
        let mut bytes = vec![0; layout.size];
        self.control.copy_out(self.area + AREA_FPU, &mut bytes);
        layout.saved(bytes)
    }

    /// Puts a state in place for [`STATE_LOAD`], which must be acceptable to the host.
    pub(super) fn set_saved_fpu(&self, state: &FpuState, layout: &FpuLayout) {
        self.control.copy_in(self.area + AREA_FPU, &state.0[..layout.used(state)]);
        self.control.store(self.area + LOAD_FPU, 1);
    }

    /// Whether the state that was put in place still waits to be loaded; not any more afterwards.
    pub(super) fn take_load_fpu(&self) -> bool {
        let waits = self.control.load(self.area + LOAD_FPU) != 0;
        self.control.store(self.area + LOAD_FPU, 0);
        waits
    }
}
