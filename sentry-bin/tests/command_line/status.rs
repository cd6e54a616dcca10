//! The command's status, signals to it, its descriptors, and its user here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, geteuid};

use crate::sandbox::{PLATFORMS, Running, directory, finish, run, sentry};

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

/// Although Rust's runtime opens the null device in their place, before `main`.
#[test]
fn closed_streams_are_closed() {
    let outcome = finish(after("exec <&-", &["do", "--", "sh", "-c", "cat 2>&1; echo $?"]));
    let (first, last) = (outcome.stdout.lines().next(), outcome.stdout.lines().last());
    assert_eq!((first, last), (Some("cat: -: Bad file descriptor"), Some("1")), "{outcome:?}");
    let outcome = finish(after("exec >&-", &["do", "--", "sh", "-c", "echo lost; echo $? >&2"]));
    assert_eq!((outcome.code(), outcome.stderr.lines().last()), (0, Some("1")), "{outcome:?}");
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

/// `binary` as a user without privileges, which has the group 100 beside its own if root may choose.
fn unprivileged(binary: &Path) -> Command {
    if !geteuid().is_root() {
        return Command::new(binary);
    }
    let mut c = Command::new("setpriv");
    c.args(["--reuid", "65534", "--regid", "65534", "--groups", "100,65534"]).arg(binary);
    c
}

fn stdout(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What belongs to neither them nor root looks like root's (docs/security.md), so no such file is asked for.
#[test]
fn users_without_privileges_stay_who_they_are() {
    // The build's directory may be closed to others.
    let dir = std::env::temp_dir().join(format!("sentry-bin-unprivileged-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let binary = dir.join("sentry-bin");
    fs::copy(env!("CARGO_BIN_EXE_sentry-bin"), &binary).unwrap();
    let script = "id; id -G; touch new; stat -c '%u %g %U' new . /etc/passwd; stat -c %u /etc/shadow; cat /etc/shadow 2>&1; \
                  grep -E '^(Uid|Gid|Groups|CapEff|CapPrm)' /proc/self/status; mknod n c 1 3 2>&1 || echo kept >/tmp/sentry-bin-note; \
                  cat /tmp/sentry-bin-note; rm -f new /tmp/sentry-bin-note";
    for platform in PLATFORMS {
        let run = |program: &Path, args: &[&str], script: &str| {
            let mut command = unprivileged(program);
            command.args(args).args(["sh", "-c", script]).current_dir(&dir);
            stdout(command)
        };
        let here = run(Path::new("env"), &[], script);
        assert_eq!(run(&binary, &["do", "--platform", platform, "--"], script), here, "{platform}");
        let as_root = ["do", "--platform", platform, "--user", "root", "--"];
        assert_eq!(run(&binary, &as_root, "id -u; chown 5:6 .; stat -c '%u %g' ."), "0\n5 6\n", "{platform}");
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_caller_of_do_is_the_same_user_inside() {
    let id = || Command::new("id");
    let mut inside = Command::new(env!("CARGO_BIN_EXE_sentry-bin"));
    inside.args(["do", "--", "id"]);
    assert_eq!(stdout(inside), stdout(id()));
}

#[test]
fn limits_and_umask_are_the_callers() {
    let setup = "umask 027; ulimit -n 200 -S; ulimit -c 0; ulimit -s 4096";
    let script = "umask; cat /proc/self/limits; touch new; stat -c %a new; rm new";
    let dir = directory("limits");
    let mut here = Command::new("bash");
    here.args(["-c", &format!("{setup}; {script}")]).current_dir(&dir);
    let mut inside = Command::new("bash");
    inside.args(["-c", &format!("{setup}; exec \"$@\""), "bash", env!("CARGO_BIN_EXE_sentry-bin")]);
    inside.args(["do", "--", "bash", "-c", script]).current_dir(&dir);
    assert_eq!(stdout(inside), stdout(here));
    fs::remove_dir_all(dir).unwrap();
}
