//! Tables of the names of constants, for traces and messages.

use core::fmt;

/// The names and values of one family of constants, in the order of Linux's headers.
#[derive(Clone, Copy, Debug)]
pub struct Names(pub &'static [(&'static str, u64)]);

impl Names {
    /// The first name of this value, or `None` if no constant of the family has it.
    pub fn name(self, value: u64) -> Option<&'static str> {
        self.0.iter().find(|(_, v)| *v == value).map(|(name, _)| *name)
    }

    /// The value of this name, or `None` if the family has no such constant.
    pub fn value(self, name: &str) -> Option<u64> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }

    /// Shows one value by its name, or as a number.
    pub fn show(self, value: u64) -> ShowName {
        ShowName { names: self, value }
    }

    /// Shows a set of flags as names joined by `|`, with what has no name as a hexadecimal number.
    ///
    /// A constant of several bits is named when all of them are set and one listed before it has not named all of them already.
    pub fn flags(self, value: u64) -> ShowFlags {
        ShowFlags { names: self, value }
    }
}

/// What [`Names::show`] gives.
#[derive(Clone, Copy, Debug)]
pub struct ShowName {
    names: Names,
    value: u64,
}

impl fmt::Display for ShowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.name(self.value) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.value),
        }
    }
}

/// What [`Names::flags`] gives.
#[derive(Clone, Copy, Debug)]
pub struct ShowFlags {
    names: Names,
    value: u64,
}

impl ShowFlags {
    /// Several bits first, so that `O_SYNC` is not shown as its parts.
    fn widest(self, rest: u64) -> Option<(&'static str, u64)> {
        let fits = self.names.0.iter().copied().filter(|(_, v)| *v != 0 && rest & v == *v);
        // `max_by_key` takes the last of equals; headers list the preferred name first.
        fits.rev().max_by_key(|(_, v)| v.count_ones())
    }
}

impl fmt::Display for ShowFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value == 0 {
            return f.write_str(self.names.name(0).unwrap_or("0"));
        }
        let (mut rest, mut bar) = (self.value, "");
        while let Some((name, bits)) = self.widest(rest) {
            write!(f, "{bar}{name}")?;
            rest &= !bits;
            bar = "|";
        }
        if rest != 0 { write!(f, "{bar}{rest:#x}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    const N: Names = Names(&[("NONE", 0), ("A", 1), ("B", 2), ("AB", 3), ("ALSO_A", 1), ("TOP", 1 << 63)]);

    #[test]
    fn values_and_names() {
        assert_eq!(N.name(2), Some("B"));
        assert_eq!(N.value("AB"), Some(3));
        assert_eq!(N.value("C"), None);
        assert_eq!(N.show(7).to_string(), "0x7");
    }

    #[test]
    fn flags_are_joined_and_the_rest_is_shown() {
        assert_eq!(N.flags(0).to_string(), "NONE");
        assert_eq!(N.flags(3).to_string(), "AB");
        assert_eq!(N.flags(1 | 4 | 1 << 63).to_string(), "A|TOP|0x4");
        assert_eq!(Names(&[]).flags(0).to_string(), "0");
    }
}
