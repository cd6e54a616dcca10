//! Starts the sandbox, waits with a deadline, and watches its processes from outside.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const PLATFORMS: [&str; 2] = ["ptrace", "systrap"];
const DEADLINE: Duration = Duration::from_secs(60);

/// What a finished command gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by signal {:?}: {self:?}", self.status.signal()))
    }
    /// Asserts the status, and that standard error is one line, which has `text`.
    pub(crate) fn assert_refused(&self, code: i32, text: &str) {
        assert_eq!(self.code(), code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(self.stderr.starts_with("sentry-bin: ") && self.stderr.contains(text), "{self:?}");
    }
}

/// A running command, the leader of its process group. Killed when dropped.
pub(crate) struct Running {
    child: Child,
}

/// `sentry-bin` with these arguments.
pub(crate) fn sentry(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sentry-bin"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs `sentry-bin` to its end.
pub(crate) fn run(args: &[&str]) -> Outcome {
    finish(sentry(args))
}

/// Runs `command` to its end.
pub(crate) fn finish(command: Command) -> Outcome {
    Running::start(command).wait()
}

/// A fresh directory of this test.
pub(crate) fn directory(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::remove_dir_all(&dir).ok();
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Calls `done` until it is true. Panics with `what` after the deadline.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Running { child: command.spawn().unwrap() }
    }
    /// Waits for the line `ready` on standard output. The rest of the output is not seen.
    pub(crate) fn wait_ready(&mut self) {
        let stdout = self.child.stdout.take().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let mut stdout = BufReader::new(stdout);
            stdout.read_line(&mut line).ok();
            sender.send(line).ok();
            std::io::copy(&mut stdout, &mut std::io::sink()).ok();
        });
        let line = receiver.recv_timeout(DEADLINE).expect("a line of the guest in time");
        assert_eq!(line, "ready\n");
    }
    /// The end of the standard input that was given as a pipe.
    pub(crate) fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
    pub(crate) fn wait(mut self) -> Outcome {
        let reader = |stream: Option<Box<dyn Read + Send>>| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                stream.map(|mut s| s.read_to_end(&mut text));
                String::from_utf8_lossy(&text).into_owned()
            })
        };
        let stdout = reader(self.child.stdout.take().map(|s| Box::new(s) as _));
        let stderr = reader(self.child.stderr.take().map(|s| Box::new(s) as _));
        let status = self.wait_status();
        Outcome { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }
    pub(crate) fn wait_status(&mut self) -> ExitStatus {
        let mut status = None;
        until("the end of sentry-bin", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
    /// The processes that live because of this one: its descendants and its process group, without itself.
    pub(crate) fn others(&self) -> BTreeSet<Process> {
        let me = self.child.id();
        let all = Process::all();
        let mut family = BTreeSet::from([me]);
        loop {
            let before = family.len();
            family.extend(
                all.iter()
                    .filter(|p| p.pgrp == me || family.contains(&p.parent))
                    .map(|p| p.pid)
                    .collect::<Vec<_>>(),
            );
            if family.len() == before {
                break;
            }
        }
        all.into_iter().filter(|p| p.pid != me && family.contains(&p.pid)).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A process that is no zombie, as `/proc/PID/stat` has it. The start tells it from a later one with its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    pgrp: u32,
    start: u64,
}

impl Process {
    fn all() -> Vec<Process> {
        let entries = fs::read_dir("/proc").unwrap();
        entries.filter_map(|e| Process::read(e.ok()?.file_name().to_str()?.parse().ok()?)).collect()
    }
    fn read(pid: u32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may have spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        if matches!(fields[0], "Z" | "X") {
            return None;
        }
        Some(Process {
            pid,
            parent: fields[1].parse().ok()?,
            pgrp: fields[2].parse().ok()?,
            start: fields[19].parse().ok()?,
        })
    }
    pub(crate) fn is_alive(&self) -> bool {
        Process::read(self.pid).is_some_and(|now| now.start == self.start)
    }
}
