//! Echo: what typing shows.

use abi::fs::termios::*;

use super::{ECHO_LIMIT, LineDiscipline, OUTPUT_LIMIT};

pub(super) fn is_control(c: u8) -> bool {
    c < 0x20 || c == 0x7f
}

impl LineDiscipline {
    /// Shows a typed character, control characters as `^X` if so set.
    pub(super) fn echo(&mut self, c: u8) {
        if self.modes.l(ECHOCTL) && is_control(c) && c != b'\t' {
            self.echo_plain(b'^');
            self.echo_plain(c ^ 0x40);
            self.column += 2;
        } else {
            self.echo_raw(c);
        }
    }
    /// Shows a character as a program's output would be.
    pub(super) fn echo_raw(&mut self, c: u8) {
        if self.modes.o(OPOST) {
            let (bytes, n) = self.process(c);
            for c in &bytes[..n] {
                self.echo_plain(*c);
            }
        } else {
            self.echo_plain(c);
        }
    }
    /// Shows a byte as it is.
    pub(super) fn echo_plain(&mut self, c: u8) {
        if self.echo.is_empty() && !self.stopped && self.output.len() < OUTPUT_LIMIT {
            self.output.push_back(c);
        } else if self.echo.len() < ECHO_LIMIT {
            self.echo.push_back(c);
        }
    }
    /// Moves waiting echo to the output, as far as that takes it.
    pub(super) fn flush_echo(&mut self) {
        if self.stopped {
            return;
        }
        while self.output.len() < OUTPUT_LIMIT
            && let Some(c) = self.echo.pop_front()
        {
            self.output.push_back(c);
        }
    }
    /// Ends the marks around erased characters (`ECHOPRT`).
    pub(super) fn finish_erasing(&mut self) {
        if core::mem::take(&mut self.erasing) {
            self.echo_raw(b'/');
        }
    }
    /// The first character of a line is about to be shown: tabs are erased by its column.
    pub(super) fn note_line_column(&mut self) {
        if self.input.typed().len() == 0 {
            self.line_column = self.column;
        }
    }
}
