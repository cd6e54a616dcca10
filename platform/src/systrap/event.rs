//! What a host thread's trap means for the guest thread.

use abi::Errno;

use super::code::{self, Stage};
use super::host_thread::{ThreadShared, Trapped};
use super::layout::*;
use super::rewrite::Place;
use super::thread::SystrapThread;
use crate::{RegisterSource, Registers, Trap, UserRegs};

impl SystrapThread {
    /// What the host thread, which has trapped, tells of: `None` for a kick.
    pub(super) fn event(
        &mut self,
        thread: &ThreadShared,
        regs: &mut Registers,
    ) -> Result<Option<Trap>, Errno> {
        match self.trapped {
            Trapped::Lost => Err(Errno::ESRCH),
            Trapped::Call => Ok(self.call_event(thread, regs)),
            Trapped::Signal => self.signal_event(thread, regs),
        }
    }

    fn call_event(&mut self, thread: &ThreadShared, regs: &mut Registers) -> Option<Trap> {
        let frame = thread.frame();
        let is_kick = frame.control.load(frame.area + REASON) == REASON_KICK;
        if is_kick && self.loading {
            // Nothing has been loaded.
            if frame.take_load_fpu() {
                self.fpu = Some(frame.saved_fpu(&self.handle.layout));
            }
            return None;
        }
        self.loading = false;
        self.tenant.forget_registers();
        if is_kick {
            regs.set(self.tenant.registers());
            return None;
        }
        let (number, args) = frame.call();
        regs.set_call(number, args, &self.tenant);
        Some(Trap::Syscall)
    }

    fn signal_event(&mut self, thread: &ThreadShared, regs: &mut Registers) -> Result<Option<Trap>, Errno> {
        let frame = thread.frame();
        let (trap, now) = frame.trap()?;
        let was_loading = core::mem::take(&mut self.loading);
        let in_code = now.rip.wrapping_sub(self.handle.nursery.base + CODE);
        let stage = if in_code < CODE_LEN { code::stage(in_code) } else { None };
        if stage == Some(Stage::Loading) && was_loading {
            if frame.take_load_fpu() {
                self.fpu = Some(frame.saved_fpu(&self.handle.layout));
            }
            return Ok(trap);
        }
        regs.set(now);
        let regs = regs.get_mut();
        let call = |regs: &mut UserRegs, ret: u64| {
            (regs.rip, regs.rcx, regs.r11, regs.orig_rax) = (ret, ret, regs.eflags, regs.rax);
            Ok(Some(Trap::Syscall))
        };
        match stage {
            Some(Stage::Before) => return call(regs, now.rcx),
            Some(Stage::Posting) => {
                regs.rsp = frame.call_stack();
                return call(regs, frame.call_return());
            }
            Some(Stage::After) => {
                let answered = frame.call_registers();
                (regs.rax, regs.eflags, regs.rip) = (answered.rax, answered.eflags, answered.rip);
                (regs.rcx, regs.r11) = (answered.rip, answered.eflags);
                return Ok(trap);
            }
            Some(Stage::Answered) => {
                (regs.rip, regs.rcx) = (frame.call_return(), frame.call_return());
                return Ok(trap);
            }
            Some(Stage::Loading) | None => {}
        }
        match self.space.place(now.rip) {
            Some(Place::Call { ret, number }) => {
                if trap != Some(Trap::Syscall) {
                    regs.rax = number.map_or(regs.rax, u64::from);
                    return call(regs, ret);
                }
                (regs.rip, regs.rcx, regs.r11) = (ret, ret, regs.eflags);
            }
            Some(Place::At(address)) => {
                regs.rip = address;
                // The trampoline has gone after the answer. The code that it has for then touches no memory, so that this is the only fault.
                if matches!(trap, Some(Trap::Fault { .. })) {
                    return Ok(None);
                }
            }
            // It is sent on from there when it next runs.
            Some(Place::Moved) if is_invalid_opcode(trap) => return Ok(None),
            Some(Place::Moved) => {}
            None if trap == Some(Trap::Syscall) => self.space.consider(now.rip, now.orig_rax),
            None => {}
        }
        Ok(trap)
    }
}

fn is_invalid_opcode(trap: Option<Trap>) -> bool {
    matches!(trap, Some(Trap::Exception(e)) if e.signal == libc::SIGILL)
}
