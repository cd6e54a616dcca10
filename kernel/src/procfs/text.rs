//! Writing text that procfs shows.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// A text under construction. Names of files need not be UTF-8, so it is bytes.
#[derive(Default)]
pub(super) struct Text(Vec<u8>);

impl Text {
    /// Appends bytes as they are.
    pub(super) fn bytes(&mut self, b: &[u8]) {
        self.0.extend_from_slice(b);
    }
    /// Appends a path, with what would break a line or a column as octal escapes (`seq_path`'s `" \t\n\\"`).
    pub(super) fn escaped(&mut self, b: &[u8], special: &[u8]) {
        for c in b {
            if special.contains(c) {
                self.put(format_args!("\\{c:03o}"));
            } else {
                self.0.push(*c);
            }
        }
    }
    /// Appends formatted text.
    pub(super) fn put(&mut self, args: fmt::Arguments<'_>) {
        // Writing to a vector cannot fail.
        let _ = self.write_fmt(args);
    }
    /// Pads the last line with spaces up to column `n`.
    pub(super) fn pad_line(&mut self, from: usize, n: usize) {
        let have = self.0.len().saturating_sub(from);
        self.0.resize(self.0.len() + n.saturating_sub(have), b' ');
    }
    /// Length so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
    /// The bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.bytes(s.as_bytes());
        Ok(())
    }
}

/// Appends one formatted line to a [`Text`].
macro_rules! line {
    ($text:expr, $($arg:tt)*) => {{
        $text.put(format_args!($($arg)*));
        $text.bytes(b"\n");
    }};
}
pub(super) use line;

/// The name of a task, as `comm` has it, with escapes where a line would break.
pub(super) fn comm(raw: [u8; 16], special: &[u8]) -> String {
    let mut t = Text::default();
    let end = raw.iter().position(|b| *b == 0).unwrap_or(raw.len());
    for c in &raw[..end] {
        match c {
            b'\n' if special.contains(c) => t.bytes(b"\\n"),
            b'\\' if special.contains(c) => t.bytes(b"\\\\"),
            _ => t.bytes(&[*c]),
        }
    }
    String::from_utf8_lossy(&t.into_bytes()).into_owned()
}

/// A number that a program wrote, with white space around it.
///
/// Errors: `EINVAL`.
pub(super) fn number<T: core::str::FromStr>(data: &[u8]) -> Result<T, abi::Errno> {
    let text = core::str::from_utf8(data).map_err(|_| abi::Errno::EINVAL)?;
    text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0').parse().map_err(|_| abi::Errno::EINVAL)
}

/// A mask of processors as `cpus_allowed` shows it: words of 32 bits, the highest first.
pub(super) fn mask(words: &[u64; 16], cpus: usize) -> String {
    let groups = cpus.div_ceil(32).max(1);
    let group = |i: usize| {
        let word = words.get(i / 2).copied().unwrap_or(0) >> (i % 2 * 32) & 0xffff_ffff;
        let bits = cpus.saturating_sub(i * 32).min(32);
        if bits == 32 { word } else { word & ((1 << bits) - 1) }
    };
    let mut out = String::new();
    for i in (0..groups).rev() {
        // The first word is as wide as it needs to be.
        let width = if i + 1 == groups { (cpus - i * 32).div_ceil(4) } else { 8 };
        let _ = write!(out, "{:0width$x}{}", group(i), if i > 0 { "," } else { "" });
    }
    out
}

/// A set of numbers as ranges: `0-3,8`.
pub(super) fn ranges(numbers: impl Iterator<Item = usize>) -> String {
    let mut all: Vec<(usize, usize)> = Vec::new();
    for n in numbers {
        match all.last_mut() {
            Some((_, end)) if *end + 1 == n => *end = n,
            _ => all.push((n, n)),
        }
    }
    let one = |(a, b): &(usize, usize)| {
        if a == b { alloc::format!("{a}") } else { alloc::format!("{a}-{b}") }
    };
    all.iter().map(one).collect::<Vec<_>>().join(",")
}

/// The processors of `words` that exist.
pub(super) fn allowed(words: &[u64; 16], cpus: usize) -> impl Iterator<Item = usize> + '_ {
    (0..cpus).filter(|i| words.get(i / 64).is_some_and(|w| w >> (i % 64) & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_ranges_look_as_linux_writes_them() {
        let mut words = [!0; 16];
        assert_eq!(mask(&words, 2), "3");
        assert_eq!(mask(&words, 36), "f,ffffffff");
        words[0] = 0b1011;
        assert_eq!(mask(&words, 8), "0b");
        assert_eq!(ranges(allowed(&words, 8)), "0-1,3");
        assert_eq!(ranges([].into_iter()), "");
    }

    #[test]
    fn escapes_and_numbers() {
        let mut t = Text::default();
        t.escaped(b"a b\\c", b" \\");
        assert_eq!(t.into_bytes(), b"a\\040b\\134c");
        assert_eq!(number::<i32>(b" -17\n"), Ok(-17));
        assert_eq!(number::<u32>(b"x"), Err(abi::Errno::EINVAL));
        assert_eq!(comm(*b"a\nb\\c\0\0\0\0\0\0\0\0\0\0\0", b"\n\\"), "a\\nb\\\\c");
    }
}
