//! Signal frames in memory that a guest can write: restoring one may fail, and never gives registers that a guest must not have;
//! a frame that the kernel wrote comes back as it was.

use kcore::addr::GuestAddr;
use kcore::user::UserMemory;
use std::cell::RefCell;
use task::signal::frame_x86_64::{FrameRegs, XsaveLayout, build_frame, restore_frame};
use task::signal::{AltStack, SaFlags, SigAction, SigInfo, SigSet, Signal};

use crate::input::Input;

/// Where the memory is.
const BASE: u64 = 0x7f00_0000_0000;
/// How much there is.
const LEN: usize = 16 << 10;

struct Memory(RefCell<Vec<u8>>);

impl Memory {
    fn range(&self, at: GuestAddr, len: usize) -> std::ops::Range<usize> {
        let start = at.0.checked_sub(BASE).and_then(|o| usize::try_from(o).ok()).unwrap_or(LEN).min(LEN);
        start..start.saturating_add(len).min(LEN)
    }
}

impl UserMemory for Memory {
    fn copy_in(&self, at: GuestAddr, dst: &mut [u8]) -> usize {
        let range = self.range(at, dst.len());
        dst[..range.len()].copy_from_slice(&self.0.borrow()[range.clone()]);
        range.len()
    }
    fn copy_out(&self, at: GuestAddr, src: &[u8]) -> usize {
        let range = self.range(at, src.len());
        self.0.borrow_mut()[range.clone()].copy_from_slice(&src[..range.len()]);
        range.len()
    }
}

const LAYOUT: XsaveLayout = XsaveLayout { size: 832, features: 7 };
/// I/O privilege level, and interrupts on.
const PRIVILEGED_FLAGS: u64 = 0x3200;

/// Restores a frame from a memory with the input in it, then writes one with the registers of the input and restores that.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let sp = BASE + u64::from(input.u16());
    let flags = 0x202;
    let mut memory = vec![0; LEN];
    let content = &bytes[..bytes.len().min(LEN)];
    memory[..content.len()].copy_from_slice(content);
    let memory = Memory(RefCell::new(memory));
    if let Ok(back) = restore_frame(&memory, sp, flags, LAYOUT) {
        assert_eq!(back.regs.eflags & PRIVILEGED_FLAGS, flags & PRIVILEGED_FLAGS);
        assert_eq!((back.regs.cs & 3, back.regs.ss & 3), (3, 3));
        assert!(!back.mask.has(Signal::KILL) && !back.mask.has(Signal::STOP));
        if let Some(fpu) = back.fpu {
            assert!((512..=832).contains(&fpu.len()));
            assert!(fpu.len() < 576 || fpu[512] <= 7 && fpu[513..576].iter().all(|b| *b == 0));
        }
    }
    rebuild(&memory, &mut input);
}

fn rebuild(memory: &Memory, input: &mut Input<'_>) {
    let mut regs = FrameRegs {
        rip: input.u64(),
        rax: input.u64(),
        r15: input.u64(),
        cs: 0x33,
        ss: 0x2b,
        ..FrameRegs::default()
    };
    regs.eflags = 0x202 | u64::from(input.u8() & 0xd5);
    regs.rsp = BASE + u64::from(input.u16());
    let before = regs;
    let mask = SigSet(input.u64()).minus(SigSet::UNBLOCKABLE);
    let stack = AltStack { sp: BASE + u64::from(input.u16()), size: u64::from(input.u16()), flags: 0 };
    let flags = SaFlags::RESTORER | if input.u8() & 1 == 1 { SaFlags::ONSTACK } else { SaFlags::empty() };
    let action = SigAction { handler: input.u64(), flags, restorer: input.u64(), mask: SigSet::EMPTY };
    let mut fpu = vec![0; 832];
    let state = input.take(464);
    fpu[..state.len()].copy_from_slice(state);
    // Reserved bits of MXCSR, which no processor has set.
    fpu[26..28].fill(0);
    fpu[512] = 7;
    let info = SigInfo::kernel(Signal::USR1);
    if build_frame(memory, &mut regs, &fpu, &info, &action, &stack, mask, LAYOUT).is_err() {
        return;
    }
    assert_eq!((regs.rip, regs.rsp % 16), (action.handler, 8));
    // The handler returns, which takes the restorer's address from the stack.
    let back = restore_frame(memory, regs.rsp + 8, 0x202, LAYOUT).expect("the kernel's own frame is good");
    let kept = |r: &FrameRegs| (r.rip, r.rax, r.r15, r.rsp, r.eflags, r.cs, r.ss);
    assert_eq!(kept(&back.regs), kept(&before));
    assert_eq!(back.mask, mask);
    assert!(back.fpu.is_some_and(|f| f == fpu));
}
