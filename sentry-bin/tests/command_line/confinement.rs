//! What the host sees of a confined sandbox.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use rustix::process::{Signal, geteuid};

use crate::sandbox::{PLATFORMS, Process, Running, directory, finish, run, sentry};

/// The sentry: the child that is the first process of its namespace, or the one there is.
fn sentry_of(others: &BTreeSet<Process>) -> u32 {
    let is_sentry = |p: &&Process| {
        let name = fs::read_to_string(format!("/proc/{}/comm", p.pid)).unwrap_or_default();
        name.trim() == "sentry-bin"
    };
    others.iter().find(is_sentry).expect("a sentry").pid
}

fn field(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).expect("a field").trim().to_owned()
}

fn is_missing_nothing() -> bool {
    run(&["do", "--require-confinement", "--", "true"]).status.success()
}

#[test]
fn every_layer_is_there() {
    if !is_missing_nothing() {
        eprintln!("skipped: the host does not permit all layers");
        return;
    }
    for platform in PLATFORMS {
        let mut running = Running::start(sentry(&[
            "do",
            "--platform",
            platform,
            "--",
            "sh",
            "-c",
            "echo ready; sleep 1000",
        ]));
        running.wait_ready();
        let others = running.others();
        let pid = sentry_of(&others);
        for ns in ["user", "mnt", "pid", "net", "ipc", "uts"] {
            let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{ns}")).unwrap();
            assert_ne!(of(&pid.to_string()), of("self"), "{platform}: {ns}");
        }
        assert_eq!(fs::read_dir(format!("/proc/{pid}/root")).unwrap().count(), 0, "{platform}");
        assert_eq!((field(pid, "NoNewPrivs"), field(pid, "Seccomp")), ("1".into(), "2".into()), "{platform}");
        // Reading what belongs to others, at most.
        let read_search = if geteuid().is_root() { "0000000000000004" } else { "0000000000000000" };
        assert_eq!(field(pid, "CapPrm"), read_search, "{platform}");
        // All threads have the filter.
        for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            assert!(status.contains("Seccomp:\t2"), "{platform}: {status}");
        }
        running.signal(Signal::TERM);
        assert_eq!(running.wait_status().code(), Some(143), "{platform}");
    }
}

#[test]
fn descriptors_of_others_are_not_kept() {
    let dir = directory("inherited");
    let file = dir.join("open");
    fs::write(&file, "").unwrap();
    let script = "exec 7<\"$0\"; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(&file).arg(env!("CARGO_BIN_EXE_sentry-bin"));
    command.args(["do", "--", "sh", "-c", "echo ready; sleep 1000"]);
    let mut running = Running::start(command);
    running.wait_ready();
    for process in running.others() {
        let open = fs::read_dir(format!("/proc/{}/fd", process.pid)).unwrap();
        let places = open.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        assert!(places.into_iter().all(|p| p != file), "{process:?}");
    }
    drop(running);
    fs::remove_dir_all(dir).unwrap();
}

/// A host that has no user namespaces to give.
#[test]
fn what_is_missing_is_said_or_refused() {
    let limited = |args: &[&str]| {
        let mut command = Command::new("unshare");
        let script = "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin \"$@\"";
        command.args([
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_sentry-bin"),
        ]);
        command.args(args);
        finish(command)
    };
    if !limited(&["--version"]).status.success() {
        eprintln!("skipped: the host permits no user namespace to try this in");
        return;
    }
    let outcome = limited(&["do", "--", "echo", "ran"]);
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (0, "ran\n"), "{outcome:?}");
    assert!(outcome.stderr.contains("missing: namespaces"), "{outcome:?}");
    limited(&["do", "--require-confinement", "--", "echo", "ran"]).assert_refused(125, "namespaces");
}

/// A shared directory takes all changes that a root makes.
#[test]
fn shared_files_can_be_changed() {
    for platform in PLATFORMS {
        let dir = directory(&format!("shared-{platform}"));
        let path = dir.to_str().unwrap();
        fs::write(dir.join("f"), "a").unwrap();
        let script = "cd \"$0\" && echo new >g && chmod 640 g && mv g h && ln h i && ln -s h j && mkdir d && touch -d 2001-01-01 h && \
                      truncate -s 100 f && mkfifo p && rm i && rmdir d && dd if=/dev/zero of=z bs=1000 count=3 conv=fsync 2>/dev/null && sync f && \
                      ls -A | tr '\\n' ' ' && stat -c %a:%Y h";
        let bind = format!("{path}:{path}");
        let outcome = run(&[
            "do",
            "--platform",
            platform,
            "--bind",
            &bind,
            "--",
            "env",
            "TZ=UTC",
            "sh",
            "-c",
            script,
            path,
        ]);
        assert_eq!(
            (outcome.code(), outcome.stdout.as_str()),
            (0, "f h j p z 640:978307200\n"),
            "{outcome:?}"
        );
        assert_eq!(fs::metadata(dir.join("f")).unwrap().len(), 100);
        assert_eq!(fs::metadata(dir.join("z")).unwrap().len(), 3000);
        fs::remove_dir_all(dir).unwrap();
    }
}
