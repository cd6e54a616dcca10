//! Strings, buffers, lists and sets.

use alloc::string::String;
use core::fmt::{Display, Write};

use abi::signal::number::SIGNALS;
use kcore::id::Fd;

use super::values::{Values, address};
use crate::syscall::low_int;

/// How much of a buffer is shown.
const SHOWN_BYTES: usize = 32;
/// How many elements of a list are shown.
pub(super) const SHOWN_ELEMENTS: u64 = 32;

/// Bytes in quotes, as C would have them.
pub(super) fn quoted(bytes: &[u8], out: &mut String) {
    out.push('"');
    for (i, b) in bytes.iter().enumerate() {
        let next_is_digit = bytes.get(i + 1).is_some_and(u8::is_ascii_digit);
        // Writing to a string cannot fail.
        let _ = match b {
            b'"' | b'\\' => write!(out, "\\{}", char::from(*b)),
            b'\n' => write!(out, "\\n"),
            b'\t' => write!(out, "\\t"),
            b'\r' => write!(out, "\\r"),
            0x0b => write!(out, "\\v"),
            0x0c => write!(out, "\\f"),
            0x20..0x7f => write!(out, "{}", char::from(*b)),
            _ if next_is_digit => write!(out, "\\{b:03o}"),
            _ => write!(out, "\\{b:o}"),
        };
    }
    out.push('"');
}

/// A buffer of `len` bytes, or its beginning.
pub(super) fn buffer(v: &Values<'_>, at: u64, len: u64, out: &mut String) {
    if at == 0 {
        return address(at, out);
    }
    let bytes = v.bytes(at, len, SHOWN_BYTES);
    if bytes.is_empty() && len > 0 {
        return address(at, out);
    }
    quoted(&bytes, out);
    if (bytes.len() as u64) < len {
        out.push_str("...");
    }
}

/// A string that ends with a zero.
pub(super) fn path(v: &Values<'_>, at: u64, out: &mut String) {
    match (at != 0).then(|| v.c_string(at)).flatten() {
        Some(bytes) => quoted(&bytes, out),
        None => address(at, out),
    }
}

/// A descriptor that may stand for the working directory.
pub(super) fn fd(reg: u64, out: &mut String) {
    const AT_FDCWD: i32 = -100;
    match low_int(reg) {
        AT_FDCWD => out.push_str("AT_FDCWD"),
        n => push(out, Fd(n)),
    }
}

pub(super) fn push(out: &mut String, what: impl Display) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{what}");
}

/// `[a, b, …]` of `len` elements; `show` says whether an element could be shown.
pub(super) fn list(len: u64, out: &mut String, mut show: impl FnMut(u64, &mut String) -> bool) {
    out.push('[');
    for i in 0..len.min(SHOWN_ELEMENTS) {
        if i > 0 {
            out.push_str(", ");
        }
        if !show(i, out) {
            out.push_str("...");
            break;
        }
    }
    if len > SHOWN_ELEMENTS {
        out.push_str(", ...");
    }
    out.push(']');
}

/// A signal by name.
pub(super) fn signal(n: i32, out: &mut String) {
    const FIRST_REALTIME: i32 = 32;
    match SIGNALS.name(i64::from(n).cast_unsigned()).filter(|_| n > 0 && n < FIRST_REALTIME) {
        Some(name) => out.push_str(name),
        None if (FIRST_REALTIME..=64).contains(&n) => push(out, format_args!("SIGRT_{}", n - FIRST_REALTIME)),
        None => push(out, n),
    }
}

/// A set of signals: what is in it, or what is not if that is shorter.
pub(super) fn signals(set: u64, out: &mut String) {
    let (set, sign) = if set.count_ones() > 32 { (!set, "~") } else { (set, "") };
    out.push_str(sign);
    out.push('[');
    let mut gap = "";
    for n in (1..=64).filter(|n| set >> (n - 1) & 1 != 0) {
        out.push_str(gap);
        gap = " ";
        let mut name = String::new();
        signal(n, &mut name);
        out.push_str(name.strip_prefix("SIG").unwrap_or(&name));
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(f: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        f(&mut out);
        out
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(shown(|o| quoted(b"a\"b\\\n\x00001\x1b[", o)), r#""a\"b\\\n\000001\33[""#);
    }

    #[test]
    fn sets_are_short() {
        assert_eq!(shown(|o| signals(1 << 1 | 1 << 16 | 1 << 33, o)), "[INT CHLD RT_2]");
        assert_eq!(shown(|o| signals(!(1 << 8), o)), "~[KILL]");
        assert_eq!(shown(|o| signals(0, o)), "[]");
    }

    #[test]
    fn lists_end() {
        assert_eq!(
            shown(|o| list(2, o, |i, o| {
                push(o, i);
                true
            })),
            "[0, 1]"
        );
        assert_eq!(shown(|o| list(2, o, |_, _| false)), "[...]");
    }
}
