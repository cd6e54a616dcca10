//! However the sandbox ends, its processes end with it, and it leaves no mounts or files.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::sandbox::{PLATFORMS, Process, Running, directory, sentry, until};

/// Forks all the time.
const BUSY: &str = "echo ready; while :; do (true) & (true); wait; done";

#[test]
fn an_end_leaves_nothing() {
    for platform in PLATFORMS {
        let dir = directory(&format!("remains-{platform}"));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let script = "sleep 1000 & sleep 1000 & echo ready; read line; exit 3";
        let mut command = sentry(&["do", "--platform", platform, "--", "sh", "-c", script]);
        command.current_dir(&dir).env("TMPDIR", &dir).stdin(std::process::Stdio::piped());
        let mut running = Running::start(command);
        running.wait_ready();
        let others = running.others();
        assert!(!others.is_empty(), "guest code runs in other processes");
        running.close_stdin();
        assert_eq!(running.wait_status().code(), Some(3));
        until("the end of all processes", || {
            !others.iter().any(Process::is_alive) && running.others().is_empty()
        });
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts);
        fs::remove_dir_all(dir).unwrap();
    }
}

fn killed(platform: &str, moment: impl Fn(&mut Running)) {
    killed_while(platform, BUSY, moment);
}

/// Kills a sandbox when `moment` has come. Its processes, those seen before and those of its group, have to end.
fn killed_while(platform: &str, script: &str, moment: impl Fn(&mut Running)) {
    let mut running = Running::start(sentry(&["do", "--platform", platform, "--", "sh", "-c", script]));
    moment(&mut running);
    let others = running.others();
    running.signal(Signal::KILL);
    running.wait_status();
    until(&format!("the end of the processes of a killed sandbox ({platform})"), || {
        !others.iter().any(Process::is_alive) && running.others().is_empty()
    });
}

#[test]
fn killed_at_once() {
    PLATFORMS.iter().for_each(|p| killed(p, |_| {}));
}

#[test]
fn killed_with_its_first_process() {
    for platform in PLATFORMS {
        killed(platform, |running| until("a first process", || !running.others().is_empty()));
    }
}

#[test]
fn killed_with_several_processes() {
    for platform in PLATFORMS {
        killed(platform, |running| until("two processes", || running.others().len() > 1));
    }
}

#[test]
fn killed_when_the_command_runs() {
    PLATFORMS.iter().for_each(|p| killed(p, Running::wait_ready));
}

/// Many processes, some of which come and go.
const CROWD: &str =
    "for i in $(seq 30); do sleep 1000 & done; echo ready; while :; do (true) & (true); wait $!; done";

#[test]
fn killed_with_many_processes() {
    for platform in PLATFORMS {
        killed_while(platform, CROWD, Running::wait_ready);
    }
}

#[test]
fn killed_at_many_moments() {
    for platform in PLATFORMS {
        for moment in 1..=10 {
            let wait = Duration::from_millis(9 * moment);
            killed_while(platform, CROWD, |_| std::thread::sleep(wait));
        }
    }
}

/// A parent that is killed may be ahead of its child by more than on an idle host.
#[test]
fn killed_on_a_busy_host() {
    let done = AtomicBool::new(false);
    std::thread::scope(|s| {
        for _ in 0..10 {
            s.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let all = std::panic::catch_unwind(|| {
            for moment in 0..40 {
                killed_while("systrap", BUSY, |_| std::thread::sleep(Duration::from_micros(1500 * moment)));
            }
        });
        done.store(true, Ordering::Relaxed);
        if let Err(panic) = all {
            std::panic::resume_unwind(panic);
        }
    });
}
