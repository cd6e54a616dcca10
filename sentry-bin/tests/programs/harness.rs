//! Runs a script natively and in the sandbox, on each platform, and compares.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::geteuid;

/// A run that takes longer is ended and fails.
const LIMIT: Duration = Duration::from_secs(300);

/// What a run left.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// As a shell would have it in `$?`.
    fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

/// A directory that is empty at first and gone at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(parent: &Path) -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = parent.join(format!("picket-programs-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a scratch directory");
        Scratch(dir)
    }
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The sandbox under test.
pub(crate) fn sentry() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sentry-bin"))
}

/// The platforms to try: all, or the one that `PICKET_TEST_PLATFORM` names.
fn platforms() -> Vec<String> {
    match std::env::var("PICKET_TEST_PLATFORM") {
        Ok(name) => vec![name],
        Err(_) => ["systrap", "ptrace"].map(str::to_owned).into(),
    }
}

/// A command with the environment that all cases have.
fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut c = Command::new(program);
    c.env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "xterm")
        .env("HOME", "/root");
    c
}

fn drain(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A stream that breaks off shows as missing output.
        from.read_to_end(&mut bytes).ok();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs a command to its end. A command that does not end in time is killed, with the processes of its group, and fails the test.
fn run(mut command: Command) -> Outcome {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else { unreachable!("piped") };
    let (out, err) = (drain(out), drain(err));
    let end = Instant::now() + LIMIT;
    let mut late = false;
    let status = loop {
        match child.try_wait().expect("waiting for a child") {
            Some(status) => break status,
            None if Instant::now() > end && !late => {
                late = true;
                let group = format!("-{}", child.id());
                Command::new("kill").args(["-KILL", "--", &group]).status().ok();
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let join = |t: thread::JoinHandle<String>| t.join().unwrap_or_default();
    let outcome = Outcome { status, stdout: join(out), stderr: join(err) };
    assert!(!late, "{command:?} did not end in {LIMIT:?}; it said\n{}\n{}", outcome.stdout, outcome.stderr);
    outcome
}

/// The script's outcome on the host.
fn on_host(script: &str) -> Outcome {
    let dir = Scratch::new(&std::env::temp_dir());
    let mut c = clean("bash");
    c.arg("-c").arg(script).current_dir(dir.path());
    run(c)
}

/// The script's outcome in `sentry-bin do` on each platform, with a name for where that is.
fn in_sandbox(options: &[&str], script: &str) -> Vec<(String, Outcome)> {
    let one = |platform: String| {
        let dir = Scratch::new(&std::env::temp_dir());
        let mut c = clean(sentry());
        c.args(["do", "--platform", &platform]).args(options);
        c.args(["--", "bash", "-c", script]).current_dir(dir.path());
        (format!("`do` on {platform}"), run(c))
    };
    platforms().into_iter().map(one).collect()
}

/// As root inside whoever runs it, what the script prints is `stdout` on each platform.
pub(crate) fn prints_as_root(script: &str, stdout: &str) {
    for (place, outcome) in in_sandbox(&["--user", "root"], script) {
        assert_eq!(outcome.stdout, stdout, "{place}: {}", outcome.stderr);
    }
}

/// The Debian tree to use as a root, if there is one and the host lets us `chroot` into it.
fn rootfs() -> Option<PathBuf> {
    let root = PathBuf::from(std::env::var_os("PICKET_TEST_ROOTFS")?);
    assert!(root.join("bin/bash").exists(), "PICKET_TEST_ROOTFS names no Debian tree: {}", root.display());
    Some(root)
}

fn chrooted(root: &Path, script: &str) -> Outcome {
    let dir = Scratch::new(&root.join("tmp"));
    let place = Path::new("/").join(dir.path().strip_prefix(root).expect("beneath the root"));
    let mut c = clean("unshare");
    if !geteuid().is_root() {
        c.arg("--map-root-user");
    }
    c.args(["--mount", "--pid", "--fork", "--kill-child", "bash", "-c"])
        .arg("mount -t proc proc \"$0/proc\" && mount --rbind /sys \"$0/sys\" && mount --rbind /dev \"$0/dev\" && exec chroot \"$0\" bash -c 'cd \"$0\" && eval \"$1\"' \"$1\" \"$2\"")
        .args([root.as_os_str(), place.as_os_str(), OsStr::new(script)]);
    run(c)
}

/// On the default platform, if no other is chosen: trees are all that a root adds.
fn sandboxed_root(root: &Path, script: &str) -> Outcome {
    let dir = Scratch::new(&root.join("tmp"));
    let place = Path::new("/").join(dir.path().strip_prefix(root).expect("beneath the root"));
    let mut c = clean(sentry());
    c.args(["run", "--platform", &platforms()[0], "--workdir"]).arg(place).arg(root);
    c.args(["--", "bash", "-c", script]);
    run(c)
}

/// How the outcome at a place differs from the host's.
fn difference(place: &str, script: &str, host: &Outcome, sandbox: &Outcome) -> Option<String> {
    if host.code() == sandbox.code() && host.stdout == sandbox.stdout {
        return None;
    }
    Some(format!(
        "{place} differs from the host for\n{script}\n--- host: status {}\n{}\n{}\n--- sandbox: status {}\n{}\n{}\n",
        host.code(),
        tail(&host.stdout),
        tail(&host.stderr),
        sandbox.code(),
        tail(&sandbox.stdout),
        tail(&sandbox.stderr),
    ))
}

fn tail(s: &str) -> &str {
    let start = s.len().saturating_sub(3000);
    let start = (start..s.len()).find(|i| s.is_char_boundary(*i)).unwrap_or(s.len());
    &s[start..]
}

/// Standard output and status must be the same, in `do` on each platform and on a Debian root where one is given.
pub(crate) fn same(script: &str) {
    same_in_do(script);
    same_on_root(script);
}

/// As [`same`], for scripts about a whole tree that nobody else changes: on a Debian root only.
pub(crate) fn same_on_root(script: &str) {
    if let Some(root) = rootfs() {
        let (host, sandbox) = (chrooted(&root, script), sandboxed_root(&root, script));
        let difference = difference("`run` on a Debian root", script, &host, &sandbox);
        assert!(difference.is_none(), "{}", difference.unwrap_or_default());
    }
}

/// As [`same`], for scripts about the host's own tree.
pub(crate) fn same_in_do(script: &str) {
    let host = on_host(script);
    let outcomes = in_sandbox(&[], script);
    let differences = outcomes.iter().filter_map(|(place, o)| difference(place, script, &host, o));
    let differences: String = differences.collect();
    assert!(differences.is_empty(), "{differences}");
}

/// The script succeeds natively and in the sandbox and its output there satisfies `check`, which it does natively too: for
/// output that differs by nature.
pub(crate) fn both(script: &str, check: impl Fn(&str) -> Result<(), String>) {
    let host = ("the host".to_owned(), on_host(script));
    for (place, outcome) in [vec![host], in_sandbox(&[], script)].concat() {
        let verdict = if outcome.code() == 0 { check(&outcome.stdout) } else { Err("it failed".into()) };
        if let Err(e) = verdict {
            let (out, err) = (tail(&outcome.stdout), tail(&outcome.stderr));
            panic!("{place}: {e}: status {} for\n{script}\n{out}\n{err}", outcome.code());
        }
    }
}
