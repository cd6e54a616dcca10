//! `sentry-bin` on a terminal, whose output is read as it comes.

use std::time::Instant;

use crate::pty::{DEADLINE, Pty};

/// `sentry-bin` and its user.
pub(crate) struct Session {
    pty: Pty,
    /// What was shown and not yet looked at.
    shown: String,
}

impl Session {
    pub(crate) fn start(args: &[&str]) -> Session {
        let program = [&[env!("CARGO_BIN_EXE_sentry-bin")], args].concat();
        let pty = Pty::start(&program, |c| {
            c.env("TERM", "dumb");
        });
        Session { pty, shown: String::new() }
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
        self.pty.keys(text);
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
            match self.pty.output(end) {
                Some(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                None => panic!("{text:?} is not shown in time, but {:?}", self.shown),
            }
        }
    }
    /// Gives the terminal another size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.pty.resize(rows, columns);
    }
    /// The settings of the terminal here.
    pub(crate) fn settings(&self) -> String {
        self.pty.settings()
    }
    /// Waits for the end. Returns the status.
    pub(crate) fn status(&mut self) -> Option<i32> {
        let status = self.pty.status();
        status.unwrap_or_else(|| panic!("no end in time; shown: {:?}", self.shown)).code()
    }
}
