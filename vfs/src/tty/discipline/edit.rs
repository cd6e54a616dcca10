//! Editing the line that is being typed, with an echo that shows it.

use abi::fs::termios::*;

use super::LineDiscipline;
use super::echo::is_control;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

impl LineDiscipline {
    /// Whether `c` goes on a character that began before (UTF-8).
    pub(super) fn continues(&self, c: u8) -> bool {
        self.modes.i(IUTF8) && c & 0xc0 == 0x80
    }

    /// `VERASE`, `VWERASE` or `VKILL` was typed.
    pub(super) fn erase(&mut self, c: u8) {
        if self.input.typed().len() == 0 {
            return;
        }
        let what = if c == self.modes.cc[VERASE] {
            Erase::Character
        } else if c == self.modes.cc[VWERASE] && self.modes.l(IEXTEN) && c != self.modes.cc[VKILL] {
            Erase::Word
        } else {
            Erase::Line
        };
        let m = self.modes;
        if what == Erase::Line && !(m.l(ECHO) && m.l(ECHOK) && m.l(ECHOKE) && m.l(ECHOE)) {
            self.input.forget_typed();
            if m.l(ECHO) {
                self.finish_erasing();
                self.echo(m.cc[VKILL]);
                if m.l(ECHOK) {
                    self.echo_raw(b'\n');
                }
            }
            return;
        }
        self.erase_characters(what);
        if self.input.typed().len() == 0 && m.l(ECHO) {
            self.finish_erasing();
        }
    }

    fn erase_characters(&mut self, what: Erase) {
        let mut in_word = false;
        loop {
            // The last character, with the bytes that go on it.
            let Some(back) = self.input.typed().rev().position(|c| !self.continues(c)) else { break };
            let Some(c) = self.input.typed().rev().nth(back) else { break };
            if what == Erase::Word {
                if c.is_ascii_alphanumeric() || c == b'_' {
                    in_word = true;
                } else if in_word {
                    break;
                }
            }
            let mut tail = [0u8; 4];
            let shown = back.min(tail.len());
            for (to, from) in tail.iter_mut().zip(self.input.typed().rev().take(shown)) {
                *to = from;
            }
            for _ in 0..=back {
                self.input.pop();
            }
            if self.modes.l(ECHO) {
                self.echo_erased(c, &tail[..shown], what);
            }
            if what == Erase::Character {
                break;
            }
        }
    }

    /// Shows that `c` is gone; `tail` are the bytes that went on it, last one first.
    fn echo_erased(&mut self, c: u8, tail: &[u8], what: Erase) {
        let m = self.modes;
        if m.l(ECHOPRT) {
            if !self.erasing {
                self.echo_raw(b'\\');
                self.erasing = true;
            }
            self.echo(c);
            for c in tail.iter().rev() {
                self.echo_raw(*c);
            }
        } else if what == Erase::Character && !m.l(ECHOE) {
            self.echo(m.cc[VERASE]);
        } else if c == b'\t' {
            self.echo_erased_tab();
        } else {
            let width = match (is_control(c), m.l(ECHOCTL)) {
                (true, true) => 2,
                (true, false) => 0,
                (false, _) => 1,
            };
            for _ in 0..width {
                for c in *b"\x08 \x08" {
                    self.echo_raw(c);
                }
            }
        }
    }

    /// Goes back to where a tab began: to the column after what precedes it.
    fn echo_erased_tab(&mut self) {
        let mut columns = 0;
        let mut after_tab = false;
        for c in self.input.typed().rev() {
            if c == b'\t' {
                after_tab = true;
                break;
            }
            if is_control(c) {
                columns += if self.modes.l(ECHOCTL) { 2 } else { 0 };
            } else if !self.continues(c) {
                columns += 1;
            }
        }
        if !after_tab {
            columns += self.line_column;
        }
        for _ in 0..8 - columns % 8 {
            self.echo_plain(0x08);
            self.column = self.column.saturating_sub(1);
        }
    }

    /// `VREPRINT` was typed: shows the line again.
    pub(super) fn reprint(&mut self, c: u8) {
        self.finish_erasing();
        self.echo(c);
        self.echo_raw(b'\n');
        let typed: alloc::vec::Vec<u8> = self.input.typed().collect();
        for c in typed {
            self.echo(c);
        }
    }
}
