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

#[test]
fn wrong_binds_are_refused() {
    run(&["do", "--bind", "/no/such/source:/mnt", "--", "true"]).assert_refused(125, "/no/such/source");
    run(&["do", "--bind", "/etc:/etc/passwd", "--", "true"]).assert_refused(125, "/etc/passwd");
    for wrong in ["/etc", "/etc:", ":/etc", "/etc:relative", "/etc:/mnt:rw:x"] {
        let outcome = run(&["do", "--bind", wrong, "--", "true"]);
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (2, ""), "{wrong}: {outcome:?}");
        assert!(outcome.stderr.contains("--bind"), "{outcome:?}");
    }
}

#[test]
fn programs_of_other_kinds_are_126() {
    let dir = directory("kinds");
    let here = fs::read("/bin/true").unwrap();
    let mut of_another_machine = here.clone();
    of_another_machine[18] = 183;
    let without_interpreter = {
        let mut changed = here.clone();
        let name = b"/lib64/ld-linux";
        let at = changed.windows(name.len()).position(|w| w == name).unwrap();
        changed[at + 1] = b'X';
        changed
    };
    let cases: [(&str, Vec<u8>, i32); 5] = [
        ("machine", of_another_machine, 126),
        ("short", here[..40].to_vec(), 126),
        ("headers-only", here[..64].to_vec(), 126),
        ("interpreter", without_interpreter, 127),
        ("script", b"#!/no/such/shell\n".to_vec(), 127),
    ];
    for (name, contents, code) in cases {
        let file = dir.join(name);
        fs::write(&file, contents).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let file = file.to_str().unwrap();
        run(&["do", "--", file]).assert_refused(code, file);
    }
    fs::remove_dir_all(dir).unwrap();
}
