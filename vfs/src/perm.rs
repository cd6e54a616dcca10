//! Permission checks, `path_resolution(7)` and `capabilities(7)`.

use kcore::cred::{Cap, Credentials};

use crate::Errno;
use crate::attr::InodeAttr;
use crate::consts::*;

/// Read permission.
pub const MAY_READ: u32 = 4;
/// Write permission.
pub const MAY_WRITE: u32 = 2;
/// Execute or search permission.
pub const MAY_EXEC: u32 = 1;

/// Whether `cred` may access a file with `mask`. Errors: `EACCES`.
pub fn check(attr: &InodeAttr, cred: &Credentials, mask: u32) -> Result<(), Errno> {
    let bits = if cred.fsuid == attr.uid {
        attr.mode >> 6
    } else if cred.in_group(attr.gid) {
        attr.mode >> 3
    } else {
        attr.mode
    };
    if mask & !bits & 7 == 0 {
        return Ok(());
    }
    let dir = attr.is_dir();
    let over = |cap| cred.has_cap_over(cap, attr.uid, attr.gid);
    if over(Cap::DacOverride) && (dir || mask & MAY_EXEC == 0 || attr.mode & 0o111 != 0) {
        return Ok(());
    }
    if over(Cap::DacReadSearch) && (mask == MAY_READ || dir && mask & MAY_WRITE == 0) {
        return Ok(());
    }
    Err(Errno::EACCES)
}

/// Whether `cred` owns the file or may act as if. Errors: `EPERM`.
pub fn check_owner(attr: &InodeAttr, cred: &Credentials) -> Result<(), Errno> {
    let may = cred.fsuid == attr.uid || cred.has_cap_over(Cap::Fowner, attr.uid, attr.gid);
    if may { Ok(()) } else { Err(Errno::EPERM) }
}

/// Whether `cred` may remove `victim` from the directory `dir` as far as the sticky bit matters. Errors: `EPERM`.
pub fn check_sticky(dir: &InodeAttr, victim: &InodeAttr, cred: &Credentials) -> Result<(), Errno> {
    let free = dir.mode & S_ISVTX == 0
        || cred.fsuid == victim.uid
        || cred.fsuid == dir.uid
        || cred.has_cap_over(Cap::Fowner, victim.uid, victim.gid);
    if free { Ok(()) } else { Err(Errno::EPERM) }
}

/// The mode after `cred` has written to a file: without the set-id bits that only `CAP_FSETID` keeps.
pub fn after_write(attr: &InodeAttr, cred: &Credentials) -> u32 {
    let mut mode = attr.mode;
    if mode & (S_ISUID | S_ISGID) == 0 || cred.has_cap_everywhere(Cap::Fsetid) {
        return mode;
    }
    mode &= !S_ISUID;
    if mode & S_IXGRP != 0 || !cred.in_group(attr.gid) {
        mode &= !S_ISGID;
    }
    mode
}

/// The mode without the set-id bits that a write or a change of owner takes away.
pub fn without_setid(mode: u32) -> u32 {
    let mode = mode & !S_ISUID;
    if mode & S_IXGRP != 0 { mode & !S_ISGID } else { mode }
}
