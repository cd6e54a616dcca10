//! Dispositions, `sigaction(2)`.

use alloc::sync::Arc;

use kcore::sync::{LockClass, Mutex};

use super::{Default as Dfl, SigSet, Signal};

static ACTIONS: LockClass = LockClass::new("signal actions", 255);

bitflags::bitflags! {
    /// `sa_flags`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct SaFlags: u64 {
        /// No `SIGCHLD` when children stop or continue.
        const NOCLDSTOP = 1;
        /// Children do not become zombies.
        const NOCLDWAIT = 2;
        /// The handler takes three arguments.
        const SIGINFO = 4;
        /// Says which flags the kernel knows.
        const UNSUPPORTED = 0x400;
        /// Do not strip the tag bits of a fault's address.
        const EXPOSE_TAGBITS = 0x800;
        /// `sa_restorer` is set.
        const RESTORER = 0x0400_0000;
        /// Run on the alternate stack.
        const ONSTACK = 0x0800_0000;
        /// Restart interrupted calls.
        const RESTART = 0x1000_0000;
        /// Do not block the signal in its handler.
        const NODEFER = 0x4000_0000;
        /// Back to the default when the handler is entered.
        const RESETHAND = 0x8000_0000;
    }
}

/// `SIG_DFL`.
const SIG_DFL: u64 = 0;
/// `SIG_IGN`.
const SIG_IGN: u64 = 1;

/// The disposition of one signal: the kernel's `struct sigaction`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SigAction {
    /// Address of the handler, or 0 (`SIG_DFL`), or 1 (`SIG_IGN`).
    pub handler: u64,
    /// Flags.
    pub flags: SaFlags,
    /// Address of the code that returns from the handler.
    pub restorer: u64,
    /// What the handler blocks.
    pub mask: SigSet,
}

impl SigAction {
    /// Ignore the signal.
    pub const IGNORE: SigAction =
        SigAction { handler: SIG_IGN, flags: SaFlags::empty(), restorer: 0, mask: SigSet::EMPTY };
    /// Whether this is `SIG_DFL`.
    pub const fn is_default(&self) -> bool {
        self.handler == SIG_DFL
    }
    /// Whether this is `SIG_IGN`.
    pub const fn is_ignore(&self) -> bool {
        self.handler == SIG_IGN
    }
    /// Whether `signal` does nothing under this disposition.
    pub fn ignores(&self, signal: Signal) -> bool {
        self.is_ignore() || self.is_default() && matches!(signal.default_action(), Dfl::Ignore | Dfl::Cont)
    }
}

/// The table of dispositions; shared by tasks that were cloned with `CLONE_SIGHAND`.
#[derive(Debug)]
pub struct SigHandlers(Mutex<[SigAction; 64]>);

impl Default for SigHandlers {
    fn default() -> Self {
        SigHandlers(Mutex::new(&ACTIONS, [SigAction::default(); 64]))
    }
}

impl SigHandlers {
    /// The disposition of `s`.
    pub fn get(&self, s: Signal) -> SigAction {
        self.0.lock()[s.number() as usize - 1]
    }
    pub(crate) fn set(&self, s: Signal, a: SigAction) -> SigAction {
        core::mem::replace(&mut self.0.lock()[s.number() as usize - 1], a)
    }
    /// A copy of its own.
    pub fn copy(&self) -> Arc<SigHandlers> {
        Arc::new(SigHandlers(Mutex::new(&ACTIONS, *self.0.lock())))
    }
    /// A copy in which handlers are reset and ignored signals stay ignored, as `execve(2)` does; with `all`, those too
    /// (`CLONE_CLEAR_SIGHAND` keeps `SIG_IGN`, so pass `false` there as well).
    pub fn copy_reset(&self, all: bool) -> Arc<SigHandlers> {
        let mut table = *self.0.lock();
        for a in &mut table {
            *a = if a.is_ignore() && !all { SigAction::IGNORE } else { SigAction::default() };
        }
        Arc::new(SigHandlers(Mutex::new(&ACTIONS, table)))
    }
    /// The sets of signals that are ignored and caught, as `/proc/pid/status` shows them.
    pub fn sets(&self) -> (SigSet, SigSet) {
        let table = self.0.lock();
        let (mut ignored, mut caught) = (SigSet::EMPTY, SigSet::EMPTY);
        for (n, a) in (1..).zip(table.iter()) {
            let Some(s) = Signal::new(n) else { continue };
            if a.is_ignore() {
                ignored.add(s);
            } else if !a.is_default() {
                caught.add(s);
            }
        }
        (ignored, caught)
    }
}
