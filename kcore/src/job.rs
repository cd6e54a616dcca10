//! Job control as terminals see it: process groups, sessions and callers, `credentials(7)`. Processes implement these traits;
//! so a terminal names a group or session without knowing what a process is, and without confusing it with a later one that got
//! the same number.

use alloc::sync::Arc;
use core::any::Any;

use abi::Errno;

use crate::id::Pid;

/// A terminal, as sessions hold it.
pub type ControllingTty = Arc<dyn Any + Send + Sync>;

/// A process group. It may have no members any more.
pub trait ProcessGroup: Any + Send + Sync {
    /// Its identity for the life of the kernel.
    fn id(&self) -> u64;
    /// Sends signal `sig` from the kernel to all members.
    fn signal(&self, sig: i32);
}

/// A session. It may have no members any more.
pub trait Session: Any + Send + Sync {
    /// Its identity for the life of the kernel.
    fn id(&self) -> u64;
    /// Its terminal is gone: no member has it any more, and the leader gets `SIGHUP` and `SIGCONT`. `foreground` gets them when
    /// the leader ends.
    fn hang_up(&self, foreground: Option<&dyn ProcessGroup>);
    /// No member has a controlling terminal any more.
    fn forget_tty(&self);
}

/// The task that opens or controls a terminal.
pub trait JobCaller: Sync {
    /// Its process group. Errors: `ESRCH` if it is ending.
    fn pgrp(&self) -> Result<Arc<dyn ProcessGroup>, Errno>;
    /// Its session. Errors: `ESRCH` if it is ending.
    fn session(&self) -> Result<Arc<dyn Session>, Errno>;
    /// Whether it leads its session.
    fn is_session_leader(&self) -> bool;
    /// Its controlling terminal.
    fn controlling_tty(&self) -> Option<ControllingTty>;
    /// Gives its process a controlling terminal or takes it away.
    fn set_controlling_tty(&self, tty: Option<ControllingTty>);
    /// The process group that it calls `n`. Errors: `ESRCH` if there is none, `EPERM` if it is of another session.
    fn own_pgrp(&self, n: Pid) -> Result<Arc<dyn ProcessGroup>, Errno>;
    /// The number that it knows `pgrp` by; `Pid(0)` if it cannot see it.
    fn pgrp_number(&self, pgrp: &dyn ProcessGroup) -> Pid;
    /// The number that it knows `session` by; `Pid(0)` if it cannot see it.
    fn session_number(&self, session: &dyn Session) -> Pid;
}
