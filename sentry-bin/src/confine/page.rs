//! `sentry-bin host-calls`: which host calls each process of a sandbox may make.

use std::collections::BTreeMap;

use abi::nr::x86_64 as nr;
use platform::host::confine::{Condition, HostCalls, RUNTIME};
use platform::ptrace::STUB_CALLS;
use platform::systrap::{GUEST_CALLS, MAPPER_CALLS};

use super::{calls, guardian};
use crate::cli::PlatformName;
use crate::host;

/// The calls of one process, with a reason each.
struct Part {
    who: &'static str,
    calls: BTreeMap<String, String>,
}

fn name(number: i64) -> String {
    let known = u32::try_from(number).ok().and_then(nr::name);
    known.map_or_else(|| number.to_string(), str::to_owned)
}

fn condition(c: Option<(u8, Condition)>) -> String {
    match c {
        None => String::new(),
        Some((argument, Condition::Without(bits))) => {
            format!(" (argument {} without {bits:#x})", argument + 1)
        }
        Some((argument, Condition::Is(value))) => format!(" (argument {} is {value:#x})", argument + 1),
    }
}

fn part(who: &'static str, lists: &[HostCalls]) -> Part {
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for list in lists {
        for call in list.list {
            let reason = format!("{}: {}{}", list.of, call.reason, condition(call.only));
            calls.entry(name(call.number)).or_default().push(reason);
        }
    }
    Part { who, calls: calls.into_iter().map(|(name, reasons)| (name, reasons.join("; "))).collect() }
}

fn stub(who: &'static str, list: &[(i64, &str)]) -> Part {
    Part { who, calls: list.iter().map(|(n, reason)| (name(*n), (*reason).to_owned())).collect() }
}

fn parts() -> Vec<Part> {
    vec![
        part("The sentry", &calls::sentry(PlatformName::Systrap, false)),
        part("The sentry, in addition, where host files can be changed", &[host::WRITE_CALLS]),
        part("The sentry, in addition, with `--platform ptrace`", &[platform::ptrace::CALLS]),
        part("The guardian", &[RUNTIME, guardian::CALLS]),
        stub("A stub's mapper, and the seed", MAPPER_CALLS),
        stub("A stub's task that runs guest code, from the stub's own code only", GUEST_CALLS),
        stub("A stub of `--platform ptrace`, by one instruction, on behalf of the sentry", STUB_CALLS),
    ]
}

/// Prints the lists, as the part of `docs/security.md` that is made by this.
pub(crate) fn print(as_markdown: bool) {
    for part in parts() {
        if as_markdown {
            println!("### {}: {}\n\n| call | why |\n| --- | --- |", part.who, part.calls.len());
            part.calls.iter().for_each(|(name, why)| println!("| `{name}` | {why} |"));
            println!();
        } else {
            println!("{}: {}", part.who.replace('`', ""), part.calls.len());
            part.calls.iter().for_each(|(name, why)| println!("  {name:18}  {why}"));
        }
    }
}
