//! What the host has mapped in a process.

use abi::Errno;

/// The address ranges that are mapped in a process, in order. Errors: `ENOMEM` if the host does not tell.
pub(crate) fn mapped_ranges(pid: i32) -> Result<Vec<(u64, u64)>, Errno> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).map_err(|_| Errno::ENOMEM)?;
    let range = |line: &str| {
        let (a, b) = line.split_whitespace().next()?.split_once('-')?;
        Some((u64::from_str_radix(a, 16).ok()?, u64::from_str_radix(b, 16).ok()?))
    };
    Ok(maps.lines().filter_map(range).collect())
}
