//! `run` on a directory of the host.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::sandbox::{Running, directory, finish, sentry};

/// A root with nothing but a static shell.
fn shell(name: &str) -> PathBuf {
    let root = directory(name);
    fs::copy("/bin/busybox", root.join("sh")).unwrap();
    root
}

#[test]
fn the_host_may_run_what_the_sandbox_runs() {
    let root = shell("busy");
    let mut command = sentry(&["run", root.to_str().unwrap(), "--", "/sh", "-c", "echo ready; read line"]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    running.wait_ready();
    // A file that somebody may write is "text file busy".
    assert!(Command::new(root.join("sh")).args(["-c", "exit 0"]).status().unwrap().success());
    running.close_stdin();
    running.wait_status();
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn changes_reach_the_host() {
    let root = shell("changes");
    fs::write(root.join("old"), "old\n").unwrap();
    let script =
        "read word <old; echo $word and new >>old; echo mine >made; chmod 400 made; >emptied; : <made";
    let outcome = finish(sentry(&["run", root.to_str().unwrap(), "--", "/sh", "-c", script]));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert_eq!([read("old"), read("made"), read("emptied")], ["old\nold and new\n", "mine\n", ""]);
    fs::remove_dir_all(root).unwrap();
}
