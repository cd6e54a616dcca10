//! Sets of processors, as text.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// Ascending numbers as ranges: `0-3,8`.
pub(super) fn ranges(numbers: &[usize]) -> String {
    let mut out = String::new();
    for run in numbers.chunk_by(|a, b| a + 1 == *b) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let comma = if out.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ =
            if first == last { write!(out, "{comma}{first}") } else { write!(out, "{comma}{first}-{last}") };
    }
    out
}

/// Numbers below `all` as a mask: groups of 32 bits in hexadecimal, the highest first, as wide as `all` asks for.
pub(super) fn mask(numbers: &[usize], all: usize) -> String {
    let groups = all.max(1).div_ceil(32);
    let mut words = alloc::vec![0_u32; groups];
    for n in numbers {
        if let Some(word) = words.get_mut(n / 32) {
            *word |= 1 << (n % 32);
        }
    }
    let width = |group: usize| if group + 1 == groups { (all - 32 * group).div_ceil(4) } else { 8 };
    let shown: Vec<String> =
        words.iter().enumerate().rev().map(|(n, word)| alloc::format!("{word:0w$x}", w = width(n))).collect();
    shown.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined() {
        assert_eq!(ranges(&[0, 1, 2, 3]), "0-3");
        assert_eq!(ranges(&[0, 2, 3, 8]), "0,2-3,8");
        assert_eq!(ranges(&[]), "");
    }
    #[test]
    fn masks_are_as_wide_as_the_machine() {
        assert_eq!(mask(&[0, 1], 2), "3");
        assert_eq!(mask(&[0], 40), "00,00000001");
        assert_eq!(mask(&[0, 39], 40), "80,00000001");
        assert_eq!(mask(&[31], 32), "80000000");
    }
}
