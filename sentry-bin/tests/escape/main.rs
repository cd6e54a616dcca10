//! Guests that attack, on the platform that shares memory with them. Afterwards the sandbox goes on, or has ended that guest.

mod host;
mod paths;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(120);

fn sentry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sentry-bin"));
    command.args(["do", "--platform", "systrap"]);
    command
}

/// Compiles `tests/escape/guests/NAME.c` to a file of the caller's own.
fn guest(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/escape/guests/{name}.c"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "escape-{name}-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    let status =
        Command::new("gcc").args(["-O1", "-w", "-pthread", "-o"]).args([&program, &source]).status().unwrap();
    assert!(status.success(), "{name}");
    program
}

/// Runs a command to its end, which has to come in time.
fn finish(mut command: Command) -> Output {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("no end in {DEADLINE:?}: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// Runs an attack, and then a program that must find the sandbox well. The attack's output is `expected`.
fn attack(name: &str, argument: &str, expected: &str) {
    let program = guest(name);
    let mut command = sentry();
    command
        .args(["--", "sh", "-c", "\"$0\" $1; echo \"status $?\"; seq 1000 | tail -n 1"])
        .arg(&program)
        .arg(argument);
    let output = finish(command);
    fs::remove_file(program).unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && !err.contains("sentry-bin:"),
        "{name}: {:?}\n{out}\n{err}",
        output.status
    );
    assert_eq!(out, format!("{expected}\nstatus 0\n1000\n"), "{name}: {err}");
}

#[test]
fn jumps_into_the_stubs_code() {
    attack("jump", "29", "survived all");
}

#[test]
fn writes_to_all_that_is_shared() {
    attack("scribble", "0.5", "survived all");
}

#[test]
fn changes_of_the_stubs_part() {
    attack("unmap", "", "all refused");
}

#[test]
fn every_system_call_by_its_number() {
    attack("numbers", "480", "survived all");
}

#[test]
fn a_thread_deaf_to_signals() {
    attack("deaf", "", "deaf\nended by 9");
}

#[test]
fn as_much_as_there_is_of_each_thing() {
    attack("exhaust", "", "survived all");
}

#[test]
fn events_of_another_thread() {
    attack("events", "", "survived all");
}

#[test]
fn signals_to_whoever_can_be_named() {
    attack("signals", "", "reached nobody");
}
