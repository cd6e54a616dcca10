//! What happened, as one number and, if wanted, as lines.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A trace of a simulation.
pub(super) struct Trace {
    fingerprint: u64,
    lines: Option<Vec<String>>,
}

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// A task got its turn.
    Turn { name: u64 },
    /// A guest thread made a system call.
    Syscall { thread: u64, nr: u64, args: [u64; 6] },
    /// A guest thread begins to run with these registers.
    Entry { thread: u64, rip: u64, rsp: u64, rax: u64 },
    /// The clock ran ahead.
    Clock { now: u64 },
    /// Somebody's remark.
    Note(&'a str),
}

impl Event<'_> {
    fn numbers(&self, mut f: impl FnMut(u64)) {
        match *self {
            Event::Turn { name } => [1, name].into_iter().for_each(f),
            Event::Syscall { thread, nr, args } => [2, thread, nr].into_iter().chain(args).for_each(f),
            Event::Entry { thread, rip, rsp, rax } => [3, thread, rip, rsp, rax].into_iter().for_each(f),
            Event::Clock { now } => [4, now].into_iter().for_each(f),
            Event::Note(text) => {
                f(5);
                text.bytes().for_each(|b| f(b.into()));
            }
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Turn { name } => write!(f, "turn of {name}"),
            Event::Syscall { thread, nr, args } => {
                match u32::try_from(*nr).ok().and_then(abi::nr::x86_64::name) {
                    Some(name) => write!(f, "thread {thread} calls {name}{args:x?}"),
                    None => write!(f, "thread {thread} calls {nr}{args:x?}"),
                }
            }
            Event::Entry { thread, rip, rsp, rax } => {
                write!(f, "thread {thread} runs at {rip:x}, stack {rsp:x}, result {rax:x}")
            }
            Event::Clock { now } => write!(f, "clock {now}"),
            Event::Note(text) => f.write_str(text),
        }
    }
}

impl Trace {
    pub(super) fn new() -> Trace {
        Trace { fingerprint: 0xcbf2_9ce4_8422_2325, lines: None }
    }
    pub(super) fn add(&mut self, event: &Event<'_>) {
        let h = &mut self.fingerprint;
        event.numbers(|n| *h = (*h ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
        if let Some(lines) = &mut self.lines {
            lines.push(alloc::format!("{event}"));
        }
    }
    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
    /// Keeps lines from now on.
    pub(super) fn record(&mut self) {
        self.lines.get_or_insert_default();
    }
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        self.lines.as_mut().map(core::mem::take).unwrap_or_default()
    }
}
