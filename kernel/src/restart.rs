//! How interrupted system calls go on, `signal(7)`.
//!
//! A handler whose wait was interrupted says by which rule it restarts ([`CurrentTask::interrupted`]). What happens is decided when the
//! signals have been taken: the call is made again, or its `EINTR` stays.

use abi::Errno;
use kcore::host::Nanos;

use crate::current::CurrentTask;
use crate::run::NO_CALL;

/// How an interrupted system call goes on. There is no conversion from a wait's end to an errno: a handler names its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// `ERESTARTSYS`: again, unless a handler without `SA_RESTART` ran.
    Sys,
    /// `ERESTARTNOHAND`: again, unless a handler ran.
    NoHandler,
    /// `ERESTARTNOINTR`: again in any case.
    Always,
    /// `ERESTART_RESTARTBLOCK`: unless a handler ran it goes on with this deadline (on a clock that it knows), which it finds in
    /// [`CurrentTask::resumed_deadline`] in place of the timeout in its arguments.
    Block(Nanos),
}

/// Linux's codes, which only a tracer ever sees: they stand in the return register until the signals are taken.
const ERESTARTSYS: u64 = 512_u64.wrapping_neg();
const ERESTARTNOINTR: u64 = 513_u64.wrapping_neg();
const ERESTARTNOHAND: u64 = 514_u64.wrapping_neg();
const ERESTART_RESTARTBLOCK: u64 = 516_u64.wrapping_neg();

/// How traces show a call that will perhaps be made again; `None` for any other result.
pub(crate) fn restart_name(value: u64) -> Option<&'static str> {
    match value {
        ERESTARTSYS => Some("ERESTARTSYS (To be restarted if SA_RESTART is set)"),
        ERESTARTNOINTR => Some("ERESTARTNOINTR (To be restarted)"),
        ERESTARTNOHAND => Some("ERESTARTNOHAND (To be restarted if no handler)"),
        ERESTART_RESTARTBLOCK => Some("ERESTART_RESTARTBLOCK (Interrupted by signal)"),
        _ => None,
    }
}

impl Restart {
    fn code(self) -> u64 {
        match self {
            Restart::Sys => ERESTARTSYS,
            Restart::Always => ERESTARTNOINTR,
            Restart::NoHandler => ERESTARTNOHAND,
            Restart::Block(_) => ERESTART_RESTARTBLOCK,
        }
    }
}

/// What `restart_syscall(2)` goes on with.
#[derive(Clone, Copy, Debug)]
struct Block {
    nr: u64,
    args: [u64; 6],
    deadline: Nanos,
}

/// A task's interrupted system calls.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    interrupted: Option<Restart>,
    block: Option<Block>,
    deadline: Option<Nanos>,
}

/// Length of the `syscall` instruction.
const SYSCALL_LEN: u64 = 2;
/// The number of `restart_syscall`.
const RESTART_SYSCALL: u64 = 219;

impl CurrentTask {
    /// Ends a system call that a signal interrupted: `EINTR`, unless `rule` lets it run again once the signals are taken.
    pub(crate) fn interrupted(&self, rule: Restart) -> Errno {
        let mut restarts = self.restarts.lock();
        restarts.interrupted = Some(rule);
        if let Restart::Block(deadline) = rule {
            restarts.block = Some(Block { nr: self.regs.number(), args: self.regs.args(), deadline });
        }
        Errno::EINTR
    }
    /// Takes back [`CurrentTask::interrupted`]: the call has something to report after all.
    pub(crate) fn forget_interruption(&self) {
        let mut restarts = self.restarts.lock();
        restarts.interrupted = None;
        restarts.block = None;
    }
    /// The deadline of a call that goes on after [`Restart::Block`]; `None` for one that begins.
    pub(crate) fn resumed_deadline(&self) -> Option<Nanos> {
        self.restarts.lock().deadline.take()
    }
    /// The system call that the registers ask for: for `restart_syscall` the one that was interrupted.
    pub(crate) fn requested_call(&mut self) -> (u64, [u64; 6]) {
        let restarts = self.restarts.get_mut();
        restarts.deadline = None;
        if self.regs.number() == RESTART_SYSCALL
            && let Some(block) = restarts.block.take()
        {
            restarts.deadline = Some(block.deadline);
            self.regs.set_number(block.nr);
            return (block.nr, block.args);
        }
        (self.regs.number(), self.regs.args())
    }
    /// What an interrupted call leaves in the return register until the signals are taken; `None` for one that was not
    /// interrupted.
    pub(crate) fn take_interrupted(&mut self) -> Option<u64> {
        self.restarts.get_mut().interrupted.take().map(Restart::code)
    }
    /// Makes an interrupted call again, when no handler stands in between. A tracer may have changed the registers, which is how
    /// debuggers keep a call from being made again, or let it be made later.
    pub(crate) fn restart(&mut self) {
        if self.regs.number() != NO_CALL {
            match self.regs.result() {
                ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => self.call_again(self.regs.number()),
                ERESTART_RESTARTBLOCK => self.call_again(RESTART_SYSCALL),
                _ => {}
            }
        }
    }
    /// Decides what an interrupted call returns to when a handler runs first, which asks for restarts or not.
    pub(crate) fn restart_before_handler(&mut self, asks: bool) {
        self.restarts.get_mut().block = None;
        if self.regs.number() != NO_CALL {
            match self.regs.result() {
                ERESTARTSYS if asks => self.call_again(self.regs.number()),
                ERESTARTNOINTR => self.call_again(self.regs.number()),
                ERESTARTSYS | ERESTARTNOHAND | ERESTART_RESTARTBLOCK => {
                    self.regs.set_result(Errno::EINTR.to_ret());
                }
                _ => {}
            }
        }
    }
    fn call_again(&mut self, nr: u64) {
        let regs = self.regs.get_mut();
        regs.rip = regs.rip.wrapping_sub(SYSCALL_LEN);
        regs.rax = nr;
    }
}
