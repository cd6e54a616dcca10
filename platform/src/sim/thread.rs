//! A thread: a stack of closures, the topmost of which runs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};

use abi::Errno;
use abi::nr::x86_64 as nr;
use kcore::addr::GuestAddr;

use super::code::{ACCESS_AT, Body, Ending, SYSCALL_END, SYSCALL_LEN};
use super::guest::{Answer, Guest, Memory, Request, SignalArgs};
use super::space::SimSpace;
use super::{RESTORER, Sim};
use crate::{Access, FpuState, GuestSpace, GuestThread, Kick, Registers, Trap, UserRegs};

/// Steps after which others get their turn, whatever chance says: a guest may do something for ever.
const SLICE: u32 = 64;

/// A closure that has begun.
struct Frame {
    at: u64,
    body: Body,
    ending: Ending,
    guest: Guest,
    waits: Waits,
}

/// What the closure waits for, if anything.
enum Waits {
    Nothing,
    /// The result of a system call: the program counter after it.
    Syscall(u64),
    Access(Memory),
    /// The stack pointer, as it now is.
    Stack,
    /// The end of the thread.
    End,
}

/// A simulated guest thread.
pub(super) struct SimThread {
    sim: Sim,
    space: Arc<SimSpace>,
    number: u64,
    frames: Vec<Frame>,
    /// Steps before others get their turn.
    left: u32,
    /// A trap that happened and is not reported yet.
    late: Option<Trap>,
    kicked: Arc<Kicked>,
    fpu: FpuState,
}

/// Whether a kick is due.
#[derive(Default)]
struct Kicked(AtomicBool);

