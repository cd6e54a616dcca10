//! The command's status, signals to it, its descriptors, and its user here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::{Signal, geteuid};

use crate::sandbox::{PLATFORMS, Running, finish, run, sentry};

#[test]
fn the_status_is_passed_on() {
    for platform in PLATFORMS {
        for status in [0, 1, 42, 255] {
            let outcome = run(&["do", "--platform", platform, "--", "sh", "-c", &format!("exit {status}")]);
            assert_eq!(outcome.code(), status, "{outcome:?}");
        }
        for (name, status) in [("KILL", 137), ("TERM", 143), ("SEGV", 139)] {
            let outcome = run(&["do", "--platform", platform, "--", "sh", "-c", &format!("kill -{name} $$")]);
            assert_eq!(outcome.code(), status, "{outcome:?}");
        }
    }
}

#[test]
fn signals_are_passed_on() {
    for platform in PLATFORMS {
        for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
            let script = "echo ready; exec sleep 1000";
            let mut running =
                Running::start(sentry(&["do", "--platform", platform, "--", "sh", "-c", script]));
            running.wait_ready();
            running.signal(signal);
            assert_eq!(running.wait_status().code(), Some(status), "{platform}");
        }
    }
}

#[test]
fn a_command_may_handle_a_signal() {
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let mut running = Running::start(sentry(&["do", "--", "sh", "-c", script]));
    running.wait_ready();
    running.signal(Signal::TERM);
    assert_eq!(running.wait_status().code(), Some(7));
}

/// What a shell here does before it becomes `sentry-bin`.
fn after(setup: &str, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{setup}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_sentry-bin")]).args(args);
    command
}

/// Rust's runtime opens the null device in place of a closed standard stream, before `main`.
#[test]
fn closed_streams_are_the_null_device() {
    let outcome = finish(after("exec <&-", &["do", "--", "sh", "-c", "cat; echo $?"]));
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (0, "0\n"), "{outcome:?}");
    let outcome = finish(after("exec >&-", &["do", "--", "sh", "-c", "echo lost; echo $? >&2"]));
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, "0\n"), "{outcome:?}");
    let outcome = finish(after("exec <&- >&- 2>&-", &["do", "--", "sh", "-c", "cat; echo lost >&2; exit 9"]));
    assert_eq!(outcome.code(), 9, "{outcome:?}");
}

#[test]
fn descriptors_are_passed_by_request_only() {
    let setup = "exec 5<<END 6<<END\nfive\nEND\nsix\nEND\n:";
    let script = "cat <&5; test -e /proc/self/fd/6 || echo no six";
    let outcome = finish(after(setup, &["do", "--pass-fd", "5", "--", "sh", "-c", script]));
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (0, "five\nno six\n"), "{outcome:?}");
}

#[test]
fn users_without_privileges_may_use_it() {
    // The build's directory may be closed to others.
    let dir = std::env::temp_dir().join(format!("sentry-bin-unprivileged-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let binary = dir.join("sentry-bin");
    fs::copy(env!("CARGO_BIN_EXE_sentry-bin"), &binary).unwrap();
    for platform in PLATFORMS {
        let mut command = match geteuid().is_root() {
            true => {
                let mut c = Command::new("setpriv");
                c.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&binary);
                c
            }
            false => Command::new(&binary),
        };
        command.current_dir("/").args(["do", "--platform", platform, "--", "sh", "-c"]);
        command.arg("echo $(id -u) && echo kept >/tmp/sentry-bin-note && cat /tmp/sentry-bin-note");
        let outcome = finish(command);
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (0, "0\nkept\n"), "{platform}: {outcome:?}");
    }
    fs::remove_dir_all(dir).unwrap();
}
