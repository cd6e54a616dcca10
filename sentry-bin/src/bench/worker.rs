//! A process that measures on request.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::guest::Places;
use super::side::Side;

/// Longest time for an answer beyond the time to measure. Whole programs take some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that serves lines of its standard input with lines of its standard output. Killed when dropped.
pub(super) struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<std::thread::JoinHandle<String>>,
}

impl Worker {
    /// Starts this program there; it has said `ready`. Errors: what it said instead.
    pub(super) fn start(side: &Side, args: &[OsString]) -> Result<Worker, String> {
        let mut command = side.guest(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
        let (Some(out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("no pipes".into());
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let all = BufReader::new(out).lines().map_while(Result::ok);
            all.into_iter().try_for_each(|line| sender.send(line)).ok();
        });
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).ok();
            String::from_utf8_lossy(&text).into_owned()
        });
        let stdin = child.stdin.take();
        let mut worker = Worker { child, stdin, lines, errors: Some(errors) };
        match worker.line(Duration::ZERO)?.as_str() {
            "ready" => Ok(worker),
            other => Err(other.to_owned()),
        }
    }
    /// Starts the server of one benchmark. Errors: as [`Worker::start`].
    pub(super) fn serving(side: &Side, benchmark: &str, places: &Places) -> Result<Worker, String> {
        let mut args: Vec<OsString> = vec!["bench-guest".into(), benchmark.into()];
        let options = [("--root", &places.root), ("--shared", &places.shared), ("--tmpfs", &places.tmpfs)];
        args.extend(options.into_iter().flat_map(|(name, dir)| [OsString::from(name), dir.into()]));
        Worker::start(side, &args)
    }
    fn line(&mut self, more: Duration) -> Result<String, String> {
        match self.lines.recv_timeout(PATIENCE + more) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err("no answer in time".into()),
            Err(RecvTimeoutError::Disconnected) => {
                self.child.kill().ok();
                let text = self.errors.take().and_then(|t| t.join().ok()).unwrap_or_default();
                Err(text
                    .trim()
                    .lines()
                    .last()
                    .unwrap_or("it ended")
                    .trim_start_matches("sentry-bin: ")
                    .to_owned())
            }
        }
    }
    /// Measures for that long: the least and the median time of an operation, in nanoseconds. Errors: what it said instead.
    pub(super) fn measure(&mut self, length: Duration) -> Result<(f64, f64), String> {
        let asked = self.stdin.as_mut().map(|s| writeln!(s, "{}", length.as_millis()));
        asked.transpose().map_err(|e| e.to_string())?;
        let line = self.line(length)?;
        let (least, median) = line.split_once(' ').ok_or_else(|| line.clone())?;
        let number = |s: &str| s.parse::<f64>().map_err(|_| line.clone());
        Ok((number(least)?, number(median)?))
    }
    /// The process that was started, which is the sandbox's own if there is one.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
    /// Lets it end by itself.
    pub(super) fn finish(mut self) {
        drop(self.stdin.take());
        self.child.wait().ok();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
