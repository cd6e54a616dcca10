//! The host calls that this process may make: declared beside the code that makes them, compiled to one filter.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// None of these bits is set.
    Without(u64),
    /// The lower half is this number.
    Is(u64),
}

/// One host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostCall {
    /// Its number.
    pub number: i64,
    /// What it is for.
    pub reason: &'static str,
    /// What must hold of one argument, which is given by its place.
    pub only: Option<(u8, Condition)>,
}

/// The host calls of one piece of code.
#[derive(Clone, Copy, Debug)]
pub struct HostCalls {
    /// Which piece.
    pub of: &'static str,
    /// Its calls.
    pub list: &'static [HostCall],
}

impl HostCall {
    /// A call with any arguments.
    pub const fn new(number: i64, reason: &'static str) -> HostCall {
        HostCall { number, reason, only: None }
    }
    /// The same, if the argument is so.
    #[must_use]
    pub const fn only(self, argument: u8, condition: Condition) -> HostCall {
        HostCall { only: Some((argument, condition)), ..self }
    }
    fn rule(&self) -> Result<Option<SeccompRule>, seccompiler::BackendError> {
        let Some((argument, condition)) = self.only else { return Ok(None) };
        let condition = match condition {
            Condition::Without(bits) => {
                SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(bits), 0)
            }
            Condition::Is(value) => {
                SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
            }
        };
        SeccompRule::new(vec![condition?]).map(Some)
    }
}

const NOT_EXECUTABLE: Condition = Condition::Without(libc::PROT_EXEC as u64);

/// What the allocator, the threads and the locks of any Rust program need.
pub const RUNTIME: HostCalls = HostCalls {
    of: "the language's runtime",
    list: &[
        HostCall::new(libc::SYS_mmap, "memory of the allocator, never executable").only(2, NOT_EXECUTABLE),
        HostCall::new(libc::SYS_mprotect, "the same").only(2, NOT_EXECUTABLE),
        HostCall::new(libc::SYS_munmap, "memory given back"),
        HostCall::new(libc::SYS_mremap, "an allocation that grows"),
        HostCall::new(libc::SYS_brk, "memory of the allocator"),
        HostCall::new(libc::SYS_madvise, "memory and stacks given back"),
        HostCall::new(libc::SYS_futex, "locks, and sleeping"),
        HostCall::new(libc::SYS_sched_yield, "locks that spin"),
        HostCall::new(libc::SYS_rt_sigprocmask, "a thread's end"),
        HostCall::new(libc::SYS_sigaltstack, "a thread's end"),
        HostCall::new(libc::SYS_rt_sigreturn, "the end of a signal's handler"),
        HostCall::new(libc::SYS_restart_syscall, "a sleep that a stop has interrupted"),
        HostCall::new(libc::SYS_write, "messages, and what the guest writes to streams and files"),
        HostCall::new(libc::SYS_close, "files that are not used any more"),
        HostCall::new(libc::SYS_exit, "a thread's end"),
        HostCall::new(libc::SYS_exit_group, "the end"),
    ],
};

/// What builds with debug assertions check in addition.
const DEBUG: HostCalls = HostCalls {
    of: "the language's runtime",
    list: &[HostCall::new(libc::SYS_fcntl, "whether a descriptor that is closed was open")
        .only(1, Condition::Is(libc::F_GETFD as u64))],
};

/// Ends the process when any of its threads, now or later, makes a host call that none of the lists has.
///
/// Errors: the host's, as on hosts without seccomp; `EINVAL` for lists that make no filter.
pub fn allow_only(lists: &[HostCalls]) -> io::Result<()> {
    let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
    let program = compile(lists).map_err(invalid)?;
    seccompiler::apply_filter_all_threads(&program).map_err(|e| match e {
        seccompiler::Error::Prctl(e) | seccompiler::Error::Seccomp(e) => e,
        _ => io::Error::from_raw_os_error(libc::EINVAL),
    })
}

fn compile(lists: &[HostCalls]) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let debug = cfg!(debug_assertions).then_some(DEBUG);
    let all = || lists.iter().chain(&debug).flat_map(|l| l.list);
    for call in all() {
        // A call that one piece may make with any arguments needs no conditions of others: an empty list means that.
        let free = all().any(|c| c.number == call.number && c.only.is_none());
        let rule = if free { None } else { call.rule()? };
        rules.entry(call.number).or_default().extend(rule);
    }
    let filter =
        SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, TargetArch::x86_64)?;
    filter.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the test of that name of this program again, in a process of its own, and returns how that ended.
    fn in_child(name: &str) -> std::process::ExitStatus {
        let me = std::env::current_exe().unwrap();
        let args = ["--exact", name, "--test-threads=1", "--ignored", "--nocapture"];
        std::process::Command::new(me).args(args).status().unwrap()
    }

    const ASK: HostCalls = HostCalls {
        of: "a test",
        list: &[
            HostCall::new(libc::SYS_dup, "one descriptor only").only(0, Condition::Is(1)),
            HostCall::new(libc::SYS_umask, "no group's bits").only(0, Condition::Without(0o70)),
        ],
    };

    #[test]
    #[ignore = "started by another test"]
    fn child_of_calls() {
        let call = |n, a: usize| {
            // SAFETY: the calls take no pointers.
            unsafe { libc::syscall(n, a) }
        };
        let argument: usize = std::env::var("PICKET_TEST_CALL").unwrap().parse().unwrap();
        // A thread that is there before has the filter, too.
        let (go, went) = std::sync::mpsc::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            ready.send(()).unwrap();
            went.recv().unwrap();
            match argument {
                1 => call(libc::SYS_dup, 2),
                2 => call(libc::SYS_umask, 0o20),
                3 => call(libc::SYS_getppid, 0),
                _ => call(libc::SYS_dup, 1).min(call(libc::SYS_umask, 0o2)),
            }
        });
        // Its start needs calls that it may not make later.
        is_ready.recv().unwrap();
        allow_only(&[RUNTIME, ASK]).unwrap();
        go.send(()).unwrap();
        let failed = thread.join().is_err();
        // SAFETY: ends the process without its handlers, which are not what is tested.
        unsafe { libc::syscall(libc::SYS_exit_group, i32::from(failed)) };
    }

    #[test]
    fn other_calls_kill() {
        use std::os::unix::process::ExitStatusExt;
        for n in 0..4 {
            // SAFETY: no other test of this program reads or writes this variable.
            unsafe { std::env::set_var("PICKET_TEST_CALL", n.to_string()) };
            let status = in_child("host::confine::calls::tests::child_of_calls");
            let signal = if n == 0 { None } else { Some(libc::SIGSYS) };
            assert_eq!(status.signal(), signal, "{n}: {status:?}");
        }
    }
}
