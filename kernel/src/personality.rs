//! What `personality(2)` changes.

use abi::task::personality::{
    ADDR_NO_RANDOMIZE, PER_CLEAR_ON_SETID, PER_LINUX32, PER_MASK, READ_IMPLIES_EXEC, STICKY_TIMEOUTS, UNAME26,
};
use alloc::format;
use alloc::string::String;
use mm::Prot;
use task::Task;

fn of(task: &Task) -> u32 {
    task.with_fields(|f| f.personality)
}

/// Whether a program that the task executes gets random addresses; `secure` says that it has other privileges than the task.
pub(crate) fn randomizes(task: &Task, secure: bool) -> bool {
    secure || of(task) & ADDR_NO_RANDOMIZE == 0
}

/// What the personality becomes with a new program. A 64-bit program says itself what is executable.
pub(crate) fn after_exec(task: &Task, secure: bool) {
    let cleared = READ_IMPLIES_EXEC | if secure { PER_CLEAR_ON_SETID } else { 0 };
    task.with_fields(|f| f.personality &= !cleared);
}

/// What of `possible` a mapping with `prot` gets beside that.
pub(crate) fn implied(task: &Task, prot: Prot, possible: Prot) -> Prot {
    if prot.contains(Prot::READ) && of(task) & READ_IMPLIES_EXEC != 0 {
        possible & Prot::EXEC
    } else {
        Prot::NONE
    }
}

/// Whether `select(2)` and `ppoll(2)` leave the time as it is that they are given.
pub(crate) fn keeps_timeouts(task: &Task) -> bool {
    of(task) & STICKY_TIMEOUTS != 0
}

/// The machine's name.
pub(crate) fn machine<'a>(task: &Task, machine: &'a str) -> &'a str {
    if of(task) & PER_MASK == PER_LINUX32 && machine == "x86_64" { "i686" } else { machine }
}

/// The release's name. As a 2.6 one, 6.12 is 2.6.72.
pub(crate) fn release(task: &Task, release: &str) -> String {
    if of(task) & UNAME26 == 0 {
        return release.into();
    }
    let minor = release.split('.').nth(1).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    let rest = release.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    format!("2.6.{}{rest}", minor.saturating_add(60))
}
