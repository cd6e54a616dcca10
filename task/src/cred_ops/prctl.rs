//! Changes of credentials that `prctl(2)` makes.

use abi::Errno;
use kcore::cred::{Cap, CapSet, Credentials};

use super::{KEEP_CAPS, KEEP_CAPS_LOCKED, NO_CAP_AMBIENT_RAISE};

/// `PR_CAPBSET_DROP`.
///
/// Errors: `EPERM` without `CAP_SETPCAP`.
pub fn drop_bounding(c: &Credentials, cap: Cap) -> Result<Credentials, Errno> {
    if !c.has_cap(Cap::Setpcap) {
        return Err(Errno::EPERM);
    }
    Ok(Credentials { bounding: c.bounding.without(cap), ..c.clone() })
}
/// `PR_SET_KEEPCAPS`.
///
/// Errors: `EPERM` if that is locked.
pub fn set_keep_caps(c: &Credentials, on: bool) -> Result<Credentials, Errno> {
    if c.securebits & KEEP_CAPS_LOCKED != 0 {
        return Err(Errno::EPERM);
    }
    let rest = c.securebits & !KEEP_CAPS;
    Ok(Credentials { securebits: if on { rest | KEEP_CAPS } else { rest }, ..c.clone() })
}
/// `PR_SET_SECUREBITS`.
///
/// Errors: `EPERM` for unknown bits, for a change of what is locked, for unlocking, and without `CAP_SETPCAP`.
pub fn set_securebits(c: &Credentials, bits: u32) -> Result<Credentials, Errno> {
    const BASES: u32 = 0x55;
    const LOCKS: u32 = BASES << 1;
    let locked = c.securebits & LOCKS;
    let touches_locked = (locked >> 1) & (c.securebits ^ bits) != 0;
    let unlocks = locked & !bits != 0;
    if touches_locked || unlocks || bits & !(BASES | LOCKS) != 0 || !c.has_cap(Cap::Setpcap) {
        return Err(Errno::EPERM);
    }
    Ok(Credentials { securebits: bits, ..c.clone() })
}
/// `PR_CAP_AMBIENT_RAISE`.
///
/// Errors: `EPERM` unless it is permitted and inheritable, and where raising is forbidden.
pub fn ambient_raise(c: &Credentials, cap: Cap) -> Result<Credentials, Errno> {
    if !c.permitted.has(cap) || !c.inheritable.has(cap) || c.securebits & NO_CAP_AMBIENT_RAISE != 0 {
        return Err(Errno::EPERM);
    }
    Ok(Credentials { ambient: c.ambient.with(cap), ..c.clone() })
}
/// `PR_CAP_AMBIENT_LOWER`, or `PR_CAP_AMBIENT_CLEAR_ALL` for `None`.
pub fn ambient_lower(c: &Credentials, cap: Option<Cap>) -> Credentials {
    let ambient = cap.map_or(CapSet::EMPTY, |cap| c.ambient.without(cap));
    Credentials { ambient, ..c.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_hold() {
        let c = Credentials::root(alloc::sync::Arc::default());
        let locked = set_securebits(&c, 0x30).unwrap();
        assert_eq!(set_securebits(&locked, 0x20).unwrap_err(), Errno::EPERM);
        assert_eq!(set_securebits(&locked, 0x10).unwrap_err(), Errno::EPERM);
        assert_eq!(set_securebits(&locked, 0x31).unwrap().securebits, 0x31);
        assert_eq!(set_keep_caps(&locked, false).unwrap_err(), Errno::EPERM);
        assert_eq!(set_securebits(&c, 0x1000).unwrap_err(), Errno::EPERM);
    }
}
