//! Landlock: the files that this process may open, whatever it does.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// What may be done below a directory, or with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Reading.
    Read,
    /// Reading, writing, making and removing.
    Write,
}

const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const EXECUTE: u64 = 1;
/// Those that mean something for a file.
const OF_FILES: u64 = EXECUTE | 1 << 1 | READ_FILE | 1 << 14 | 1 << 15;

/// All rights to files that this version of the interface knows.
fn file_rights(version: libc::c_long) -> u64 {
    match version {
        ..=1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3..=4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    }
}

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct BeneathRule {
    allowed: u64,
    parent: i32,
}

/// From now on the calling thread may open files beneath these descriptors only, connect to nothing, and send signals to nobody but
/// itself and what it starts. Which of this the host knows depends on its version.
///
/// Errors: `ENOSYS`, `EOPNOTSUPP` on hosts without Landlock; the host's.
pub fn restrict_files(trees: &[(BorrowedFd<'_>, Reach)]) -> io::Result<()> {
    const VERSION: libc::c_long = 1;
    // SAFETY: no attributes are given to this request.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0usize, 0usize, VERSION) };
    let version = check(version)?;
    let rights = file_rights(version);
    let ruleset = Ruleset {
        files: rights,
        network: if version >= 4 { 3 } else { 0 },
        scoped: if version >= 6 { 3 } else { 0 },
    };
    let len = match version {
        ..=3 => 8,
        4..=5 => 16,
        _ => size_of::<Ruleset>(),
    };
    // SAFETY: the structure is valid for the length that this version knows.
    let fd = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const ruleset, len, 0) };
    // SAFETY: the descriptor is new and nobody else's.
    let rules = unsafe { OwnedFd::from_raw_fd(check(fd)? as i32) };
    for (tree, reach) in trees {
        let wanted = match reach {
            Reach::Read => READ_FILE | READ_DIR,
            Reach::Write => rights & !EXECUTE,
        };
        let of_kind = if is_directory(*tree)? { u64::MAX } else { OF_FILES };
        let rule = BeneathRule { allowed: wanted & of_kind, parent: tree.as_raw_fd() };
        const PATH_BENEATH: libc::c_long = 1;
        let (fd, rule) = (rules.as_raw_fd(), &raw const rule);
        // SAFETY: the rule is a valid structure of this kind.
        check(unsafe { libc::syscall(libc::SYS_landlock_add_rule, fd, PATH_BENEATH, rule, 0) })?;
    }
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) }).map(drop)
}

fn is_directory(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mode = rustix::fs::fstat(fd)?.st_mode;
    Ok(rustix::fs::FileType::from_raw_mode(mode).is_dir())
}
