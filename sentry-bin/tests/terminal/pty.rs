//! A terminal of the host with `sentry-bin` on it, and a user who types and reads.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const DEADLINE: Duration = Duration::from_secs(20);

/// `sentry-bin` as leader of a session whose terminal this is. Killed when dropped.
pub(crate) struct Session {
    keys: File,
    /// Keeps the terminal when all others have closed it.
    slave: OwnedFd,
    screen: Receiver<Vec<u8>>,
    /// What was shown and not yet looked at.
    shown: String,
    child: Child,
}

impl Session {
    pub(crate) fn start(args: &[&str]) -> Session {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&slave, size(24, 80)).unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        // Becomes a session leader with this terminal, and then `sentry-bin`.
        let child = Command::new("setsid")
            .args(["--ctty", env!("CARGO_BIN_EXE_sentry-bin")])
            .args(args)
            .env("TERM", "dumb")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        let keys = File::from(master);
        let mut output = keys.try_clone().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Session { keys, slave, screen, shown: String::new(), child }
    }
    /// An interactive bash without settings of its own.
    pub(crate) fn bash(platform: &str) -> Session {
        let bash = ["bash", "--norc", "--noprofile", "--noediting", "-i"];
        let mut session = Session::start(
            &[&["do", "--platform", platform, "--env", "PS1=ready> ", "--"], &bash[..]].concat(),
        );
        session.expect("ready> ");
        session
    }
    /// Types `text`.
    pub(crate) fn keys(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }
    /// Types a command and the enter key.
    pub(crate) fn line(&mut self, text: &str) {
        self.keys(&format!("{text}\r"));
    }
    /// Waits until `text` is shown, and returns what came before.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some((before, after)) = self.shown.split_once(text) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.shown = after;
                return before;
            }
            match self.screen.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("{text:?} is not shown in time, but {:?}", self.shown),
            }
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
    /// Waits for the end. Returns the status.
    pub(crate) fn status(&mut self) -> Option<i32> {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "no end in time; shown: {:?}", self.shown);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
