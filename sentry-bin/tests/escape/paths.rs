//! Files of the host that are not shown.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{finish, sentry};

/// A directory that is shown, and beside it one with a secret that is not.
fn places(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("escape-{name}-{}", std::process::id()));
    fs::remove_dir_all(&dir).ok();
    fs::create_dir_all(dir.join("shown/plain")).unwrap();
    fs::create_dir_all(dir.join("hidden")).unwrap();
    fs::write(dir.join("shown/plain/file"), "harmless\n").unwrap();
    fs::write(dir.join("hidden/file"), "secret\n").unwrap();
    dir
}

/// What a script prints that sees the directory at `/shown` only: the host's own place of it is covered.
fn inside(dir: &Path, writable: bool, script: &str) -> String {
    let shown = dir.join("shown");
    let bind = format!("{}:/shown{}", shown.display(), if writable { "" } else { ":ro" });
    let mut command = sentry();
    command.args(["--bind", &bind, "--tmpfs"]).arg(dir).args(["--", "sh", "-c", script]).arg(dir);
    let output = finish(command);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !err.contains("sentry-bin:"), "{:?} {err}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn names_do_not_lead_out() {
    let dir = places("names");
    symlink("../../hidden/file", dir.join("shown/plain/up")).unwrap();
    symlink(dir.join("hidden/file"), dir.join("shown/plain/there")).unwrap();
    symlink("../hidden", dir.join("shown/directory")).unwrap();
    let script = "cd /shown; cat ../hidden/file plain/../../hidden/file plain/up plain/there directory/file /shown/../hidden/file \
                  /proc/1/root/shown/../hidden/file /proc/self/cwd/../hidden/file \"$0/hidden/file\" 2>/dev/null; exec 3</shown; \
                  cat /proc/self/fd/3/../hidden/file /proc/self/fd/3/../../hidden/file 2>/dev/null; echo done";
    for writable in [false, true] {
        assert_eq!(inside(&dir, writable, script), "done\n", "{writable}");
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_hosts_proc_shows_nothing() {
    let mut command = sentry();
    command.args([
        "--bind",
        "/proc:/shown:ro",
        "--",
        "sh",
        "-c",
        "ls -A /shown; cat /shown/1/root/etc/passwd /shown/version 2>&1 | grep -v 'No such file'; echo done",
    ]);
    assert_eq!(String::from_utf8_lossy(&finish(command).stdout), "done\n");
}

/// A directory that becomes a link to another one and back all the time.
#[test]
fn swapped_links_do_not_lead_out() {
    let dir = places("swapped");
    let (a, b) = (dir.join("shown/plain"), dir.join("shown/link"));
    symlink(dir.join("hidden"), &b).unwrap();
    for writable in [false, true] {
        let stop = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (stop, a, b) = (stop.clone(), a.clone(), b.clone());
            move || {
                let mut swaps = 0;
                while !stop.load(Ordering::Relaxed) {
                    renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
                    swaps += 1;
                }
                swaps
            }
        });
        let script = "i=0; while [ $i -lt 300 ]; do i=$((i + 1)); read -r x </shown/plain/file && echo $x; \
                      read -r x </shown/link/file && echo $x; echo /shown/plain/*; done 2>/dev/null | sort -u";
        let seen = inside(&dir, writable, script);
        stop.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 100);
        assert!(!seen.contains("secret"), "{seen}");
    }
    fs::remove_dir_all(dir).unwrap();
}
