//! What programs write on its way to the screen's side.

use abi::fs::termios::*;
use kcore::io::{IoError, IoResult, IoSink, IoSource};

use super::echo::is_control;
use super::{LineDiscipline, OUTPUT_KEPT, OUTPUT_LIMIT};

/// Bytes processed at once.
const CHUNK: usize = 512;
/// The most bytes that one becomes: a tab as spaces.
const WIDEST: usize = 8;

impl LineDiscipline {
    /// Takes what a program writes, as much as there is room for, and says how much. Errors: `Again` while output is stopped or
    /// nobody reads it; the source's.
    pub fn write(&mut self, src: &mut dyn IoSource) -> IoResult<usize> {
        self.flush_echo();
        let mut done = 0;
        while src.remaining() > 0 {
            let room = OUTPUT_LIMIT.saturating_sub(self.output.len());
            if self.stopped || room == 0 {
                return if done > 0 { Ok(done) } else { Err(IoError::Again) };
            }
            let mut buf = [0u8; CHUNK];
            let want = CHUNK.min(room).min(src.remaining());
            let n = match src.read(&mut buf[..want]) {
                Ok(n) => n,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e.into()),
            };
            self.process_all(&buf[..n]);
            done += n;
            if n < want {
                break;
            }
        }
        Ok(done)
    }
    fn process_all(&mut self, bytes: &[u8]) {
        if !self.modes.o(OPOST) {
            self.output.extend(bytes);
            return;
        }
        for c in bytes {
            let (out, n) = self.process(*c);
            self.output.extend(&out[..n]);
        }
    }
    /// What a byte of output becomes (`OPOST`), and the column after it.
    pub(super) fn process(&mut self, c: u8) -> ([u8; WIDEST], usize) {
        let m = &self.modes;
        let mut out = [b' '; WIDEST];
        out[0] = c;
        match c {
            b'\n' => {
                if m.o(ONLRET) || m.o(ONLCR) {
                    self.column = 0;
                }
                self.line_column = self.column;
                if m.o(ONLCR) {
                    out[..2].copy_from_slice(b"\r\n");
                    return (out, 2);
                }
            }
            b'\r' if m.o(ONOCR) && self.column == 0 => return (out, 0),
            b'\r' if m.o(OCRNL) => {
                out[0] = b'\n';
                if m.o(ONLRET) {
                    self.column = 0;
                    self.line_column = 0;
                }
            }
            b'\r' => {
                self.column = 0;
                self.line_column = 0;
            }
            b'\t' => {
                let spaces = WIDEST - self.column % WIDEST;
                self.column += spaces;
                if m.oflag & TABDLY == XTABS {
                    out[0] = b' ';
                    return (out, spaces);
                }
            }
            0x08 => self.column = self.column.saturating_sub(1),
            _ if is_control(c) => {}
            _ => {
                if m.o(OLCUC) {
                    out[0] = c.to_ascii_uppercase();
                }
                if !self.continues(c) {
                    self.column += 1;
                }
            }
        }
        (out, 1)
    }
    /// Whether a program can write.
    pub fn can_write(&self) -> bool {
        !self.stopped && self.output.len() < OUTPUT_LIMIT
    }
    /// Bytes for the screen's side.
    pub fn output_len(&self) -> usize {
        self.output.len()
    }
    /// Gives output to the screen's side, and says how much. Errors: `Again` if there is none; the sink's.
    pub fn take_output(&mut self, dst: &mut dyn IoSink) -> IoResult<usize> {
        if self.output.is_empty() {
            return Err(IoError::Again);
        }
        let (a, b) = self.output.as_slices();
        let mut n = dst.write(a)?;
        if n == a.len() && dst.remaining() > 0 {
            // What was given counts, whatever becomes of the rest.
            n += dst.write(b).unwrap_or(0);
        }
        self.output.drain(..n);
        self.flush_echo();
        Ok(n)
    }
    /// Throws the output away that the screen's side has taken and not read.
    pub fn drop_taken(&mut self) {
        let n = self.output.len().min(OUTPUT_KEPT);
        self.output.drain(..n);
        self.flush_echo();
    }
    /// Puts a byte into the output as it is (`TCIOFF`, `TCION`). Without room it is lost.
    pub fn send(&mut self, c: u8) {
        if c != 0 && self.output.len() < OUTPUT_LIMIT {
            self.output.push_back(c);
        }
    }
}
