//! The mechanism of `ptrace(2)`: links, stops, and signals held for a tracer. Registers and memory are the kernel's.

mod link;
mod requests;
mod stops;
mod trace;

use abi::task::ptrace::*;

use crate::signal::SigInfo;

pub use link::clone_event;
pub(crate) use link::{notify_exit, tracer_exits, unlink};
pub(crate) use trace::Trace;

/// The options that this mechanism knows: all but `PTRACE_O_SUSPEND_SECCOMP`, which kernels without checkpoints of processes refuse.
pub const OPTIONS: u32 = PTRACE_O_TRACESYSGOOD
    | PTRACE_O_TRACEFORK
    | PTRACE_O_TRACEVFORK
    | PTRACE_O_TRACECLONE
    | PTRACE_O_TRACEEXEC
    | PTRACE_O_TRACEVFORKDONE
    | PTRACE_O_TRACEEXIT
    | PTRACE_O_TRACESECCOMP
    | PTRACE_O_EXITKILL;

/// Why a tracee stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopKind {
    /// A signal waits for the tracer's word.
    Signal,
    /// The group stopped.
    Group,
    /// `PTRACE_EVENT_*`.
    Event,
    /// At a system call's entry or exit.
    Syscall,
}

/// How a tracee goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Resume {
    /// Freely.
    #[default]
    Cont,
    /// To the next system-call stop.
    Syscall,
    /// One instruction.
    SingleStep,
    /// To the next system call, which is not run.
    Sysemu,
    /// One instruction, and a system call is not run.
    SysemuSingleStep,
}

impl Resume {
    /// Whether the task runs one instruction only.
    pub fn steps(self) -> bool {
        matches!(self, Resume::SingleStep | Resume::SysemuSingleStep)
    }
    /// Whether system calls are the tracer's to serve.
    pub fn emulates(self) -> bool {
        matches!(self, Resume::Sysemu | Resume::SysemuSingleStep)
    }
}

/// What a tracee stands still for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// The status that `wait(2)` reports, without its low byte: a signal, and an event or 0x80 above it.
    pub code: u32,
    /// Why.
    pub kind: StopKind,
    /// The signal, if one waits.
    pub info: Option<SigInfo>,
    /// What `PTRACE_GETEVENTMSG` gives.
    pub message: u64,
}
