//! A tracer's view of its tracee's registers.

use alloc::vec::Vec;

use abi::Errno;
use abi::task::ptrace::{NT_PRFPREG, NT_PRSTATUS, NT_X86_XSTATE, USER_DEBUGREG, USER_SIZE, UserRegs};
use kcore::addr::GuestAddr;
use kcore::user::{UserMemory, UserPtr};
use task::Task;
use zerocopy::{FromBytes, IntoBytes};

use crate::current::CurrentTask;
use crate::task::Resources;
use crate::traced::Registers;

/// Size of the area of `fxsave`, the first part of that of `xsave`.
const FXSAVE: usize = 512;
/// Where Linux tells debuggers in the `xsave` area which features there are.
const SOFTWARE_XCR0: usize = 464;
/// The header of the `xsave` area: which parts are in use, and bytes that must be zero.
const HEADER: usize = 512;
const HEADER_END: usize = 576;
const MXCSR: usize = 24;
/// What a program may change of `eflags`.
const EFLAGS: u64 = 0x5_4dd5;

macro_rules! copy_regs {
    ($from:expr => $to:expr; $($r:ident)*) => { $($to.$r = $from.$r;)* };
}

fn shown(r: &platform::UserRegs) -> UserRegs {
    let mut out = UserRegs::default();
    copy_regs!(r => out; r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs);
    out
}

/// Changes registers. Segments stay: a 64-bit program has no others to load. Errors: `EIO` for a base outside of guest memory.
fn change(r: &mut platform::UserRegs, new: &UserRegs, max: u64) -> Result<(), Errno> {
    if new.fs_base >= max || new.gs_base >= max {
        return Err(Errno::EIO);
    }
    copy_regs!(new => r; r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip rsp fs_base gs_base);
    r.eflags = r.eflags & !EFLAGS | new.eflags & EFLAGS;
    Ok(())
}

fn with<R>(task: &Task, f: impl FnOnce(&mut Registers) -> R) -> Result<R, Errno> {
    task.resources::<Resources>().ok_or(Errno::ESRCH)?.stopped().with(f)
}

/// Stores as much of a register set as there is room for, and returns how much that is. Errors: `EINVAL`, `EFAULT`, `ESRCH`.
pub(super) fn get(
    cx: &CurrentTask,
    task: &Task,
    note: u32,
    to: GuestAddr,
    room: usize,
) -> Result<usize, Errno> {
    let features = cx.kernel().host().platform.caps().xfeatures;
    let bytes = with(task, |r| match note {
        NT_PRSTATUS => Ok(shown(&r.regs).as_bytes().to_vec()),
        NT_PRFPREG => Ok(r.fpu.0.iter().copied().take(FXSAVE).collect()),
        NT_X86_XSTATE => {
            let mut area = r.fpu.0.clone();
            if let Some(place) = area.get_mut(SOFTWARE_XCR0..SOFTWARE_XCR0 + 8) {
                place.copy_from_slice(&features.to_le_bytes());
            }
            Ok(area)
        }
        _ => Err(Errno::EINVAL),
    })??;
    let part = bytes.get(..room).unwrap_or(&bytes);
    if cx.task().mm().copy_out(to, part) == part.len() { Ok(part.len()) } else { Err(Errno::EFAULT) }
}

/// Loads as much of a register set as `room` bytes hold, and returns how much that is; floating-point state only as a whole. Errors: `EINVAL`,
/// `EFAULT`, `EIO`, `ESRCH`.
pub(super) fn set(
    cx: &CurrentTask,
    task: &Task,
    note: u32,
    from: GuestAddr,
    room: usize,
) -> Result<usize, Errno> {
    let whole = match note {
        NT_PRSTATUS => size_of::<UserRegs>(),
        NT_PRFPREG => FXSAVE,
        NT_X86_XSTATE => with(task, |r| r.fpu.0.len())?,
        _ => return Err(Errno::EINVAL),
    };
    let len = room.min(whole);
    if note != NT_PRSTATUS && len != whole {
        // As `xfpregs_set` and `xstateregs_set` in Linux's `arch/x86/kernel/fpu/regset.c`.
        return Err(if note == NT_PRFPREG { Errno::EINVAL } else { Errno::EFAULT });
    }
    let bytes: Vec<u8> = UserPtr::<u8>::new(from).read_vec(&**cx.task().mm(), len)?;
    let max = cx.task().mm().layout().max.0;
    let features = cx.kernel().host().platform.caps().xfeatures;
    with(task, |r| {
        if note == NT_PRSTATUS {
            let mut new = shown(&r.regs);
            new.as_mut_bytes()[..len].copy_from_slice(&bytes);
            return change(&mut r.regs, &new, max);
        }
        let area = r.fpu.0.get_mut(..len).ok_or(Errno::EINVAL)?;
        area.copy_from_slice(&bytes);
        make_loadable(&mut r.fpu.0, features, note == NT_PRFPREG);
        Ok(())
    })??;
    Ok(len)
}

/// Clears what the processor would refuse to load.
fn make_loadable(area: &mut [u8], features: u64, legacy: bool) {
    const X87_AND_SSE: u64 = 3;
    if let Some(high) = area.get_mut(MXCSR + 2..MXCSR + 4) {
        high.fill(0);
    }
    let Some(header) = area.get_mut(HEADER..HEADER_END) else { return };
    let (used, reserved) = header.split_at_mut(8);
    let bits = u64::read_from_bytes(used).unwrap_or(0) | if legacy { X87_AND_SSE } else { 0 };
    used.copy_from_slice(&(bits & features).to_le_bytes());
    reserved.fill(0);
}

/// Which word of `struct user` is at an offset. Errors: `EIO`.
fn user_word(at: u64) -> Result<usize, Errno> {
    if at.is_multiple_of(8) && at < USER_SIZE {
        usize::try_from(at / 8).map_err(|_| Errno::EIO)
    } else {
        Err(Errno::EIO)
    }
}

/// Which debug register is at an offset in `struct user`.
fn debug_register(at: u64) -> Option<usize> {
    const COUNT: usize = 8;
    let n = usize::try_from(at.checked_sub(USER_DEBUGREG)? / 8).ok()?;
    (n < COUNT).then_some(n)
}

/// `PTRACE_PEEKUSER`: a register, also of those for debugging; the rest of `struct user` is zero. Errors: `EIO`, `ESRCH`.
pub(super) fn peek_user(task: &Task, at: u64) -> Result<u64, Errno> {
    let word = user_word(at)?;
    if let Some(n) = debug_register(at) {
        return with(task, |r| r.debug.get(n));
    }
    let regs = with(task, |r| shown(&r.regs))?;
    Ok(regs.as_bytes().chunks_exact(8).nth(word).and_then(|b| u64::read_from_bytes(b).ok()).unwrap_or(0))
}

/// `PTRACE_POKEUSER`. Errors: `EIO`; for debug registers `EINVAL`, and `ENOSPC` for what cannot be watched; `ESRCH`.
pub(super) fn poke_user(task: &Task, at: u64, value: u64) -> Result<(), Errno> {
    const GUEST_END: u64 = 0x7fff_ffff_f000;
    let word = user_word(at)?;
    with(task, |r| {
        let mut new = shown(&r.regs);
        match new.as_mut_bytes().chunks_exact_mut(8).nth(word) {
            Some(place) => place.copy_from_slice(&value.to_le_bytes()),
            None => {
                let n = debug_register(at).ok_or(Errno::EIO)?;
                return r.debug.set(n, value, GUEST_END);
            }
        }
        change(&mut r.regs, &new, GUEST_END)
    })?
}
