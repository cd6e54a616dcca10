//! What `--strace` prints.

use std::fs;
use std::process::Command;

use crate::sandbox::{directory, run};

/// The lines without the numbers of processes, and with single blanks.
fn lines(trace: &str) -> Vec<String> {
    let text = |line: &str| {
        let text = line.strip_prefix("[pid ").and_then(|l| l.split_once("] ")).map_or(line, |(_, text)| text);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    trace.lines().map(text).collect()
}

fn traced(command: &[&str]) -> Vec<String> {
    let mut args = vec!["do", "--strace", "--"];
    args.extend(command);
    lines(&run(&args).stderr)
}

#[track_caller]
fn assert_line(lines: &[String], line: &str) {
    assert!(lines.iter().any(|l| l == line), "no line {line:?} in\n{}", lines.join("\n"));
}

#[test]
fn arguments_and_results_mean_something() {
    let dir = directory("trace");
    fs::write(dir.join("file"), "some \"text\"\n").unwrap();
    let script = "cd \"$0\"; cat file missing; mkdir -m 750 new; kill -USR1 $$";
    let lines = traced(&["sh", "-c", script, dir.to_str().unwrap()]);
    for line in [
        r#"openat(AT_FDCWD, "file", O_RDONLY) = 3"#,
        r#"read(3, "some \"text\"\n", 131072) = 12"#,
        r#"write(1, "some \"text\"\n", 12) = 12"#,
        r#"openat(AT_FDCWD, "missing", O_RDONLY) = -1 ENOENT (No such file or directory)"#,
        r#"mkdir("new", 0750) = 0"#,
        "kill(1, SIGUSR1) = 0",
        "exit_group(1) = ?",
        "+++ exited with 1 +++",
        "+++ killed by SIGUSR1 +++",
    ] {
        assert_line(&lines, line);
    }
    assert!(
        lines.iter().any(|l| l.starts_with(r#"execve("#) && l.contains(r#"["cat", "file", "missing"], 0x"#))
    );
}

#[test]
fn calls_that_wait_are_cut_and_resumed() {
    let lines = traced(&["sh", "-c", "sleep 0.01; true"]);
    assert_line(&lines, "wait4(-1, <unfinished ...>");
    assert_line(&lines, "<... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 2");
    let sleep = "clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=0, tv_nsec=10000000}, 0x";
    assert!(lines.iter().any(|l| l.starts_with(sleep) && l.ends_with(") = 0")), "{}", lines.join("\n"));
    let chld = "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=2, si_uid=0, si_status=0} ---";
    assert_line(&lines, chld);
}

/// The calls that a program makes of its own, as strace shows them on the host, are shown alike here.
#[test]
fn lines_are_those_of_strace() {
    let dir = directory("trace-same");
    fs::write(dir.join("in"), "three\nshort\nlines\n").unwrap();
    let (input, output) = (dir.join("in"), dir.join("out"));
    let (from, to) = (format!("if={}", input.display()), format!("of={}", output.display()));
    let command = ["dd", &from, &to, "bs=8", "conv=fsync", "status=none"];
    let log = dir.join("log");
    let status = Command::new("strace").arg("-o").arg(&log).args(command).status().unwrap();
    assert!(status.success());
    let own = |all: Vec<String>| -> Vec<String> {
        let calls = ["openat(", "read(", "write(", "close(", "dup2(", "lseek(", "fsync(", "exit_group("];
        let from = all.iter().position(|l| l.contains("/in\"")).unwrap();
        all.into_iter().skip(from).filter(|l| calls.iter().any(|c| l.starts_with(c))).collect()
    };
    let host = own(lines(&fs::read_to_string(&log).unwrap()));
    fs::remove_file(&output).unwrap();
    assert_eq!(own(traced(&command)), host);
}
