//! What `execve(2)` makes of credentials, `capabilities(7)`.

use abi::Errno;
use kcore::cred::{Cap, CapSet, Credentials};
use kcore::id::{Gid, Uid};

use super::{KEEP_CAPS, NOROOT};

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

/// Why a task must not gain privileges.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecHazards {
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privs: bool,
    /// Another process shares its view of the tree, and could move it under a privileged program.
    pub shared: bool,
    /// Its tracer could not have the new privileges itself.
    pub traced: bool,
}

/// The credentials after [`execve(2)`], and whether the program must distrust its environment (`AT_SECURE`).
///
/// Errors: `EPERM` if the file's effective capabilities are not all to be had.
///
/// [`execve(2)`]: https://man7.org/linux/man-pages/man2/execve.2.html
pub fn exec(old: &Credentials, file: &ExecFile, hazards: ExecHazards) -> Result<(Credentials, bool), Errno> {
    let mut n = old.clone();
    if !hazards.no_new_privs {
        n.euid = file.setuid.unwrap_or(n.euid);
        n.egid = file.setgid.unwrap_or(n.egid);
    }
    n.permitted = CapSet::EMPTY;
    let mut effective = false;
    if let Some((permitted, inheritable, e)) = file.caps {
        n.permitted = permitted.and(old.bounding).or(inheritable.and(old.inheritable));
        effective = e;
        if e && !permitted.is_subset(n.permitted) {
            return Err(Errno::EPERM);
        }
    }
    let root = old.user_ns.root();
    let is_root = |u: Uid| Some(u) == root;
    // A set-user-id-root program with capabilities of its own gets those and no more.
    if old.securebits & NOROOT == 0 && !(file.caps.is_some() && !is_root(n.uid) && is_root(n.euid)) {
        if is_root(n.euid) || is_root(n.uid) {
            n.permitted = old.bounding.or(old.inheritable);
        }
        effective |= is_root(n.euid);
    }
    let mut changed = n.euid != old.uid || n.egid != old.gid;
    let gained = !n.permitted.is_subset(old.permitted);
    if (changed || gained) && (hazards.no_new_privs || hazards.shared || hazards.traced) {
        if hazards.no_new_privs || !old.has_cap(Cap::Setuid) {
            (n.euid, n.egid) = (n.uid, n.gid);
            changed = false;
        }
        n.permitted = n.permitted.and(old.permitted);
    }
    (n.suid, n.fsuid, n.sgid, n.fsgid) = (n.euid, n.euid, n.egid, n.egid);
    if file.caps.is_some() || changed {
        n.ambient = CapSet::EMPTY;
    }
    n.permitted = n.permitted.or(n.ambient);
    n.effective = if effective { n.permitted } else { n.ambient };
    n.securebits &= !KEEP_CAPS;
    let grew = !n.permitted.is_subset(n.ambient);
    let secure = changed || !is_root(n.uid) && (effective || grew);
    Ok((n, secure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    fn user() -> Credentials {
        Credentials::user(Uid(1000), Gid(1000), Vec::new(), Arc::default())
    }
    const NET: CapSet = CapSet::EMPTY.with(Cap::NetRaw);

    #[test]
    fn set_user_id_root_gives_everything() {
        let file = ExecFile { setuid: Some(Uid::ROOT), ..ExecFile::default() };
        let (n, secure) = exec(&user(), &file, ExecHazards::default()).unwrap();
        assert_eq!((n.uid, n.euid, n.suid, n.fsuid), (Uid(1000), Uid::ROOT, Uid::ROOT, Uid::ROOT));
        assert_eq!(n.effective, CapSet::ALL);
        assert!(secure);
    }
    #[test]
    fn no_new_privileges_means_none() {
        let file = ExecFile {
            setuid: Some(Uid::ROOT),
            setgid: Some(Gid::ROOT),
            caps: Some((NET, CapSet::EMPTY, true)),
        };
        let hazards = ExecHazards { no_new_privs: true, ..ExecHazards::default() };
        let (n, _) = exec(&user(), &file, hazards).unwrap();
        assert_eq!((n.euid, n.egid, n.permitted), (Uid(1000), Gid(1000), CapSet::EMPTY));
    }
    #[test]
    fn file_capabilities_are_limited_by_the_bounding_set() {
        let file = ExecFile { caps: Some((NET, CapSet::EMPTY, true)), ..ExecFile::default() };
        let (n, secure) = exec(&user(), &file, ExecHazards::default()).unwrap();
        assert_eq!((n.permitted, n.effective, secure), (NET, NET, true));
        let bounded = Credentials { bounding: CapSet::EMPTY, ..user() };
        assert_eq!(exec(&bounded, &file, ExecHazards::default()).unwrap_err(), Errno::EPERM);
    }
    #[test]
    fn ambient_capabilities_survive_a_plain_file_only() {
        let c = Credentials { ambient: NET, inheritable: NET, permitted: NET, effective: NET, ..user() };
        let (n, secure) = exec(&c, &ExecFile::default(), ExecHazards::default()).unwrap();
        assert_eq!((n.permitted, n.effective, secure), (NET, NET, false));
        let file = ExecFile { setgid: Some(Gid(5)), ..ExecFile::default() };
        let (n, secure) = exec(&c, &file, ExecHazards::default()).unwrap();
        assert_eq!((n.permitted, n.egid, secure), (CapSet::EMPTY, Gid(5), true));
    }
}
