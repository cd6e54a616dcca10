//! The line discipline `N_TTY`.

mod echo;
mod edit;
mod input;
mod output;
mod queue;
mod read;
#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use abi::fs::termios::*;

use super::modes::Modes;
use queue::InputQueue;

/// Bytes that a program can write before the other side has read any: what the other side's discipline takes and what the line
/// holds, as on Linux.
const OUTPUT_LIMIT: usize = OUTPUT_KEPT + 8192;
/// Of these, what a flush does not reach any more because the other side has it.
const OUTPUT_KEPT: usize = 4095;
/// Echoes that wait while output is stopped; more are lost.
const ECHO_LIMIT: usize = 4096;

/// What input did beside becoming input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Signals for the foreground process group, in order.
    pub signals: Vec<i32>,
    /// `TIOCPKT_*` bits that tell the other side of flushes, stops and starts.
    pub packet: u8,
}

/// A line discipline with its queues: from [`receive`](LineDiscipline::receive) to [`read`](LineDiscipline::read), and from
/// [`write`](LineDiscipline::write) and the echo to [`take_output`](LineDiscipline::take_output).
#[derive(Debug)]
pub struct LineDiscipline {
    modes: Modes,
    /// Which bytes mean something in these modes.
    special: [bool; 256],
    input: InputQueue,
    /// The next byte is taken as it is (after `VLNEXT`).
    literal: bool,
    /// Erased characters are being echoed between `\` and `/` (`ECHOPRT`).
    erasing: bool,
    column: usize,
    /// Where the line that is being typed began.
    line_column: usize,
    stopped: bool,
    /// Stopped by `TCXONC`, which no key undoes.
    held: bool,
    /// Echo that waits for output to go on.
    echo: VecDeque<u8>,
    output: VecDeque<u8>,
}

impl Default for LineDiscipline {
    fn default() -> Self {
        LineDiscipline::new(Modes::default())
    }
}

impl LineDiscipline {
    /// With these settings.
    pub fn new(modes: Modes) -> LineDiscipline {
        LineDiscipline {
            special: special(&modes),
            modes,
            input: InputQueue::default(),
            literal: false,
            erasing: false,
            column: 0,
            line_column: 0,
            stopped: false,
            held: false,
            echo: VecDeque::new(),
            output: VecDeque::new(),
        }
    }
    /// The settings.
    pub fn modes(&self) -> &Modes {
        &self.modes
    }
    /// Whether input comes in lines.
    pub fn is_canonical(&self) -> bool {
        self.modes.l(ICANON) && !self.modes.l(EXTPROC)
    }
    /// Whether output is stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }
    /// Changes the settings. Unread input is kept: it all becomes one line, or characters.
    pub fn set_modes(&mut self, new: Modes, fx: &mut Effects) {
        let old = core::mem::replace(&mut self.modes, new);
        self.special = special(&new);
        if (old.lflag ^ new.lflag) & (ICANON | EXTPROC) != 0 {
            self.input.switch(new.l(ICANON));
            self.erasing = false;
            self.literal = false;
        }
        // Nothing typed could start output again.
        if old.i(IXON) && !new.i(IXON) && !self.held {
            self.start(fx);
        }
        self.flush_echo();
    }
    /// Throws unread input away.
    pub fn flush_input(&mut self, fx: &mut Effects) {
        self.input.clear();
        self.erasing = false;
        self.literal = false;
        fx.packet |= TIOCPKT_FLUSHREAD;
    }
    /// Throws output away that the other side has not got yet.
    pub fn flush_output(&mut self, fx: &mut Effects) {
        self.echo.clear();
        self.output.truncate(OUTPUT_KEPT);
        fx.packet |= TIOCPKT_FLUSHWRITE;
    }
    /// Stops output until `resume` (`TCOOFF`).
    pub fn hold(&mut self, fx: &mut Effects) {
        if !self.held {
            self.held = true;
            self.stop(fx);
        }
    }
    /// Lets output go on (`TCOON`).
    pub fn resume(&mut self, fx: &mut Effects) {
        if self.held {
            self.held = false;
            self.start(fx);
        }
    }
    fn stop(&mut self, fx: &mut Effects) {
        if !self.stopped {
            self.stopped = true;
            fx.packet = fx.packet & !TIOCPKT_START | TIOCPKT_STOP;
        }
    }
    fn start(&mut self, fx: &mut Effects) {
        if self.stopped && !self.held {
            self.stopped = false;
            fx.packet = fx.packet & !TIOCPKT_STOP | TIOCPKT_START;
            self.flush_echo();
        }
    }
}

/// Which bytes mean something. A control character that is 0 is none.
fn special(m: &Modes) -> [bool; 256] {
    let mut map = [false; 256];
    let mut set = |on: bool, chars: &[u8]| {
        for c in chars.iter().filter(|_| on) {
            map[usize::from(*c)] = true;
        }
    };
    let cc = &m.cc;
    set(m.iflag & (IGNCR | ICRNL) != 0, b"\r");
    set(m.i(INLCR), b"\n");
    set(m.l(ICANON), &[cc[VERASE], cc[VKILL], cc[VEOF], cc[VEOL], b'\n']);
    set(m.l(ICANON) && m.l(IEXTEN), &[cc[VWERASE], cc[VLNEXT], cc[VEOL2]]);
    set(m.l(ICANON) && m.l(IEXTEN) && m.l(ECHO), &[cc[VREPRINT]]);
    set(m.i(IXON), &[cc[VSTART], cc[VSTOP]]);
    set(m.l(ISIG), &[cc[VINTR], cc[VQUIT], cc[VSUSP]]);
    map[0] = false;
    map
}
