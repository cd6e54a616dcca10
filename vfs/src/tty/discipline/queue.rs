//! Input that was received and not read, and where its lines end.

use alloc::collections::VecDeque;

/// Bytes of input kept at most, with the end of the line.
pub(super) const SIZE: usize = 4096;
/// What an end-of-file is in the queue: it ends a line and is not part of it.
pub(super) const END: u8 = 0;

/// Bytes by their position since the terminal was opened, so that the ends of lines stay valid while bytes are read.
#[derive(Debug, Default)]
pub(super) struct InputQueue {
    bytes: VecDeque<u8>,
    /// Position of the first byte.
    tail: u64,
    /// Positions of the bytes that end lines.
    ends: VecDeque<u64>,
    /// Where the line begins that is being typed.
    line_start: u64,
}

impl InputQueue {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
    fn head(&self) -> u64 {
        self.tail + self.bytes.len() as u64
    }
    fn index(&self, position: u64) -> usize {
        usize::try_from(position.saturating_sub(self.tail)).unwrap_or(usize::MAX)
    }
    pub(super) fn push(&mut self, c: u8) {
        self.bytes.push_back(c);
    }
    /// Ends the line with `c`.
    pub(super) fn end_line(&mut self, c: u8) {
        self.ends.push_back(self.head());
        self.push(c);
        self.line_start = self.head();
    }
    /// Takes back the last byte of the line that is being typed.
    pub(super) fn pop(&mut self) {
        if self.head() > self.line_start {
            self.bytes.pop_back();
        }
    }
    pub(super) fn clear(&mut self) {
        self.tail = self.head();
        self.bytes.clear();
        self.ends.clear();
        self.line_start = self.tail;
    }
    /// Whether there are finished lines.
    pub(super) fn has_line(&self) -> bool {
        self.line_start != self.tail
    }
    /// The line that is being typed.
    pub(super) fn typed(&self) -> impl DoubleEndedIterator<Item = u8> + ExactSizeIterator + '_ {
        self.bytes.range(self.index(self.line_start).min(self.bytes.len())..).copied()
    }
    /// Throws away the line that is being typed.
    pub(super) fn forget_typed(&mut self) {
        let keep = self.index(self.line_start);
        self.bytes.truncate(keep);
    }
    /// Length of the first line without an end-of-file, and whether it ends in one.
    pub(super) fn first_line(&self) -> (usize, bool) {
        match self.ends.front().map(|p| self.index(*p)) {
            Some(end) if self.bytes.get(end) == Some(&END) => (end, true),
            Some(end) => (end + 1, false),
            None => (self.index(self.line_start), false),
        }
    }
    /// The first `n` bytes, in two parts.
    pub(super) fn front(&self, n: usize) -> (&[u8], &[u8]) {
        let (a, b) = self.bytes.as_slices();
        let in_a = n.min(a.len());
        (&a[..in_a], &b[..(n - in_a).min(b.len())])
    }
    /// Removes the first `n` bytes, and the ends of lines among them.
    pub(super) fn consume(&mut self, n: usize) {
        self.bytes.drain(..n.min(self.bytes.len()));
        self.tail += n as u64;
        while self.ends.front().is_some_and(|p| *p < self.tail) {
            self.ends.pop_front();
        }
        self.line_start = self.line_start.max(self.tail);
    }
    /// Bytes in finished lines, ends-of-file not counted.
    pub(super) fn line_bytes(&self) -> usize {
        let eofs = self.ends.iter().filter(|p| self.bytes.get(self.index(**p)) == Some(&END)).count();
        self.index(self.line_start).saturating_sub(eofs)
    }
    /// Line mode begins or ends: what is there becomes one line, or mere characters.
    pub(super) fn switch(&mut self, lines: bool) {
        self.ends.clear();
        if lines && !self.bytes.is_empty() {
            self.ends.push_back(self.head() - 1);
            self.line_start = self.head();
        } else {
            self.line_start = self.tail;
        }
    }
}
