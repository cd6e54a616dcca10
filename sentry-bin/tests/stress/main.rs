//! Threads and signals under stress, again and again: nothing may hang or get lost.
//!
//! `PICKET_STRESS` says how often; it is a few times otherwise.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(180);

fn times() -> usize {
    std::env::var("PICKET_STRESS").ok().map_or(4, |n| n.parse().expect("a number in PICKET_STRESS"))
}

fn build() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stress/stress.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stress-{}", std::process::id()));
    let status =
        Command::new("gcc").args(["-O1", "-pthread", "-o"]).args([&program, &source]).status().unwrap();
    assert!(status.success());
    program
}

/// What the command prints. Panics if it fails or does not end in time.
fn output(mut command: Command) -> String {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("no end in {DEADLINE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn threads_and_signals() {
    let program = build();
    let here = output(Command::new(&program));
    for platform in ["systrap", "ptrace"] {
        // The slower one is there to tell a bug of the kernel from one of a platform.
        for n in 0..if platform == "systrap" { times() } else { 1 } {
            let mut command = Command::new(env!("CARGO_BIN_EXE_sentry-bin"));
            command.args(["do", "--platform", platform, "--"]).arg(&program);
            assert_eq!(output(command), here, "{platform}, repetition {n}");
        }
    }
    std::fs::remove_file(program).unwrap();
}