impl Kick for Kicked {
    // A thread is never away for long: it is polled again anyway.
    fn kick(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl SimThread {
    pub(super) fn new(sim: &Sim, space: Arc<SimSpace>, number: u64) -> SimThread {
        SimThread {
            sim: sim.clone(),
            space,
            number,
            frames: Vec::new(),
            left: SLICE,
            late: None,
            kicked: Arc::default(),
            fpu: super::initial_fpu(),
        }
    }

    /// Executes one instruction. Returns how it trapped, if it did.
    fn step(&mut self, regs: &mut UserRegs) -> Option<Trap> {
        let rip = regs.rip;
        let Some(top) = self.frames.last_mut() else { return self.enter(regs) };
        match &mut top.waits {
            Waits::Syscall(end) if rip == *end => {
                top.waits = Waits::Nothing;
                top.guest.answer(Answer::Value(regs.rax));
                self.run(regs)
            }
            Waits::Syscall(end) if rip == *end - SYSCALL_LEN => {
                regs.rip = *end;
                Some(self.syscall(regs))
            }
            Waits::Access(access) if rip == top.at + ACCESS_AT => {
                match perform(&self.space, access) {
                    Ok(answer) => top.guest.answer(answer),
                    Err((at, access)) => return Some(Trap::Fault { at, access }),
                }
                top.waits = Waits::Nothing;
                self.run(regs)
            }
            Waits::Stack if rip == top.at + ACCESS_AT => {
                top.waits = Waits::Nothing;
                top.guest.answer(Answer::Value(regs.rsp));
                self.run(regs)
            }
            _ => self.enter(regs),
        }
    }

    /// Begins what is at the program counter.
    fn enter(&mut self, regs: &mut UserRegs) -> Option<Trap> {
        let guest = Guest::new(&self.sim);
        let args = SignalArgs { number: regs.rdi, info: GuestAddr(regs.rsi), context: GuestAddr(regs.rdx) };
        let Some((at, body, ending)) = self.sim.code().enter(regs.rip, regs.rsp, guest.clone(), args) else {
            return Some(Trap::Fault { at: GuestAddr(regs.rip), access: Access::EXEC });
        };
        self.frames.push(Frame { at, body, ending, guest, waits: Waits::Nothing });
        self.run(regs)
    }

    /// Runs the topmost closure up to the next thing that it wants or to its end.
    fn run(&mut self, regs: &mut UserRegs) -> Option<Trap> {
        let top = self.frames.last_mut()?;
        match top.body.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(status) => self.end(regs, status),
            Poll::Pending => match top.guest.take_request() {
                Some(Request::Syscall { nr, args, site }) => {
                    regs.rip = site.unwrap_or(top.at) + SYSCALL_END;
                    top.waits = Waits::Syscall(regs.rip);
                    regs.rax = nr.into();
                    [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = args;
                    Some(self.syscall(regs))
                }
                Some(Request::Memory(access)) => {
                    regs.rip = top.at + ACCESS_AT;
                    top.waits = Waits::Access(access);
                    None
                }
                Some(Request::Reserve(len)) => {
                    regs.rip = top.at + ACCESS_AT;
                    regs.rsp = regs.rsp.wrapping_sub(len) & !15;
                    top.waits = Waits::Stack;
                    None
                }
                None => panic!("a guest waits for something other than its own thread"),
            },
        }
    }

    /// Does what a closure's last instructions would do.
    fn end(&mut self, regs: &mut UserRegs, status: u8) -> Option<Trap> {
        let top = self.frames.last_mut()?;
        regs.rip = top.at + SYSCALL_END;
        regs.rdi = status.into();
        regs.rax = match top.ending {
            Ending::Process => nr::exit_group.into(),
            Ending::Thread => nr::exit.into(),
            Ending::Handler { sp } => {
                self.frames.pop();
                return Some(self.leave_handler(regs, sp));
            }
        };
        top.waits = Waits::End;
        Some(self.syscall(regs))
    }

    /// Returns from a handler, to the restorer.
    fn leave_handler(&mut self, regs: &mut UserRegs, sp: u64) -> Trap {
        let mut word = [0; 8];
        if let Err(at) = self.space.load(sp, &mut word) {
            return Trap::Fault { at, access: Access::READ };
        }
        let back = u64::from_le_bytes(word);
        if back != RESTORER.0 {
            regs.rip = back;
            return Trap::Fault { at: GuestAddr(back), access: Access::EXEC };
        }
        regs.rsp = sp.wrapping_add(8);
        regs.rip = RESTORER.0 + SYSCALL_LEN;
        regs.rax = nr::rt_sigreturn.into();
        self.syscall(regs)
    }

    /// Executes `syscall`; the registers hold the call, and `rip` is after the instruction.
    fn syscall(&mut self, regs: &mut UserRegs) -> Trap {
        regs.orig_rax = regs.rax;
        (regs.rcx, regs.r11) = (regs.rip, regs.eflags);
        let args = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
        self.sim.trace_syscall(self.number, regs.orig_rax, args);
        Trap::Syscall
    }
}

/// Accesses memory. Errors: the address that faults, and what was tried.
fn perform(space: &SimSpace, access: &mut Memory) -> Result<Answer, (GuestAddr, Access)> {
    let read = |at| (at, Access::READ);
    let write = |at| (at, Access::WRITE);
    match access {
        Memory::Load { at, bytes } => {
            space.load(*at, bytes).map_err(read)?;
            Ok(Answer::Bytes(core::mem::take(bytes)))
        }
        Memory::Store { at, bytes } => {
            space.store(*at, bytes).map_err(write)?;
            Ok(Answer::Value(0))
        }
        Memory::Update { at, f } => {
            let mut word = [0; 4];
            space.load(*at, &mut word).map_err(read)?;
            let old = u32::from_le_bytes(word);
            if let Some(new) = f(old) {
                space.store(*at, &new.to_le_bytes()).map_err(write)?;
            }
            Ok(Answer::Value(old.into()))
        }
    }
}

impl GuestThread for SimThread {
    fn poll_run(&mut self, cx: &mut Context<'_>, regs: &mut Registers) -> Poll<Result<Trap, Errno>> {
        if let Some(trap) = self.late.take() {
            return Poll::Ready(Ok(trap));
        }
        let regs = regs.get_mut();
        self.sim.trace_entry(self.number, regs);
        while self.left > 0 && !self.sim.preempts() {
            self.left -= 1;
            if self.kicked.0.swap(false, Ordering::SeqCst) {
                return Poll::Ready(Ok(Trap::Kicked));
            }
            self.sim.pass_time();
            if let Some(trap) = self.step(regs) {
                if !self.sim.preempts() {
                    return Poll::Ready(Ok(trap));
                }
                self.late = Some(trap);
                break;
            }
        }
        self.left = SLICE;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
    fn kicker(&self) -> Arc<dyn Kick> {
        self.kicked.clone()
    }
    fn fpu(&mut self) -> &mut FpuState {
        &mut self.fpu
    }
    fn reset_fpu(&mut self) {
        self.fpu = super::initial_fpu();
    }
    fn set_space(&mut self, space: &Arc<dyn GuestSpace>) -> Result<(), Errno> {
        self.space = super::own_space(space)?;
        self.frames.clear();
        self.late = None;
        self.fpu = super::initial_fpu();
        Ok(())
    }
}
