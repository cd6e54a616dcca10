//! What a user sees: the same keys are typed to a program on the host and in the sandbox, and the screens must be the same.

use std::collections::VecDeque;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::pty::{DEADLINE, Pty};

pub(crate) const INTERRUPT: &str = "\x03";
pub(crate) const END: &str = "\x04";
pub(crate) const SUSPEND: &str = "\x1a";
pub(crate) const ESCAPE: &str = "\x1b";

/// A screen counts as drawn when nothing has changed for so long.
const QUIET: Duration = Duration::from_millis(500);

/// An interactive bash, and the screen on which it runs.
pub(crate) struct Screen {
    pty: Pty,
    emulator: vt100::Parser,
    side: Side,
}

enum Side {
    /// Collects what is shown.
    Host(VecDeque<Shown>),
    /// What is to be shown.
    Sandbox(VecDeque<Shown>),
}

/// What is on a screen: the text for people, and all of it with attributes and the cursor.
#[derive(Clone)]
struct Shown {
    text: String,
    all: String,
}

impl Screen {
    fn bash(dir: &Path, sandbox: &[&str], side: Side) -> Screen {
        let bash = ["bash", "--norc", "--noprofile", "-i"];
        let pty = Pty::start(&[sandbox, &bash].concat(), |c| set_environment(c, dir));
        Screen { pty, emulator: vt100::Parser::new(cells(24), cells(80), 0), side }
    }
    /// Types `text`.
    pub(crate) fn keys(&mut self, text: &str) {
        self.pty.keys(text);
    }
    /// Waits for the shell's prompt, and types a command.
    pub(crate) fn run(&mut self, command: &str) {
        self.prompt();
        self.line(command);
    }
    /// Types `text` and the enter key.
    pub(crate) fn line(&mut self, text: &str) {
        self.keys(&format!("{text}\r"));
    }
    /// Gives the screen another size when nothing has changed for a while: less forgets a size that changes between its writing and
    /// its waiting for the next key, on the host as well.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.settle();
        self.emulator.screen_mut().set_size(cells(rows), cells(columns));
        self.pty.resize(rows, columns);
    }
    /// Takes in what comes until `end`, or for a little while.
    fn take(&mut self, end: Instant) -> bool {
        let bytes = self.pty.output(end);
        if let Some(bytes) = &bytes {
            self.emulator.process(bytes);
        }
        bytes.is_some()
    }
    /// Takes in what comes until nothing does for a while.
    fn settle(&mut self) {
        while self.take(Instant::now() + QUIET) {}
    }
    fn shown(&self) -> Shown {
        let screen = self.emulator.screen();
        let cursor =
            if screen.hide_cursor() { "hidden".into() } else { format!("{:?}", screen.cursor_position()) };
        Shown { text: format!("{}\n[cursor: {cursor}]", screen.contents()), all: screen.state_formatted() }
    }
    fn until_it(&mut self, what: &str, is_shown: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !is_shown(self.emulator.screen()) {
            let text = || self.emulator.screen().contents();
            let side = if matches!(self.side, Side::Host(_)) { "the host" } else { "the sandbox" };
            assert!(Instant::now() < end, "{side} does not show {what} in time, but\n{}", text());
            self.take(end);
        }
    }
    /// Waits until the cursor is behind `prompt`, which stands alone on its line.
    pub(crate) fn ready(&mut self, prompt: &str) {
        self.until_it(prompt, |screen| {
            let (row, column) = screen.cursor_position();
            let line = screen.contents_between(row, 0, row, column);
            usize::from(column) == prompt.len() && line.trim_end() == prompt.trim_end()
        });
    }
    fn prompt(&mut self) {
        self.ready("$ ");
    }
    /// Waits until `text` is on the screen.
    pub(crate) fn until(&mut self, text: &str) {
        self.until_it(text, |screen| screen.contents().contains(text));
    }
    /// Waits until `text` is not on the screen any more.
    pub(crate) fn until_gone(&mut self, text: &str) {
        self.until_it(&format!("a screen without {text}"), |screen| !screen.contents().contains(text));
    }
    /// Waits for the shell's prompt, and compares the screens.
    pub(crate) fn same_at_prompt(&mut self) {
        self.prompt();
        self.same();
    }
    /// Compares the screens: what the host shows when it has drawn all, the sandbox must show in time.
    pub(crate) fn same(&mut self) {
        let end = Instant::now() + DEADLINE;
        match &self.side {
            Side::Host(_) => {
                self.settle();
                let shown = self.shown();
                let Side::Host(all) = &mut self.side else { unreachable!() };
                all.push_back(shown);
            }
            Side::Sandbox(_) => {
                let Side::Sandbox(all) = &mut self.side else { unreachable!() };
                let host = all.pop_front().expect("the host showed as many screens");
                loop {
                    let here = self.shown();
                    if here.all == host.all {
                        return;
                    }
                    let (h, s) = (&host.text, &here.text);
                    let escaped = [&host.all, &here.all].map(|a| a.escape_debug().to_string());
                    assert!(
                        Instant::now() < end,
                        "the host shows\n{h}\n--- and the sandbox\n{s}\n--- {escaped:#?}"
                    );
                    self.take(end);
                }
            }
        }
    }
    /// Ends the shell.
    fn end(mut self) -> Side {
        self.run("exit 3");
        let status = self.pty.status();
        let text = self.emulator.screen().contents();
        assert_eq!(status.and_then(|s| s.code()), Some(3), "how the shell ends; it last showed\n{text}");
        self.side
    }
}

fn cells(n: u16) -> NonZero<u16> {
    NonZero::new(n).expect("a screen has lines and columns")
}

fn set_environment(c: &mut Command, dir: &Path) {
    c.env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "xterm")
        .env("PS1", "$ ")
        .env("HOME", dir)
        .current_dir(dir);
}

/// A directory that both sides find alike, gone at the end.
struct Home(PathBuf);

impl Home {
    fn new() -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Home(std::env::temp_dir().join(format!("picket-screen-{}-{n}", std::process::id())))
    }
    fn prepare(&self, files: &[(&str, &str)]) {
        std::fs::remove_dir_all(&self.0).ok();
        std::fs::create_dir_all(&self.0).unwrap();
        for (name, contents) in files {
            std::fs::write(self.0.join(name), contents).unwrap();
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The platforms to try: all, or the one that `PICKET_TEST_PLATFORM` names.
fn platforms() -> Vec<String> {
    match std::env::var("PICKET_TEST_PLATFORM") {
        Ok(name) => vec![name],
        Err(_) => ["systrap", "ptrace"].map(str::to_owned).into(),
    }
}

/// Plays `scene` in a bash on the host and in the sandbox, on each platform, each time in a directory with these `files`, and compares
/// the screens.
pub(crate) fn play(files: &[(&str, &str)], scene: impl Fn(&mut Screen)) {
    let home = Home::new();
    home.prepare(files);
    let mut screen = Screen::bash(&home.0, &[], Side::Host(VecDeque::new()));
    scene(&mut screen);
    let Side::Host(shown) = screen.end() else { unreachable!() };
    for platform in platforms() {
        println!("on {platform}");
        home.prepare(files);
        let sandbox = [env!("CARGO_BIN_EXE_sentry-bin"), "do", "--platform", &platform, "--"];
        let mut screen = Screen::bash(&home.0, &sandbox, Side::Sandbox(shown.clone()));
        scene(&mut screen);
        screen.end();
    }
}
