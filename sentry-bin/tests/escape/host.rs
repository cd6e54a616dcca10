//! What reaches the host's kernel, as strace(1) sees it from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{finish, guest};

/// What a task that runs guest code may make, as `docs/security.md` lists it. The host's kernel restarts a sleep by itself.
const GUEST: [&str; 4] = ["futex", "rt_sigreturn", "exit", "restart_syscall"];

/// Each call of a task that has taken on the guests' filter, which is the one that shows signals by seccomp, is allowed or was refused.
#[test]
fn only_the_list_reaches_it() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not installed");
        return;
    }
    let program = guest("numbers");
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("escape-host-{}", std::process::id()));
    let mut command = Command::new("strace");
    command.args(["-f", "-o"]).arg(&log).arg(env!("CARGO_BIN_EXE_sentry-bin"));
    command.args(["do", "--platform", "systrap", "--"]).arg(&program).arg("60");
    let output = finish(command);
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(log).unwrap();
    fs::remove_file(program).unwrap();
    // Lines by task, in order.
    let mut tasks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let Some((task, what)) = line.split_once(' ') else { continue };
        tasks.entry(task).or_default().push(what.trim_start());
    }
    let guests: Vec<&Vec<&str>> =
        tasks.values().filter(|lines| lines.iter().any(|l| l.contains("SYS_SECCOMP"))).collect();
    assert!(guests.len() > 30, "{} tasks with guest code", guests.len());
    let (mut refused, mut reached) = (BTreeSet::new(), BTreeSet::new());
    for lines in guests {
        // From the last call of its own start on, which is the one that takes on the filter.
        let start = lines
            .iter()
            .rposition(|l| l.starts_with("seccomp(SECCOMP_SET_MODE_FILTER, 0,"))
            .map_or(0, |i| i + 1);
        // Until then, nothing that others send may reach it.
        let mask = lines[..start.saturating_sub(1)].iter().rfind(|l| !l.starts_with("<... "));
        assert!(mask.is_some_and(|l| l.starts_with("rt_sigprocmask(SIG_SETMASK, [URG],")), "{mask:?}");
        for (i, line) in lines.iter().enumerate().skip(start) {
            let Some((name, _)) = line.split_once('(').filter(|_| !line.starts_with("<... ")) else {
                continue;
            };
            let next = lines[i + 1..].iter().find(|l| !l.starts_with("<... "));
            match next {
                Some(n) if n.contains("SYS_SECCOMP") => refused.insert(name),
                _ => reached.insert(name),
            };
        }
    }
    assert!(refused.len() > 40, "{refused:?}");
    let strange: Vec<_> = reached.iter().filter(|n| !GUEST.contains(n) && !n.starts_with("---")).collect();
    assert!(strange.is_empty(), "reached the host: {strange:?}");
}
