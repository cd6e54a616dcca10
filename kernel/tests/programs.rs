//! Whole static programs on the ptrace platform.

mod common;

use common::{compile, run, same_as_here};
use kernel::ExitStatus;
use task::signal::Signal;

const SEGV: ExitStatus = ExitStatus::Signaled { signal: Signal::SEGV, core: false };

#[test]
fn hello() {
    let outcome = run(&compile("hello", &["-static"]), &["one", "two words"]);
    assert_eq!(
        outcome.output, "hello from program with 2 arguments\n1: one\n2: two words\n",
        "{}",
        outcome.trace
    );
    assert_eq!(outcome.status, ExitStatus::Exited(43));
    assert!(outcome.trace.contains("write(1, \"hello"), "{}", outcome.trace);
}

#[test]
fn position_independent_hello() {
    let outcome = run(&compile("hello", &["-static-pie"]), &[]);
    assert_eq!(outcome.output, "hello from program with 0 arguments\n", "{}", outcome.trace);
    assert_eq!(outcome.status, ExitStatus::Exited(41));
}

#[test]
fn files_and_memory() {
    let outcome = run(&compile("files", &["-static"]), &[]);
    assert_eq!(outcome.output, "all is well\n", "{}", outcome.trace);
    assert_eq!(outcome.status, ExitStatus::Exited(0));
}

#[test]
fn a_bad_access_ends_the_program() {
    let program = compile("crash", &["-static"]);
    assert_eq!(run(&program, &[]).status, SEGV);
    assert_eq!(run(&program, &["write", "to", "code"]).status, SEGV);
}

#[test]
fn usage_clocks_and_names() {
    let outcome = run(&compile("usage", &["-static", "-pthread"]), &["rename"]);
    assert_eq!(outcome.output, "all is well\n", "{}", outcome.trace);
    assert_eq!(outcome.status, ExitStatus::Exited(0));
}

#[test]
fn processes_signals_and_threads() {
    let outcome = run(&compile("processes", &["-static", "-pthread"]), &[]);
    assert_eq!(outcome.output, "executed with an argument\nall is well\n", "{}", outcome.trace);
    assert_eq!(outcome.status, ExitStatus::Exited(0));
}

#[test]
fn futexes() {
    same_as_here(&compile("futexes", &["-static", "-pthread"]), &[]);
}

#[test]
fn mappings() {
    same_as_here(&compile("mappings", &["-static", "-w"]), &[]);
}

#[test]
fn watches() {
    same_as_here(&compile("watches", &["-static", "-w"]), &[]);
}

#[test]
fn symbolic_links() {
    same_as_here(&compile("links", &["-static", "-w"]), &[]);
}

#[test]
fn directory_notification() {
    same_as_here(&compile("directories", &["-static", "-w"]), &[]);
}

#[test]
fn timers() {
    same_as_here(&compile("timers", &["-static", "-pthread", "-w"]), &[]);
}

#[test]
fn system_v_ipc() {
    same_as_here(&compile("sysvipc", &["-static", "-w"]), &[]);
}

#[test]
fn message_queues() {
    same_as_here(&compile("mqueues", &["-static", "-w"]), &[]);
}

#[test]
fn namespaces() {
    same_as_here(&compile("namespaces", &["-static", "-w"]), &[]);
}

#[test]
fn owners_and_leases() {
    same_as_here(&compile("owners", &["-static", "-w"]), &[]);
}

/// The first two numbers of the host's release.
fn host_release() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = text.split('.').map(|n| n.trim().parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[test]
fn queries() {
    // PIDFD_GET_INFO and the calls on attributes by directory came with Linux 6.13.
    if host_release() < (6, 13) {
        println!("the host is too old to compare with");
        return;
    }
    same_as_here(&compile("queries", &["-static", "-w"]), &[]);
}

#[test]
fn signals() {
    same_as_here(&compile("signals", &["-static", "-w"]), &[]);
}

#[test]
fn filters_of_system_calls() {
    same_as_here(&compile("filters", &["-static", "-pthread", "-w"]), &[]);
}

#[test]
fn tracing() {
    same_as_here(&compile("tracing", &["-static", "-w"]), &[]);
}

#[test]
fn sockets() {
    same_as_here(&compile("sockets", &["-static"]), &[]);
}

#[test]
fn splices() {
    same_as_here(&compile("splices", &["-static", "-w"]), &[]);
}

#[test]
fn extended_attributes() {
    same_as_here(&compile("attributes", &["-static"]), &[]);
}

#[test]
fn stops() {
    same_as_here(&compile("stops", &["-static"]), &[]);
}

#[test]
fn personality() {
    same_as_here(&compile("personality", &["-static-pie", "-w"]), &[]);
}

#[test]
fn unix_sockets_in_proc() {
    same_as_here(&compile("net_unix", &["-static", "-w"]), &[]);
}

#[test]
fn clocks() {
    same_as_here(&compile("clocks", &["-static", "-pthread", "-w"]), &[]);
}
