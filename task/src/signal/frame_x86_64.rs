//! The signal frame of x86-64: what a handler finds on its stack, and what `rt_sigreturn(2)` reads back.

use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::user::UserMemory;

use super::{AltStack, SaFlags, SigAction, SigInfo, SigSet};

const UC_FP_XSTATE: u64 = 1;
const UC_SIGCONTEXT_SS: u64 = 2;
const UC_STRICT_RESTORE_SS: u64 = 4;
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;
const FXSAVE: usize = 512;
const SW_BYTES: usize = 464;
const MCONTEXT: usize = 8 + 40;
const SIGMASK: usize = MCONTEXT + 256;
const INFO: usize = SIGMASK + 8;
const FRAME: usize = INFO + 128;
const RED_ZONE: u64 = 128;
/// Flags that a guest may set: carry, parity, adjust, zero, sign, trap, direction, overflow, nested, resume, alignment.
const FIX_EFLAGS: u64 = 0x0005_0dd5;
/// First address past user space.
const USER_END: u64 = 0x7fff_ffff_f000;

macro_rules! regs {
    ($($r:ident),*) => {
        /// The registers, named and ordered as in `ucontext_t`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[expect(missing_docs, reason = "the names are the registers'")]
        pub struct FrameRegs {
            $(pub $r: u64,)*
            pub cs: u16, pub gs: u16, pub fs: u16, pub ss: u16,
            pub err: u64, pub trapno: u64, pub oldmask: u64, pub cr2: u64,
        }
        impl FrameRegs {
            fn words(&self) -> [u64; 18] { [$(self.$r),*] }
            fn from_words(w: [u64; 18]) -> FrameRegs {
                let [$($r),*] = w;
                FrameRegs { $($r,)* ..FrameRegs::default() }
            }
        }
    };
}
regs!(r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags);

/// What of the extended state the processor has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct XsaveLayout {
    /// Size of the XSAVE area; 512 without XSAVE.
    pub size: u32,
    /// `XCR0`.
    pub features: u64,
}

/// What `rt_sigreturn` found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// The registers, with privileged flags cleared.
    pub regs: FrameRegs,
    /// The signal mask.
    pub mask: SigSet,
    /// The alternate stack; the kernel applies it if it is valid.
    pub altstack: AltStack,
    /// The FPU area, or `None` for the initial state.
    pub fpu: Option<Vec<u8>>,
}

fn put(mem: &dyn UserMemory, at: u64, bytes: &[u8]) -> Result<(), Errno> {
    if mem.copy_out(GuestAddr(at), bytes) == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
}
fn get(mem: &dyn UserMemory, at: u64, bytes: &mut [u8]) -> Result<(), Errno> {
    if mem.copy_in(GuestAddr(at), bytes) == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
}
fn set<const N: usize>(b: &mut [u8], at: usize, v: [u8; N]) {
    b[at..at + N].copy_from_slice(&v);
}
fn word<const N: usize>(b: &[u8], at: usize) -> [u8; N] {
    let mut v = [0; N];
    v.copy_from_slice(&b[at..at + N]);
    v
}

