//! Taking signals: what happens between a trap and the return to guest code.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::wait::WaitSet;
use platform::{FpuState, UserRegs};
use task::ExitStatus;
use task::signal::frame_x86_64::{FrameRegs, XsaveLayout, build_frame};
use task::signal::{Action, SaFlags, SigAction, SigFields, SigInfo, Signal};

use crate::current::CurrentTask;
use crate::log::guest_log;
use crate::run::NO_CALL;

impl CurrentTask {
    /// Takes all signals that are due. Returns when the task may run guest code, or has begun to exit.
    pub(crate) async fn take_signals(&mut self) {
        if !self.task.core.signal_pending() && !self.task.core.take_interrupt() {
            self.restart();
            return;
        }
        let table = self.kernel.processes().clone();
        self.task.core.take_interrupt();
        while self.exiting.is_none() {
            let Some(delivery) = table.dequeue(&self.task.core) else { break };
            // What only ends a thread of a process that dies is no signal.
            let dies = matches!(delivery.action, Action::Terminate { .. });
            if delivery.action != Action::Traced && !(dies && delivery.info.fields == SigFields::None) {
                self.trace_signal(&delivery.info);
            }
            match delivery.action {
                Action::Ignore | Action::Continue => {}
                Action::Traced => self.stand_for_tracer().await,
                Action::Terminate { core } => {
                    let status = ExitStatus::Signaled { signal: delivery.info.signal, core };
                    if let SigFields::Fault { addr } = delivery.info.fields {
                        let (pid, signal, rip) =
                            (self.task.tid().0, delivery.info.signal, self.regs.get().rip);
                        guest_log!(self.kernel, INFO, pid, ?signal, addr = %GuestAddr(addr), rip = %GuestAddr(rip), "a fault");
                    }
                    self.exiting = Some(status);
                    return;
                }
                Action::Stop => self.stand_still().await,
                Action::Handler(action) => {
                    let asks = action.flags.contains(SaFlags::RESTART);
                    self.restart_before_handler(asks);
                    self.enter_handler(&delivery.info, &action);
                }
            }
        }
        self.task.core.restore_mask();
        self.restart();
    }

    /// Waits until nothing stops the task. A stop ends by an interrupt, which wakes; the wait itself waits for nothing else.
    pub(crate) async fn stand_still(&mut self) {
        let core = self.task.core.clone();
        let still = || if core.is_stopped() { Err(kcore::io::IoError::Again) } else { Ok(()) };
        self.wait_killable(&WaitSet::new(), still).await;
        core.take_interrupt();
    }

    fn enter_handler(&mut self, info: &SigInfo, action: &SigAction) {
        let core = self.task.core.clone();
        let caps = self.kernel.host().platform.caps();
        let layout = xsave_layout(caps.xsave_size, caps.xfeatures);
        let fpu = self.thread.get_mut().copy_fpu().0;
        let mut frame = to_frame(&self.regs.get());
        frame.eflags = self.own_eflags();
        (frame.trapno, frame.err) = (self.exception.trapno, self.exception.error);
        frame.cr2 = self.exception.cr2;
        let mask = core.take_saved_mask();
        let mm = self.task.mm().clone();
        match build_frame(&*mm, &mut frame, &fpu, info, action, &core.altstack(), mask, layout) {
            Ok(()) => {
                from_frame(self.regs.get_mut(), &frame);
                self.force_steps();
                // As `fpu__clear_user_states` does for handlers: they begin with rounding modes and masks of their own.
                self.thread.get_mut().reset_fpu();
                core.enter_handler(info.signal, action);
            }
            // A handler of the very signal that says so would have no room either.
            Err(_) if info.signal == Signal::SEGV => self.kernel.processes().force_fatal(&core, Signal::SEGV),
            Err(_) => self.fault_signal(SigInfo::kernel(Signal::SEGV)),
        }
    }

    /// Sends the task a signal about its own error, which it cannot block or ignore.
    pub(crate) fn fault_signal(&self, info: SigInfo) {
        self.kernel.processes().force_fault(&self.task.core, info);
    }

    /// `rt_sigreturn(2)`: goes back to where a signal came. Errors: `EFAULT` for a bad frame.
    pub(crate) fn leave_handler(&mut self) -> Result<(), Errno> {
        let caps = self.kernel.host().platform.caps();
        let layout = xsave_layout(caps.xsave_size, caps.xfeatures);
        let mm = self.task.mm().clone();
        let regs = self.regs.get_mut();
        let back = task::signal::frame_x86_64::restore_frame(&*mm, regs.rsp, regs.eflags, layout)?;
        from_frame(regs, &back.regs);
        let rsp = regs.rsp;
        self.force_steps();
        self.regs.set_number(NO_CALL);
        let core = &self.task.core;
        core.sigprocmask(task::signal::SigmaskHow::Set, back.mask);
        // An alternate stack that is not valid any more stays as it is.
        core.set_altstack(back.altstack, rsp).ok();
        let thread = self.thread.get_mut();
        match back.fpu {
            Some(saved) => thread.set_fpu(FpuState(saved)),
            None => thread.reset_fpu(),
        }
        Ok(())
    }
}

fn xsave_layout(size: usize, features: u64) -> XsaveLayout {
    XsaveLayout { size: u32::try_from(size).unwrap_or(u32::MAX), features }
}

macro_rules! copy_regs {
    ($from:expr => $to:expr; $($r:ident),*) => { $($to.$r = $from.$r;)* };
}

fn to_frame(r: &UserRegs) -> FrameRegs {
    let mut f = FrameRegs::default();
    copy_regs!(r => f; r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags);
    f.cs = u16::try_from(r.cs).unwrap_or(0x33);
    f.ss = u16::try_from(r.ss).unwrap_or(0x2b);
    f
}

fn from_frame(r: &mut UserRegs, f: &FrameRegs) {
    copy_regs!(f => r; r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags);
    r.cs = f.cs.into();
    r.ss = f.ss.into();
}
