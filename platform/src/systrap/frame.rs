//! The signal frame in a thread's area: the guest's registers, as the host saved them and will restore them.
//!
//! Layouts: `struct ucontext` and `struct sigcontext_64` of `arch/x86/include/uapi/asm`.

use abi::Errno;
use kcore::addr::GuestAddr;

use super::layout::*;
use super::shared::SharedFile;
use crate::bpf::AUDIT_ARCH_X86_64;
use crate::fpu::FpuLayout;
use crate::traits::SEGV_PKUERR;
use crate::{Access, ExceptionInfo, FpuState, Trap, UserRegs};

// Offsets in `struct ucontext`.
const REGISTERS: u64 = 40;
const SEGMENTS: u64 = 184;
const ERROR: u64 = 192;
const TRAPNO: u64 = 200;
const CR2: u64 = 216;
const FPSTATE: u64 = 224;
const MASK: u64 = 296;
const CONTEXT_LEN: u64 = 304;
/// Offset of the instruction pointer.
pub(super) const UC_RIP: u64 = REGISTERS + 16 * 8;
// Offsets in `siginfo_t`.
const SI_CODE: u64 = 8;
const SI_ADDR: u64 = 16;
const SI_SYSCALL: u64 = 24;
const SI_ARCH: u64 = 28;
const SIGINFO_LEN: u64 = 128;

pub(super) const USER_CS: u64 = 0x33;
pub(super) const USER_SS: u64 = 0x2b;
const SI_KERNEL: i32 = 0x80;
const INTERRUPTED: u64 = (-libc::EINTR as i64).cast_unsigned();
const TRAP_PAGE_FAULT: u64 = 14;
const TRAP_PROTECTION: u64 = 13;
const ERROR_WRITE: u64 = 2;
const ERROR_FETCH: u64 = 16;
/// Flags that a guest may set: what `rt_sigreturn` takes of them.
const FLAGS: u64 = 0x25_0dd5;

/// Makes flags acceptable: those that a guest may set, and those that are always set.
pub(super) fn flags(f: u64) -> u64 {
    f & FLAGS | 0x202
}

/// Makes a base acceptable to `wrfsbase`.
pub(super) fn base(b: u64) -> u64 {
    if b < TASK_END { b } else { 0 }
}

/// One thread's area as the sentry sees it.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) control: &'a SharedFile,
    /// Offset of the area in the control file.
    pub(super) area: u64,
    /// Address of the area in the stub.
    pub(super) address: u64,
}