/// Writes the frame for a handler below the stack pointer and points `regs` at the handler. `fpu` is the XSAVE area (or the
/// 512 bytes of FXSAVE); `mask` is what the return restores.
///
/// Errors: `EFAULT` if the stack cannot take it or there is no restorer: force a `SIGSEGV`.
pub fn build_frame(
    mem: &dyn UserMemory,
    regs: &mut FrameRegs,
    fpu: &[u8],
    info: &SigInfo,
    action: &SigAction,
    altstack: &AltStack,
    mask: SigSet,
    xsave: XsaveLayout,
) -> Result<(), Errno> {
    if !action.flags.contains(SaFlags::RESTORER) || fpu.len() < FXSAVE {
        return Err(Errno::EFAULT);
    }
    let on_alt = altstack.size != 0 && altstack.contains(regs.rsp);
    let enter_alt = action.flags.contains(SaFlags::ONSTACK) && altstack.size != 0 && !on_alt;
    let mut sp = if enter_alt {
        altstack.sp.checked_add(altstack.size).ok_or(Errno::EFAULT)?
    } else {
        regs.rsp.checked_sub(RED_ZONE).ok_or(Errno::EFAULT)?
    };
    let extended = fpu.len() > FXSAVE;
    let area = fpu.len() + if extended { 4 } else { 0 };
    let fp = sp.checked_sub(area as u64).ok_or(Errno::EFAULT)? & !63;
    sp = fp.checked_sub(FRAME as u64).ok_or(Errno::EFAULT)? & !15;
    sp = sp.checked_sub(8).ok_or(Errno::EFAULT)?;
    if (enter_alt || on_alt) && sp <= altstack.sp || sp >= USER_END {
        return Err(Errno::EFAULT);
    }
    let mut fp_bytes = fpu.to_vec();
    fp_bytes[SW_BYTES..FXSAVE].fill(0);
    if extended {
        set(&mut fp_bytes, SW_BYTES, FP_XSTATE_MAGIC1.to_le_bytes());
        set(&mut fp_bytes, SW_BYTES + 4, (area as u32).to_le_bytes());
        set(&mut fp_bytes, SW_BYTES + 8, xsave.features.to_le_bytes());
        set(&mut fp_bytes, SW_BYTES + 16, (fpu.len() as u32).to_le_bytes());
        fp_bytes.extend_from_slice(&FP_XSTATE_MAGIC2.to_le_bytes());
    }
    let mut f = vec![0u8; FRAME];
    set(&mut f, 0, action.restorer.to_le_bytes());
    let flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | if extended { UC_FP_XSTATE } else { 0 };
    set(&mut f, 8, flags.to_le_bytes());
    let stack = altstack.report(regs.rsp);
    set(&mut f, 24, stack.sp.to_le_bytes());
    set(&mut f, 32, stack.flags.to_le_bytes());
    set(&mut f, 40, stack.size.to_le_bytes());
    let m = MCONTEXT;
    for (i, w) in regs.words().into_iter().enumerate() {
        set(&mut f, m + 8 * i, w.to_le_bytes());
    }
    for (i, s) in [regs.cs, regs.gs, regs.fs, regs.ss].into_iter().enumerate() {
        set(&mut f, m + 144 + 2 * i, s.to_le_bytes());
    }
    for (i, w) in [regs.err, regs.trapno, mask.0, regs.cr2, fp].into_iter().enumerate() {
        set(&mut f, m + 152 + 8 * i, w.to_le_bytes());
    }
    set(&mut f, SIGMASK, mask.0.to_le_bytes());
    f[INFO..].copy_from_slice(&info.to_bytes());
    put(mem, fp, &fp_bytes)?;
    put(mem, sp, &f)?;
    regs.rdi = info.signal.number() as u64;
    regs.rsi = sp + INFO as u64;
    regs.rdx = sp + 8;
    regs.rax = 0;
    regs.rsp = sp;
    regs.rip = action.handler;
    // No direction, resume or trap flag in the handler.
    regs.eflags &= !0x1_0500;
    regs.cs = 0x33;
    regs.ss = 0x2b;
    Ok(())
}

/// Reads the frame that `rt_sigreturn(2)` finds at stack pointer `sp`. `flags_now` are the present flags.
///
/// Errors: `EFAULT` if it cannot be read or its FPU area is not aligned: force a `SIGSEGV`.
pub fn restore_frame(
    mem: &dyn UserMemory,
    sp: u64,
    flags_now: u64,
    xsave: XsaveLayout,
) -> Result<Restored, Errno> {
    let at = sp.checked_sub(8).ok_or(Errno::EFAULT)?;
    let mut f = vec![0u8; INFO];
    get(mem, at, &mut f)?;
    let u64_at = |at: usize| u64::from_le_bytes(word(&f, at));
    let mut words = [0; 18];
    for (i, w) in words.iter_mut().enumerate() {
        *w = u64_at(MCONTEXT + 8 * i);
    }
    let mut regs = FrameRegs::from_words(words);
    regs.eflags = flags_now & !FIX_EFLAGS | regs.eflags & FIX_EFLAGS;
    let seg = |i: usize| u16::from_le_bytes(word(&f, MCONTEXT + 144 + 2 * i));
    // Ring 3, whatever the guest wrote.
    (regs.cs, regs.gs, regs.fs, regs.ss) = (seg(0) | 3, seg(1), seg(2), seg(3) | 3);
    regs.err = u64_at(MCONTEXT + 152);
    regs.trapno = u64_at(MCONTEXT + 160);
    regs.cr2 = u64_at(MCONTEXT + 176);
    let fp = u64_at(MCONTEXT + 184);
    let mask = SigSet(u64_at(SIGMASK)).minus(SigSet::UNBLOCKABLE);
    let altstack = AltStack { sp: u64_at(24), size: u64_at(40), flags: u32::from_le_bytes(word(&f, 32)) };
    let fpu = if fp == 0 { None } else { Some(restore_fpu(mem, fp, xsave)?) };
    Ok(Restored { regs, mask, altstack, fpu })
}

