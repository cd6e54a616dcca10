//! Changes of credentials, `setuid(2)`, `capset(2)`, `capabilities(7)`. Each makes new credentials from old ones.

mod exec;
mod prctl;

use abi::Errno;
use kcore::cred::{Cap, CapSet, Credentials};
use kcore::id::{Gid, Uid};

pub use exec::{ExecFile, ExecHazards, exec};
pub use prctl::{ambient_lower, ambient_raise, drop_bounding, set_keep_caps, set_securebits};

/// `SECBIT_NOROOT`.
pub const NOROOT: u32 = 1;
/// `SECBIT_NO_SETUID_FIXUP`.
pub const NO_SETUID_FIXUP: u32 = 4;
/// `SECBIT_KEEP_CAPS`.
pub const KEEP_CAPS: u32 = 16;
/// `SECBIT_KEEP_CAPS_LOCKED`.
pub const KEEP_CAPS_LOCKED: u32 = 32;
/// `SECBIT_NO_CAP_AMBIENT_RAISE`.
pub const NO_CAP_AMBIENT_RAISE: u32 = 64;

/// What a change of the file-system user to and from the superuser takes and gives.
const FS_CAPS: CapSet = CapSet::EMPTY
    .with(Cap::Chown)
    .with(Cap::Mknod)
    .with(Cap::DacOverride)
    .with(Cap::DacReadSearch)
    .with(Cap::Fowner)
    .with(Cap::Fsetid)
    .with(Cap::LinuxImmutable)
    .with(Cap::MacOverride);

fn fixup(old: &Credentials, mut new: Credentials) -> Credentials {
    let Some(superuser) = old.user_ns.root() else { return new };
    if old.securebits & NO_SETUID_FIXUP != 0 {
        return new;
    }
    let root = |c: &Credentials| [c.uid, c.euid, c.suid].contains(&superuser);
    if root(old) && !root(&new) {
        if old.securebits & KEEP_CAPS == 0 {
            new.permitted = CapSet::EMPTY;
            new.effective = CapSet::EMPTY;
        }
        new.ambient = CapSet::EMPTY;
    }
    if old.euid == superuser && new.euid != superuser {
        new.effective = CapSet::EMPTY;
    } else if old.euid != superuser && new.euid == superuser {
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
/// `setreuid(2)`; `None` leaves a number.
///
/// Errors: `EPERM`.
pub fn setreuid(c: &Credentials, r: Option<Uid>, e: Option<Uid>) -> Result<Credentials, Errno> {
    if !c.has_cap(Cap::Setuid)
        && (r.is_some_and(|u| u != c.uid && u != c.euid)
            || e.is_some_and(|u| u != c.uid && u != c.euid && u != c.suid))
    {
        return Err(Errno::EPERM);
    }
    let mut n = c.clone();
    (n.uid, n.euid) = (r.unwrap_or(c.uid), e.unwrap_or(c.euid));
    if r.is_some() || e.is_some_and(|u| u != c.uid) {
        n.suid = n.euid;
    }
    n.fsuid = n.euid;
    Ok(fixup(c, n))
}
/// `setfsuid(2)`: `None` if the caller may not.
pub fn setfsuid(c: &Credentials, u: Uid) -> Option<Credentials> {
    if ![c.uid, c.euid, c.suid, c.fsuid].contains(&u) && !c.has_cap(Cap::Setuid) {
        return None;
    }
    let mut n = Credentials { fsuid: u, ..c.clone() };
    if c.securebits & NO_SETUID_FIXUP == 0
        && let Some(superuser) = c.user_ns.root()
    {
        if c.fsuid == superuser && u != superuser {
            n.effective = n.effective.minus(FS_CAPS);
        } else if c.fsuid != superuser && u == superuser {
            n.effective = n.effective.or(FS_CAPS.and(n.permitted));
        }
    }
    Some(n)
}
/// `setregid(2)`; `None` leaves a number.
///
/// Errors: `EPERM`.
pub fn setregid(c: &Credentials, r: Option<Gid>, e: Option<Gid>) -> Result<Credentials, Errno> {
    if !c.has_cap(Cap::Setgid)
        && (r.is_some_and(|g| g != c.gid && g != c.egid)
            || e.is_some_and(|g| g != c.gid && g != c.egid && g != c.sgid))
    {
        return Err(Errno::EPERM);
    }
    let mut n = c.clone();
    (n.gid, n.egid) = (r.unwrap_or(c.gid), e.unwrap_or(c.egid));
    if r.is_some() || e.is_some_and(|g| g != c.gid) {
        n.sgid = n.egid;
    }
    n.fsgid = n.egid;
    Ok(n)
}
/// `setfsgid(2)`: `None` if the caller may not.
pub fn setfsgid(c: &Credentials, g: Gid) -> Option<Credentials> {
    let own = [c.gid, c.egid, c.sgid, c.fsgid].contains(&g);
    (own || c.has_cap(Cap::Setgid)).then(|| Credentials { fsgid: g, ..c.clone() })
}
/// `setgroups(2)`.
///
/// Errors: `EPERM` without `CAP_SETGID`, or where the user namespace forbids it.
pub fn setgroups(c: &Credentials, mut groups: alloc::vec::Vec<Gid>) -> Result<Credentials, Errno> {
    if !c.has_cap(Cap::Setgid) || !c.user_ns.may_setgroups() {
        return Err(Errno::EPERM);
    }
    groups.sort_unstable();
    Ok(Credentials { groups, ..c.clone() })
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
