//! What `--debug-log` writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{directory, run};

/// The lines of a log without their times.
fn lines(path: &std::path::Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let line = |l: &str| {
        let (time, rest) = l.split_once(' ').unwrap();
        assert!(time.len() == "2026-01-01T00:00:00.000000Z".len() && time.ends_with('Z'), "{l}");
        rest.trim_start().to_owned()
    };
    text.lines().map(line).collect()
}

#[test]
fn the_life_of_processes_is_logged() {
    let log = directory("log").join("log");
    let outcome = run(&["do", "--debug-log", log.to_str().unwrap(), "--", "sh", "-c", "/bin/true; exit 3"]);
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (3, ""));
    let lines = lines(&log);
    let first = lines.first().unwrap();
    assert!(first.starts_with("INFO sentry_bin::") && first.contains("a sandbox starts"), "{lines:?}");
    for end in [
        "a program is executed pid=2 path=\"/bin/true\"",
        "a process ended pid=2 status=Exited(0)",
        "a process ended pid=1 status=Exited(3)",
        "the sandbox ends status=Some(Exited(3))",
    ] {
        assert!(lines.iter().any(|l| l.starts_with("INFO ") && l.ends_with(end)), "no {end:?} in {lines:#?}");
    }
    assert!(lines.iter().all(|l| !l.starts_with("DEBUG")), "{lines:#?}");
}

#[test]
fn levels_are_chosen_and_logs_are_appended_to() {
    let log = directory("log-levels").join("log");
    let path = log.to_str().unwrap();
    run(&["do", "--debug-log", path, "--debug-level", "error,kernel=debug", "--", "true"]);
    let before = lines(&log);
    assert!(before.iter().any(|l| l.starts_with("DEBUG kernel::")), "{before:#?}");
    assert!(before.iter().all(|l| !l.contains("sentry_bin")), "{before:#?}");
    run(&["do", "--debug-log", path, "--debug-level", "info", "--", "true"]);
    let after = lines(&log);
    assert!(after.len() > before.len() && after.starts_with(&before), "{after:#?}");
}

#[test]
fn guests_cannot_forge_lines() {
    let dir = directory("log-forged");
    let (log, program) = (dir.join("log"), dir.join("one\nERROR two"));
    fs::write(&program, "#!/bin/true\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let script = "\"$0\"; exit 0";
    run(&["do", "--debug-log", log.to_str().unwrap(), "--", "sh", "-c", script, program.to_str().unwrap()]);
    let lines = lines(&log);
    assert!(
        lines.iter().any(|l| l.contains("is executed") && l.ends_with(r#"/one\nERROR two""#)),
        "{lines:#?}"
    );
    assert!(lines.iter().all(|l| !l.starts_with("ERROR")), "{lines:#?}");
}

#[test]
fn a_log_that_cannot_be_written_is_refused() {
    run(&["do", "--debug-log", "/nowhere/log", "--", "true"])
        .assert_refused(125, "cannot write the log /nowhere/log");
}
