//! `#!` scripts, `execve(2)`.

use alloc::vec::Vec;

/// Bytes of a file that the first line of a script may take, as Linux has it.
pub(super) const LINE_MAX: usize = 256;

/// The first line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The program that runs it.
    pub interpreter: Vec<u8>,
    /// The one argument that the line may give: all of the rest, with blanks inside.
    pub argument: Option<Vec<u8>>,
}

impl Script {
    /// Reads the start of a file, up to 256 bytes. `None` for no script, or one whose interpreter's name is cut off.
    pub fn parse(head: &[u8]) -> Option<Script> {
        let rest = head.strip_prefix(b"#!")?;
        let (line, whole) = match rest.iter().position(|b| *b == b'\n') {
            Some(end) => (&rest[..end], true),
            None => (rest, head.len() < LINE_MAX),
        };
        let line = line.split(|b| *b == 0).next().unwrap_or(line).trim_ascii();
        let is_blank = |b: &u8| *b == b' ' || *b == b'\t';
        let end = line.iter().position(is_blank);
        if line.is_empty() || (end.is_none() && !whole) {
            return None;
        }
        let (name, argument) = line.split_at(end.unwrap_or(line.len()));
        let argument = argument.trim_ascii();
        Some(Script {
            interpreter: name.to_vec(),
            argument: (!argument.is_empty()).then(|| argument.to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_the_line_once() {
        let s = Script::parse(b"#! /usr/bin/env  perl -w \nprint").unwrap();
        assert_eq!(s.interpreter, b"/usr/bin/env");
        assert_eq!(s.argument.unwrap(), b"perl -w");
        assert_eq!(Script::parse(b"#!/bin/sh").unwrap().argument, None);
    }

    #[test]
    fn refuses_what_linux_refuses() {
        assert_eq!(Script::parse(b"echo hi\n"), None);
        assert_eq!(Script::parse(b"#!\n"), None);
        let mut long = b"#!".to_vec();
        long.resize(LINE_MAX, b'x');
        assert_eq!(Script::parse(&long), None);
    }
}
