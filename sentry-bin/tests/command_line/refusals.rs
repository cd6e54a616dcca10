//! What cannot be run is refused with a status that says who failed, and one line.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{directory, run};

#[test]
fn a_missing_program_is_127() {
    run(&["do", "--", "no-such-program"]).assert_refused(127, "no-such-program");
    run(&["do", "--", "/no/such/program"]).assert_refused(127, "/no/such/program");
}

#[test]
fn what_cannot_be_executed_is_126() {
    let dir = directory("unexecutable");
    let broken = dir.join("broken");
    fs::write(&broken, b"\x7fELF\x02\x01\x01 this is no program").unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    let plain = dir.join("plain");
    fs::write(&plain, "#!/bin/sh\necho ran\n").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    for file in [&broken, &plain, &dir] {
        let file = file.to_str().unwrap();
        run(&["do", "--", file]).assert_refused(126, file);
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_missing_root_is_125() {
    run(&["run", "/no/such/root", "--", "true"]).assert_refused(125, "/no/such/root");
    run(&["run", "/etc/passwd", "--", "true"]).assert_refused(125, "/etc/passwd");
}

#[test]
fn unknown_users_and_directories_are_125() {
    run(&["do", "--user", "no-such-user", "--", "true"]).assert_refused(125, "no-such-user");
    run(&["do", "--user", "0:no-such-group", "--", "true"]).assert_refused(125, "no-such-group");
    run(&["do", "--workdir", "/no/such/dir", "--", "true"]).assert_refused(125, "/no/such/dir");
    run(&["do", "--workdir", "/etc/passwd", "--", "true"]).assert_refused(125, "/etc/passwd");
}

#[test]
fn a_wrong_command_line_is_2() {
    for args in [
        &["do", "--no-such-flag", "--", "true"][..],
        &["do"],
        &["do", "--platform", "none", "--", "true"],
        &[],
    ] {
        let outcome = run(args);
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        assert_eq!(outcome.stdout, "");
        assert!(outcome.stderr.contains("Usage:") || outcome.stderr.contains("--help"), "{outcome:?}");
    }
}

#[test]
fn a_closed_descriptor_cannot_be_passed() {
    run(&["do", "--pass-fd", "777", "--", "true"]).assert_refused(125, "777");
}
