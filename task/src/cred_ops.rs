//! Changes of credentials, `setuid(2)`, `capset(2)`, `capabilities(7)`. Each makes new credentials from old ones.

use abi::Errno;
use kcore::cred::{Cap, CapSet, Credentials};
use kcore::id::{Gid, Uid};

/// `SECBIT_NOROOT`.
pub const NOROOT: u32 = 1;
/// `SECBIT_NO_SETUID_FIXUP`.
pub const NO_SETUID_FIXUP: u32 = 4;
/// `SECBIT_KEEP_CAPS`.
pub const KEEP_CAPS: u32 = 16;

fn fixup(old: &Credentials, mut new: Credentials) -> Credentials {
    if old.securebits & NO_SETUID_FIXUP != 0 {
        return new;
    }
    let root = |c: &Credentials| [c.uid, c.euid, c.suid].contains(&Uid::ROOT);
    if root(old) && !root(&new) {
        if old.securebits & KEEP_CAPS == 0 {
            new.permitted = CapSet::EMPTY;
            new.effective = CapSet::EMPTY;
        }
        new.ambient = CapSet::EMPTY;
    }
    if old.euid == Uid::ROOT && new.euid != Uid::ROOT {
        new.effective = CapSet::EMPTY;
    } else if old.euid != Uid::ROOT && new.euid == Uid::ROOT {
        new.effective = new.permitted;
    }
    new
}

/// `setresuid(2)`; `None` leaves a number. `setuid`, `seteuid` and `setreuid` are made of it by the caller's rules.
///
/// Errors: `EPERM`.
pub fn setresuid(
    c: &Credentials,
    r: Option<Uid>,
    e: Option<Uid>,
    s: Option<Uid>,
) -> Result<Credentials, Errno> {
    let own = [c.uid, c.euid, c.suid];
    if !c.has_cap(Cap::Setuid) && [r, e, s].into_iter().flatten().any(|u| !own.contains(&u)) {
        return Err(Errno::EPERM);
    }
    let mut n = c.clone();
    (n.uid, n.euid, n.suid) = (r.unwrap_or(c.uid), e.unwrap_or(c.euid), s.unwrap_or(c.suid));
    n.fsuid = n.euid;
    Ok(fixup(c, n))
}
/// `setuid(2)`.
///
/// Errors: `EPERM`.
pub fn setuid(c: &Credentials, u: Uid) -> Result<Credentials, Errno> {
    if c.has_cap(Cap::Setuid) {
        return setresuid(c, Some(u), Some(u), Some(u));
    }
    if u != c.uid && u != c.suid { Err(Errno::EPERM) } else { setresuid(c, None, Some(u), None) }
}
/// `setresgid(2)`; `None` leaves a number.
///
/// Errors: `EPERM`.
pub fn setresgid(
    c: &Credentials,
    r: Option<Gid>,
    e: Option<Gid>,
    s: Option<Gid>,
) -> Result<Credentials, Errno> {
    let own = [c.gid, c.egid, c.sgid];
    if !c.has_cap(Cap::Setgid) && [r, e, s].into_iter().flatten().any(|g| !own.contains(&g)) {
        return Err(Errno::EPERM);
    }
    let mut n = c.clone();
    (n.gid, n.egid, n.sgid) = (r.unwrap_or(c.gid), e.unwrap_or(c.egid), s.unwrap_or(c.sgid));
    n.fsgid = n.egid;
    Ok(n)
}
/// `setgid(2)`.
///
/// Errors: `EPERM`.
pub fn setgid(c: &Credentials, g: Gid) -> Result<Credentials, Errno> {
    if c.has_cap(Cap::Setgid) {
        return setresgid(c, Some(g), Some(g), Some(g));
    }
    if g != c.gid && g != c.sgid { Err(Errno::EPERM) } else { setresgid(c, None, Some(g), None) }
}
/// `capset(2)`.
///
/// Errors: `EPERM`.
pub fn capset(
    c: &Credentials,
    effective: CapSet,
    permitted: CapSet,
    inheritable: CapSet,
) -> Result<Credentials, Errno> {
    let limit =
        c.inheritable.or(if c.has_cap(Cap::Setpcap) { c.bounding.or(c.permitted) } else { c.permitted });
    if !inheritable.is_subset(limit)
        || !inheritable.is_subset(c.inheritable.or(c.bounding))
        || !permitted.is_subset(c.permitted)
        || !effective.is_subset(permitted)
    {
        return Err(Errno::EPERM);
    }
    let ambient = c.ambient.and(permitted).and(inheritable);
    Ok(Credentials { effective, permitted, inheritable, ambient, ..c.clone() })
}

/// What `execve` finds on the file. Identities are `None` where the set-id bits do not count (or the mount says `nosuid`).
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecFile {
    /// Owner, if set-user-id.
    pub setuid: Option<Uid>,
    /// Group, if set-group-id.
    pub setgid: Option<Gid>,
    /// File capabilities: permitted, inheritable, and whether they become effective.
    pub caps: Option<(CapSet, CapSet, bool)>,
}

/// The credentials after `execve(2)`, `capabilities(7)`, and whether they gained privileges (`AT_SECURE`).
pub fn exec(c: &Credentials, file: &ExecFile, no_new_privs: bool) -> (Credentials, bool) {
    let file = if no_new_privs { ExecFile::default() } else { *file };
    let mut n = c.clone();
    if let Some(u) = file.setuid {
        n.euid = u;
    }
    if let Some(g) = file.setgid {
        n.egid = g;
    }
    let (mut fp, mut fi, mut fe) = file.caps.unwrap_or_default();
    let root = c.securebits & NOROOT == 0 && (n.euid == Uid::ROOT || n.uid == Uid::ROOT);
    if root && !(file.caps.is_some() && n.uid != Uid::ROOT) {
        (fp, fi) = (CapSet::ALL, CapSet::ALL);
        fe = n.euid == Uid::ROOT;
    }
    let privileged = file.setuid.is_some() || file.setgid.is_some() || file.caps.is_some();
    n.ambient = if privileged { CapSet::EMPTY } else { c.ambient };
    n.permitted = c.inheritable.and(fi).or(fp.and(c.bounding)).or(n.ambient);
    if no_new_privs {
        n.permitted = n.permitted.and(c.permitted);
    }
    n.effective = if fe { n.permitted } else { n.ambient };
    (n.suid, n.fsuid, n.sgid, n.fsgid) = (n.euid, n.euid, n.egid, n.egid);
    n.securebits &= !KEEP_CAPS;
    let secure = n.euid != n.uid || n.egid != n.gid || n.uid != Uid::ROOT && fe && file.caps.is_some();
    (n, secure)
}
