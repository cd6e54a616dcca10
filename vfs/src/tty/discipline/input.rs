//! What is typed: signals, flow control, ends of lines.

use abi::fs::termios::*;

use super::queue::{END, SIZE};
use super::{Effects, LineDiscipline};

const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGTSTP: i32 = 20;
/// With `PARMRK` it begins a mark, and is doubled where it is typed.
const MARK: u8 = 0xff;

impl LineDiscipline {
    /// Takes bytes from the keyboard's side and says how many. It takes fewer when the queue is full: a program has to read
    /// first. While no line is finished it takes all, and what a line cannot hold is lost but for its end.
    pub fn receive(&mut self, bytes: &[u8], fx: &mut Effects) -> usize {
        let mut rest = bytes;
        while let Some(c) = rest.first() {
            let free = SIZE.saturating_sub(self.input.len());
            let marks = self.modes.i(PARMRK);
            let room = if marks { free.div_ceil(3) } else { free };
            if room <= 1 {
                if !self.modes.l(ICANON) || self.input.has_line() {
                    break;
                }
                let needed = if marks && *c == MARK { 2 } else { 1 };
                for _ in free..needed {
                    self.input.pop();
                }
            }
            self.receive_byte(*c, fx);
            rest = &rest[1..];
        }
        bytes.len() - rest.len()
    }

    fn receive_byte(&mut self, mut c: u8, fx: &mut Effects) {
        let literal = core::mem::take(&mut self.literal);
        if self.modes.i(ISTRIP) {
            c &= 0x7f;
        }
        if self.modes.i(IUCLC) && self.modes.l(IEXTEN) {
            c = c.to_ascii_lowercase();
        }
        if self.modes.l(EXTPROC) && !literal {
            self.input.push(c);
        } else if literal || !self.special[usize::from(c)] {
            self.restart_by_any(fx);
            self.take_character(c);
        } else {
            self.receive_special(c, fx);
        }
    }

    fn is(&self, c: u8, place: usize) -> bool {
        c == self.modes.cc[place]
    }

    fn receive_special(&mut self, mut c: u8, fx: &mut Effects) {
        if self.modes.i(IXON) {
            if self.is(c, VSTART) {
                return self.start(fx);
            }
            if self.is(c, VSTOP) {
                return self.stop(fx);
            }
        }
        if self.modes.l(ISIG) {
            for (place, signal) in [(VINTR, SIGINT), (VQUIT, SIGQUIT), (VSUSP, SIGTSTP)] {
                if self.is(c, place) {
                    return self.signal(c, signal, fx);
                }
            }
        }
        self.restart_by_any(fx);
        match c {
            b'\r' if self.modes.i(IGNCR) => return,
            b'\r' if self.modes.i(ICRNL) => c = b'\n',
            b'\n' if self.modes.i(INLCR) => c = b'\r',
            _ => {}
        }
        if self.modes.l(ICANON) && self.edit_line(c) {
            return;
        }
        if c == b'\n' && self.modes.l(ECHO) {
            self.finish_erasing();
            self.echo_raw(c);
            self.input.push(c);
        } else {
            self.take_character(c);
        }
    }

    /// With `IXANY` any key lets output go on.
    fn restart_by_any(&mut self, fx: &mut Effects) {
        if self.modes.i(IXON) && self.modes.i(IXANY) {
            self.start(fx);
        }
    }

    /// A key for a signal. It throws input and output away, unless `NOFLSH` keeps them.
    fn signal(&mut self, c: u8, signal: i32, fx: &mut Effects) {
        fx.signals.push(signal);
        if !self.modes.l(NOFLSH) {
            self.flush_output(fx);
            self.flush_input(fx);
        }
        if self.modes.i(IXON) {
            self.start(fx);
        }
        if self.modes.l(ECHO) {
            self.echo(c);
        }
    }

    /// A character of the text.
    fn take_character(&mut self, c: u8) {
        if self.modes.l(ECHO) {
            self.finish_erasing();
            self.note_line_column();
            self.echo(c);
        }
        self.put(c);
    }

    fn put(&mut self, c: u8) {
        if c == MARK && self.modes.i(PARMRK) {
            self.input.push(c);
        }
        self.input.push(c);
    }

    /// Keys that edit a line or end it. `false` for all other keys.
    fn edit_line(&mut self, c: u8) -> bool {
        let extended = self.modes.l(IEXTEN);
        if self.is(c, VERASE) || self.is(c, VKILL) || extended && self.is(c, VWERASE) {
            self.erase(c);
        } else if extended && self.is(c, VLNEXT) {
            self.literal = true;
            if self.modes.l(ECHO) {
                self.finish_erasing();
                if self.modes.l(ECHOCTL) {
                    self.echo_raw(b'^');
                    self.echo_raw(0x08);
                }
            }
        } else if extended && self.modes.l(ECHO) && self.is(c, VREPRINT) {
            self.reprint(c);
        } else if c == b'\n' {
            if self.modes.l(ECHO) || self.modes.l(ECHONL) {
                self.echo_raw(c);
            }
            self.input.end_line(c);
        } else if self.is(c, VEOF) {
            self.input.end_line(END);
        } else if self.is(c, VEOL) || extended && self.is(c, VEOL2) {
            if self.modes.l(ECHO) {
                self.note_line_column();
                self.echo(c);
            }
            if c == MARK && self.modes.i(PARMRK) {
                self.input.push(c);
            }
            self.input.end_line(c);
        } else {
            return false;
        }
        true
    }
}
