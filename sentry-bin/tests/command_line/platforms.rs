//! Which platform runs the command, on hosts that lack something.

use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use crate::sandbox::{Outcome, Running, sentry, until};

/// Refusals of hosts that do not permit a call, or do not know it.
const REFUSALS: [Errno; 2] = [Errno::PERM, Errno::NOSYS];

/// Starts `sentry-bin` on a host that answers these system calls with `error`: filters are inherited from the thread that starts a process.
fn start_without(calls: &'static [i64], error: Errno, args: &'static [&'static str]) -> Running {
    let here = move || {
        let filter = SeccompFilter::new(
            calls.iter().map(|call| (*call, Vec::new())).collect(),
            SeccompAction::Allow,
            SeccompAction::Errno(error.raw_os_error().unsigned_abs()),
            TargetArch::x86_64,
        );
        let program: BpfProgram = filter.unwrap().try_into().unwrap();
        seccompiler::apply_filter(&program).unwrap();
        Running::start(sentry(args))
    };
    std::thread::spawn(here).join().unwrap()
}

/// Runs `sentry-bin` there to its end.
fn without(calls: &'static [i64], error: Errno, args: &'static [&'static str]) -> Outcome {
    start_without(calls, error, args).wait()
}

/// Asserts that a command has run, and returns the lines that say on what platform.
fn choices(outcome: &Outcome) -> Vec<&str> {
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (0, "ran\n"), "{outcome:?}");
    outcome.stderr.lines().filter(|l| l.contains("platform")).collect()
}

const ANY: &[&str] = &["do", "--", "echo", "ran"];
const PTRACE: &[&str] = &["do", "--platform", "ptrace", "--", "echo", "ran"];
const SYSTRAP: &[&str] = &["do", "--platform", "systrap", "--", "echo", "ran"];

#[test]
fn systrap_needs_no_ptrace_and_says_nothing() {
    for error in REFUSALS {
        for args in [ANY, SYSTRAP] {
            let outcome = without(&[libc::SYS_ptrace], error, args);
            assert_eq!(choices(&outcome), [""; 0], "{outcome:?}");
        }
    }
}

#[test]
fn without_what_systrap_needs_ptrace_runs_the_command_and_a_line_says_why() {
    // What is asked for, and what shows when a first stub is made only.
    let lacking: [(i64, &str); 3] = [
        (libc::SYS_seccomp, "seccomp(2)"),
        (libc::SYS_close_range, "close_range(2)"),
        (libc::SYS_sigaltstack, "first stub"),
    ];
    for (call, reason) in lacking {
        for error in REFUSALS {
            let calls: &[i64] = Box::leak(Box::new([call]));
            let outcome = without(calls, error, ANY);
            let [line] = choices(&outcome)[..] else { panic!("one line: {outcome:?}") };
            assert!(line.starts_with("sentry-bin: warning: the slower ptrace platform"), "{line}");
            assert!(line.contains(reason), "{line}");
            // Who wants one gets that one.
            assert_eq!(choices(&without(calls, error, PTRACE)), [""; 0]);
            without(calls, error, SYSTRAP).assert_refused(125, reason);
        }
    }
}

#[test]
fn what_a_failed_platform_has_made_is_gone() {
    const ARGS: &[&str] = &["do", "--", "sh", "-c", "echo ready; sleep 1000"];
    let mut running = start_without(&[libc::SYS_sigaltstack], Errno::PERM, ARGS);
    running.wait_ready();
    // The sentry, the seed, and a stub each for the shell and for what it runs.
    until("four processes besides the guardian", || running.others().len() == 4);
}

#[test]
fn without_a_platform_one_line_says_what_each_lacks() {
    for error in REFUSALS {
        let outcome = without(&[libc::SYS_seccomp, libc::SYS_ptrace], error, ANY);
        outcome.assert_refused(125, "no platform");
        outcome.assert_refused(125, "seccomp(2)");
        outcome.assert_refused(125, "ptrace(2)");
        let late = without(&[libc::SYS_sigaltstack, libc::SYS_ptrace], error, ANY);
        late.assert_refused(125, "no platform");
        // What is missing, and what can be done.
        let outcome = without(&[libc::SYS_ptrace], error, PTRACE);
        outcome.assert_refused(125, "does not permit ptrace(2)");
        outcome.assert_refused(125, "--platform");
        for args in [ANY, PTRACE, SYSTRAP] {
            without(&[libc::SYS_memfd_create], error, args).assert_refused(125, "refuses memory");
        }
    }
}

#[test]
fn a_refusal_leaves_nothing() {
    for calls in [&[libc::SYS_seccomp, libc::SYS_ptrace], &[libc::SYS_sigaltstack, libc::SYS_ptrace]] {
        let mut running = start_without(calls, Errno::PERM, ANY);
        assert_eq!(running.wait_status().code(), Some(125));
        until("the end of all processes", || running.others().is_empty());
    }
}
