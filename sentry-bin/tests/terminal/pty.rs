//! A terminal of the host with a program on it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A leader of a session whose terminal this is. Killed when dropped.
pub(crate) struct Pty {
    keys: File,
    /// Keeps the terminal when all others have closed it.
    slave: OwnedFd,
    output: Receiver<Vec<u8>>,
    child: Child,
}

impl Pty {
    /// Starts `program` on a terminal of 24 lines and 80 columns; `set` adds to how.
    pub(crate) fn start(program: &[&str], set: impl FnOnce(&mut Command)) -> Pty {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&slave, size(24, 80)).unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        // Becomes a session leader with this terminal, and then the program. What the tests' own caller ignores must not matter.
        let mut command = Command::new("env");
        command
            .args(["--default-signal", "setsid", "--ctty"])
            .args(program)
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio());
        set(&mut command);
        let child = command.spawn().unwrap();
        let keys = File::from(master);
        let mut from = keys.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Pty { keys, slave, output, child }
    }
    /// Types `text`.
    pub(crate) fn keys(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }
    /// The next piece of output; `None` if there is none until `end`.
    pub(crate) fn output(&self, end: Instant) -> Option<Vec<u8>> {
        match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(bytes) => Some(bytes),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("the terminal is open here"),
        }
    }
    /// Gives the terminal another size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.slave, size(rows, columns)).unwrap();
    }
    /// The settings of the terminal here.
    pub(crate) fn settings(&self) -> String {
        let stdin = Stdio::from(self.slave.try_clone().unwrap());
        let output = Command::new("stty").arg("-g").stdin(stdin).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
    /// Waits for the end. Returns the status; none if there is no end in time.
    pub(crate) fn status(&mut self) -> Option<std::process::ExitStatus> {
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