impl Frame<'_> {
    /// Offset of something that the stub says lies in the area. Errors: `EFAULT` if it does not, for which only a guest can be the cause.
    fn inside(&self, distance: u64, len: u64) -> Result<u64, Errno> {
        let end = distance.checked_add(len).ok_or(Errno::EFAULT)?;
        if distance < AREA_STACK || end > AREA_LEN || !distance.is_multiple_of(8) {
            return Err(Errno::EFAULT);
        }
        Ok(self.area + distance)
    }

    /// The GS base that a guest is told of: as long as it does not use GS, its thread finds its area there.
    fn shown_gs(&self, real: u64) -> u64 {
        if real == self.address { 0 } else { real }
    }

    /// The GS base for one that a guest wishes.
    pub(super) fn real_gs(&self, shown: u64) -> u64 {
        if shown == 0 { self.address } else { base(shown) }
    }

    fn context(&self) -> Result<u64, Errno> {
        self.inside(self.control.read(self.area + AREA_UCONTEXT), CONTEXT_LEN)
    }

    /// The guest's registers. Errors: `EFAULT` for a frame that the guest has broken.
    pub(super) fn registers(&self) -> Result<UserRegs, Errno> {
        let at = self.context()?;
        let r = |i: u64| self.control.read(at + REGISTERS + i * 8);
        Ok(UserRegs {
            r8: r(0),
            r9: r(1),
            r10: r(2),
            r11: r(3),
            r12: r(4),
            r13: r(5),
            r14: r(6),
            r15: r(7),
            rdi: r(8),
            rsi: r(9),
            rbp: r(10),
            rbx: r(11),
            rdx: r(12),
            rax: r(13),
            rcx: r(14),
            rsp: r(15),
            rip: r(16),
            eflags: r(17),
            orig_rax: u64::MAX,
            cs: USER_CS,
            ss: USER_SS,
            fs_base: self.control.read(self.area + AREA_FS),
            gs_base: self.shown_gs(self.control.read(self.area + AREA_GS)),
            ..UserRegs::default()
        })
    }

    /// Puts registers in place for the next `rt_sigreturn`, after which no signal is blocked. Errors: as [`Frame::registers`].
    pub(super) fn set_registers(&self, r: &UserRegs) -> Result<(), Errno> {
        let at = self.context()?;
        self.control.write(at + MASK, 0);
        let values = [
            r.r8,
            r.r9,
            r.r10,
            r.r11,
            r.r12,
            r.r13,
            r.r14,
            r.r15,
            r.rdi,
            r.rsi,
            r.rbp,
            r.rbx,
            r.rdx,
            r.rax,
            r.rcx,
            r.rsp,
            r.rip,
            flags(r.eflags),
        ];
        for (i, v) in values.iter().enumerate() {
            self.control.write(at + REGISTERS + i as u64 * 8, *v);
        }
        self.control.write(at + SEGMENTS, USER_CS | USER_SS << 48);
        self.control.write(self.area + AREA_FS, base(r.fs_base));
        self.control.write(self.area + AREA_GS, self.real_gs(r.gs_base));
        Ok(())
    }

    fn fpstate(&self, len: u64) -> Result<u64, Errno> {
        let pointer = self.control.read(self.context()? + FPSTATE);
        self.inside(pointer.checked_sub(self.address).ok_or(Errno::EFAULT)?, len)
    }

    /// What the host says of its `XSAVE` areas, from a frame that no guest has touched.
    pub(super) fn fpu_sample(&self) -> Result<FpuLayout, Errno> {
        let at = self.fpstate(576)?;
        let features = self.control.read(at + 472);
        let len = u64::from(self.control.load(at + 480));
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| Errno::EINVAL)?];
        self.control.copy_out(self.fpstate(len)?, &mut bytes);
        let software = bytes.get_mut(464..512).ok_or(Errno::EINVAL)?;
        software.fill(0);
        software[..8].copy_from_slice(&features.to_le_bytes());
        FpuLayout::from_sample(&bytes).ok_or(Errno::EINVAL)
    }

    /// The floating-point state. Errors: as [`Frame::registers`].
    pub(super) fn fpu(&self, layout: &FpuLayout) -> Result<FpuState, Errno> {
        let mut bytes = vec![0; layout.size];
        self.control.copy_out(self.fpstate(layout.size as u64)?, &mut bytes);
        Ok(layout.with_software(bytes))
    }

    /// Puts floating-point state in place, which must be acceptable to the host. Errors: as [`Frame::registers`].
    pub(super) fn set_fpu(&self, state: &FpuState, layout: &FpuLayout) -> Result<(), Errno> {
        let at = self.fpstate(state.0.len() as u64)?;
        // The words between are the host's own.
        self.control.copy_in(at, state.0.get(..464).ok_or(Errno::EINVAL)?);
        self.control.copy_in(at + 512, state.0.get(512..layout.used(state)).ok_or(Errno::EINVAL)?);
        Ok(())
    }

    /// What the trap means, with the registers to report; `None` for a kick. Errors: as [`Frame::registers`].
    pub(super) fn trap(&self) -> Result<(Option<Trap>, UserRegs), Errno> {
        let context = self.context()?;
        let info = self.inside(self.control.read(self.area + AREA_SIGINFO), SIGINFO_LEN)?;
        let signal = self.control.load(self.area + AREA_SIGNAL).cast_signed();
        let code = self.control.load(info + SI_CODE).cast_signed();
        let mut regs = self.registers()?;
        let (trapno, error) = (self.control.read(context + TRAPNO), self.control.read(context + ERROR));
        let exception = |signal, code, addr, trapno, error| {
            Some(Trap::Exception(ExceptionInfo { signal, code, addr, trapno, error }))
        };
        let trap = match signal {
            libc::SIGSYS if self.control.load(info + SI_ARCH) == AUDIT_ARCH_X86_64 => {
                // The host takes some numbers for its own codes of interrupted calls, and then changes these two registers.
                regs.rip = self.control.read(info + SI_ADDR);
                regs.orig_rax = match regs.rax {
                    INTERRUPTED => {
                        i64::from(self.control.load(info + SI_SYSCALL).cast_signed()).cast_unsigned()
                    }
                    nr => nr,
                };
                Some(Trap::Syscall)
            }
            libc::SIGSYS => {
                // `int 0x80` or `sysenter`: as on a kernel without 32-bit support.
                regs.rip = regs.rip.wrapping_sub(2);
                exception(libc::SIGSEGV, SI_KERNEL, 0, TRAP_PROTECTION, 0x80 * 8 + 2)
            }
            libc::SIGSEGV if trapno == TRAP_PAGE_FAULT && code != SEGV_PKUERR => {
                let access = match error {
                    e if e & ERROR_FETCH != 0 => Access::EXEC,
                    e if e & ERROR_WRITE != 0 => Access::WRITE,
                    _ => Access::READ,
                };
                Some(Trap::Fault { at: GuestAddr(self.control.read(context + CR2)), access })
            }
            libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP => {
                let addr = if code == SI_KERNEL { 0 } else { self.control.read(info + SI_ADDR) };
                exception(signal, code, addr, trapno, error)
            }
            _ => None,
        };
        Ok((trap, regs))
    }
}
