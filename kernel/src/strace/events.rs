//! Signals that arrive, and ends.

use alloc::format;
use alloc::string::String;

use abi::signal::code::*;
use task::ExitStatus;
use task::signal::{SigFields, SigInfo, Signal};

use super::show::{push, signal};
use super::values::Values;
use crate::current::CurrentTask;

/// The name of `si_code`, which depends on the signal.
fn code_name(n: i32, code: i32) -> Option<&'static str> {
    let names = match Signal::new(n)? {
        _ if code <= 0 || code == SI_KERNEL => SI_CODES,
        Signal::CHLD => CLD_CODES,
        Signal::SEGV => SEGV_CODES,
        Signal::BUS => BUS_CODES,
        Signal::ILL => ILL_CODES,
        Signal::FPE => FPE_CODES,
        Signal::TRAP => TRAP_CODES,
        Signal::SYS => SYS_CODES,
        _ => SI_CODES,
    };
    names.name(i64::from(code).cast_unsigned())
}

fn head(n: i32, code: i32, out: &mut String) {
    out.push_str("{si_signo=");
    signal(n, out);
    match code_name(n, code) {
        Some(name) => push(out, format_args!(", si_code={name}")),
        None => push(out, format_args!(", si_code={code:#x}")),
    }
}

fn child(pid: i32, uid: u32, status: i32, code: i32, out: &mut String) {
    push(out, format_args!(", si_pid={pid}, si_uid={uid}, si_status="));
    if code == CLD_EXITED { push(out, status) } else { signal(status & 0x7f, out) }
}

fn shown(info: &SigInfo) -> String {
    let mut out = String::new();
    head(info.signal.number(), info.code, &mut out);
    match info.fields {
        SigFields::Kill { pid, uid } => push(&mut out, format_args!(", si_pid={pid}, si_uid={uid}")),
        SigFields::Rt { pid, uid, value } => {
            push(&mut out, format_args!(", si_pid={pid}, si_uid={uid}, si_value={value:#x}"));
        }
        SigFields::Timer { id, overrun, value } => {
            push(&mut out, format_args!(", si_timerid={id}, si_overrun={overrun}, si_value={value:#x}"));
        }
        SigFields::Child { pid, uid, status, .. } => child(pid.0, uid.0, status, info.code, &mut out),
        SigFields::Fault { addr } => push(&mut out, format_args!(", si_addr={addr:#x}")),
        SigFields::Poll { band, fd } => push(&mut out, format_args!(", si_band={band}, si_fd={fd}")),
        SigFields::Sys { addr, nr, .. } => {
            push(&mut out, format_args!(", si_call_addr={addr:#x}, si_syscall={nr}"));
        }
        SigFields::None | SigFields::Raw(_) => {}
    }
    out.push('}');
    out
}

/// The `siginfo_t` that `waitid(2)` stores.
pub(super) fn siginfo(v: &Values<'_>, at: u64, out: &mut String) {
    v.structure(at, out, |words: &[i32; 7], out| {
        let [signo, _, code, _, pid, uid, status] = *words;
        if signo == 0 {
            return out.push_str("{}");
        }
        head(signo, code, out);
        child(pid, uid.cast_unsigned(), status, code, out);
        out.push('}');
    });
}

impl CurrentTask {
    /// A signal that the task takes.
    pub(crate) fn trace_signal(&self, info: &SigInfo) {
        if let Some(strace) = self.kernel.strace() {
            let mut name = String::new();
            signal(info.signal.number(), &mut name);
            strace.line(self.task.tid(), &format!("--- {name} {} ---", shown(info)));
        }
    }
    /// The end of the task.
    pub(crate) fn trace_end(&self, status: ExitStatus) {
        let Some(strace) = self.kernel.strace() else { return };
        let text = match status {
            ExitStatus::Exited(code) => format!("+++ exited with {code} +++"),
            ExitStatus::Signaled { signal: s, core } => {
                let mut name = String::new();
                signal(s.number(), &mut name);
                format!("+++ killed by {name}{} +++", if core { " (core dumped)" } else { "" })
            }
        };
        strace.line(self.task.tid(), &text);
    }
}