fn restore_fpu(mem: &dyn UserMemory, fp: u64, xsave: XsaveLayout) -> Result<Vec<u8>, Errno> {
    if fp & 63 != 0 && xsave.size as usize > FXSAVE {
        return Err(Errno::EFAULT);
    }
    let mut b = vec![0u8; FXSAVE];
    get(mem, fp, &mut b)?;
    let u32_at = |b: &[u8], at: usize| u32::from_le_bytes(word(b, at));
    let size = u32_at(&b, SW_BYTES + 16);
    let features = u64::from_le_bytes(word(&b, SW_BYTES + 8));
    let valid = u32_at(&b, SW_BYTES) == FP_XSTATE_MAGIC1
        && size as usize >= FXSAVE + 64
        && size <= xsave.size
        && size <= u32_at(&b, SW_BYTES + 4);
    let mut magic2 = [0; 4];
    let extended = valid
        && get(mem, fp.checked_add(u64::from(size)).ok_or(Errno::EFAULT)?, &mut magic2).is_ok()
        && u32::from_le_bytes(magic2) == FP_XSTATE_MAGIC2;
    if extended {
        b.resize(size as usize, 0);
        get(mem, fp, &mut b)?;
        // Only known features, no compacted format, and nothing in the rest of the header.
        let bv = u64::from_le_bytes(word(&b, FXSAVE)) & features & xsave.features;
        set(&mut b, FXSAVE, bv.to_le_bytes());
        b[FXSAVE + 8..FXSAVE + 64].fill(0);
    } else {
        // As Linux does, take x87 and SSE alone.
        b.resize((xsave.size as usize).max(FXSAVE), 0);
        if b.len() >= FXSAVE + 64 {
            set(&mut b, FXSAVE, 3u64.to_le_bytes());
        }
    }
    b[SW_BYTES..FXSAVE].fill(0);
    // Reserved bits of MXCSR fault.
    let mxcsr = u32_at(&b, 24) & 0xffff;
    set(&mut b, 24, mxcsr.to_le_bytes());
    Ok(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;
    use core::cell::RefCell;

    struct Mem(RefCell<Vec<u8>>);
    impl UserMemory for Mem {
        fn copy_in(&self, a: GuestAddr, dst: &mut [u8]) -> usize {
            let m = self.0.borrow();
            let at = (a.0 as usize).min(m.len());
            let n = dst.len().min(m.len() - at);
            dst[..n].copy_from_slice(&m[at..at + n]);
            n
        }
        fn copy_out(&self, a: GuestAddr, src: &[u8]) -> usize {
            let mut m = self.0.borrow_mut();
            let at = (a.0 as usize).min(m.len());
            let n = src.len().min(m.len() - at);
            m[at..at + n].copy_from_slice(&src[..n]);
            n
        }
    }

    #[test]
    fn a_frame_comes_back_as_it_was() {
        let mem = Mem(RefCell::new(vec![0; 16384]));
        let xsave = XsaveLayout { size: 832, features: 7 };
        let mut fpu = vec![0; 832];
        fpu[0..2].copy_from_slice(&[0x7f, 3]);
        fpu[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
        fpu[512] = 7;
        fpu[600] = 9;
        let before =
            FrameRegs { rsp: 8000, rip: 77, rbx: 5, eflags: 0x202, cs: 0x33, ss: 0x2b, ..Default::default() };
        let action = SigAction { handler: 99, flags: SaFlags::RESTORER, restorer: 55, mask: SigSet::EMPTY };
        let info = SigInfo::kernel(Signal::USR1);
        let mut regs = before;
        build_frame(&mem, &mut regs, &fpu, &info, &action, &AltStack::NONE, SigSet(6), xsave).unwrap();
        assert_eq!((regs.rip, regs.rdi, regs.rsp % 16), (99, 10, 8));
        assert!(regs.rsp < 8000 - 128 - 832);
        let back = restore_frame(&mem, regs.rsp + 8, 0x202, xsave).unwrap();
        assert_eq!((back.regs, back.mask), (before, SigSet(6)));
        assert_eq!(back.fpu.unwrap(), fpu);
    }
}
