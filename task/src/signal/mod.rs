//! Signals, `signal(7)`: numbers, sets, and what a signal carries.

mod action;
mod deliver;
pub mod frame_x86_64;
mod info;
mod many;
mod queue;
mod send;
mod state;

pub use action::{SaFlags, SigAction, SigHandlers};
pub use deliver::{Action, Delivery};
pub use info::{SigFields, SigInfo, code};
pub use queue::{Pending, QueueSlot};
pub use send::may_signal;
pub(crate) use send::send_kernel;
pub use state::{AltStack, SigmaskHow};
pub(crate) use state::{GroupSignals, Notice, Stop, ThreadSignals};

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident = $n:literal),* $(,)?) => { impl Signal {
        $(#[doc = concat!("`SIG", stringify!($name), "`.")] pub const $name: Signal = Signal($n);)*
    } };
}
signals! { HUP = 1, INT = 2, QUIT = 3, ILL = 4, TRAP = 5, ABRT = 6, BUS = 7, FPE = 8, KILL = 9, USR1 = 10, SEGV = 11, USR2 = 12,
PIPE = 13, ALRM = 14, TERM = 15, STKFLT = 16, CHLD = 17, CONT = 18, STOP = 19, TSTP = 20, TTIN = 21, TTOU = 22, URG = 23,
XCPU = 24, XFSZ = 25, VTALRM = 26, PROF = 27, WINCH = 28, IO = 29, PWR = 30, SYS = 31, RTMIN = 32 }

/// What a signal does by default, `signal(7)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Default {
    /// Ends the process.
    Term,
    /// Ends it with a core dump.
    Core,
    /// Stops it.
    Stop,
    /// Continues it if stopped.
    Cont,
    /// Nothing.
    Ignore,
}

impl Signal {
    /// The signal of this number; `None` outside 1 to 64.
    pub const fn new(n: i32) -> Option<Signal> {
        if n >= 1 && n <= 64 { Some(Signal(n as u8)) } else { None }
    }
    /// Its number.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }
    /// Whether it queues: `SIGRTMIN` (32) and up.
    pub const fn is_realtime(self) -> bool {
        self.0 >= 32
    }
    /// What it does when no handler is set.
    pub const fn default_action(self) -> Default {
        match self {
            Signal::CHLD | Signal::URG | Signal::WINCH => Default::Ignore,
            Signal::CONT => Default::Cont,
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => Default::Stop,
            Signal::QUIT
            | Signal::ILL
            | Signal::TRAP
            | Signal::ABRT
            | Signal::BUS
            | Signal::FPE
            | Signal::SEGV
            | Signal::XCPU
            | Signal::XFSZ
            | Signal::SYS => Default::Core,
            _ => Default::Term,
        }
    }
    /// Whether it cannot be caught, blocked or ignored.
    pub const fn is_uncatchable(self) -> bool {
        matches!(self, Signal::KILL | Signal::STOP)
    }
}

/// A set of signals, bit `n - 1` for signal `n`, as `sigset_t`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: SigSet = SigSet(0);
    /// Every signal.
    pub const ALL: SigSet = SigSet(!0);
    /// What cannot be blocked.
    pub const UNBLOCKABLE: SigSet = SigSet::of(&[Signal::KILL, Signal::STOP]);
    /// What stops a group.
    pub const STOPS: SigSet = SigSet::of(&[Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU]);
    /// What the processor raises; delivered before others.
    pub const SYNCHRONOUS: SigSet =
        SigSet::of(&[Signal::SEGV, Signal::BUS, Signal::ILL, Signal::TRAP, Signal::FPE, Signal::SYS]);

    /// The set of `list`.
    pub const fn of(list: &[Signal]) -> SigSet {
        let (mut bits, mut i) = (0, 0);
        while i < list.len() {
            bits |= 1u64 << (list[i].0 - 1);
            i += 1;
        }
        SigSet(bits)
    }
    /// Whether `s` is a member.
    pub const fn has(self, s: Signal) -> bool {
        self.0 & (1 << (s.0 - 1)) != 0
    }
    /// Adds `s`.
    pub const fn add(&mut self, s: Signal) {
        self.0 |= 1 << (s.0 - 1);
    }
    /// Removes `s`.
    pub const fn remove(&mut self, s: Signal) {
        self.0 &= !(1 << (s.0 - 1));
    }
    /// What is in either.
    pub const fn or(self, o: SigSet) -> SigSet {
        SigSet(self.0 | o.0)
    }
    /// What is in both.
    pub const fn and(self, o: SigSet) -> SigSet {
        SigSet(self.0 & o.0)
    }
    /// What is here and not in `o`.
    pub const fn minus(self, o: SigSet) -> SigSet {
        SigSet(self.0 & !o.0)
    }
    /// Whether it has no members.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// The member that is delivered first: a synchronous one, else the lowest.
    pub const fn first(self) -> Option<Signal> {
        let sync = self.0 & SigSet::SYNCHRONOUS.0;
        let from = if sync != 0 { sync } else { self.0 };
        if from == 0 { None } else { Some(Signal(from.trailing_zeros() as u8 + 1)) }
    }
}
