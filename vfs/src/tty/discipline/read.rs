//! What programs read.

use kcore::io::{IoError, IoResult, IoSink};

use super::LineDiscipline;

impl LineDiscipline {
    /// Whether a read gives something: a finished line, or any byte where input does not come in lines.
    pub fn can_read(&self) -> bool {
        self.has_input(1)
    }
    /// Whether a line is there, or `min` bytes where input does not come in lines.
    pub fn has_input(&self, min: usize) -> bool {
        if self.is_canonical() { self.input.has_line() } else { self.input.len() >= min }
    }
    /// Bytes that could be read now (`FIONREAD`).
    pub fn input_len(&self) -> usize {
        if self.is_canonical() { self.input.line_bytes() } else { self.input.len() }
    }
    /// Gives input and says how much: at most one line, where input comes in lines; nothing for an end of file.
    /// Errors: `Again` if there is none; the sink's.
    pub fn read(&mut self, dst: &mut dyn IoSink) -> IoResult<usize> {
        if !self.can_read() {
            return Err(IoError::Again);
        }
        let limit = dst.remaining();
        if !self.is_canonical() {
            return self.give(dst, limit.min(self.input.len()));
        }
        if limit == 0 {
            return Ok(0);
        }
        let (len, eof) = self.input.first_line();
        let want = len.min(limit);
        let n = if want > 0 { self.give(dst, want)? } else { 0 };
        if eof && n == len {
            // Also when the reader's buffer is exactly full: the next read must not find an empty line.
            self.input.consume(1);
        }
        Ok(n)
    }
    fn give(&mut self, dst: &mut dyn IoSink, n: usize) -> IoResult<usize> {
        let (a, b) = self.input.front(n);
        let mut given = dst.write(a)?;
        if given == a.len() && !b.is_empty() {
            given += dst.write(b).unwrap_or(0);
        }
        self.input.consume(given);
        Ok(given)
    }
}
