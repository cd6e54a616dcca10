//! UTS namespaces, `uts_namespaces(7)`: the names that `uname(2)` tells.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::cred::{Cap, Credentials, UserNamespace};
use kcore::sync::{LockClass, Mutex};

static NAMES: LockClass = LockClass::new("host names", 273);

/// Longest host or domain name (`__NEW_UTS_LEN`).
pub(crate) const NAME_MAX: usize = 64;

/// The names of one machine, as a set of processes sees it.
pub struct UtsNamespace {
    user_ns: Arc<UserNamespace>,
    names: Mutex<Names>,
}

#[derive(Clone)]
struct Names {
    host: Vec<u8>,
    domain: Vec<u8>,
}

/// One of the two names that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UtsName {
    /// `sethostname(2)`.
    Host,
    /// `setdomainname(2)`.
    Domain,
}

impl UtsNamespace {
    /// A namespace of `user_ns` with this host name, without a domain name.
    pub fn new(user_ns: Arc<UserNamespace>, host: &[u8]) -> Arc<UtsNamespace> {
        let names = Names { host: host[..host.len().min(NAME_MAX)].into(), domain: b"(none)".to_vec() };
        Arc::new(UtsNamespace { user_ns, names: Mutex::new(&NAMES, names) })
    }
    /// A copy that `user_ns` owns (`CLONE_NEWUTS`).
    pub fn fork(&self, user_ns: Arc<UserNamespace>) -> Arc<UtsNamespace> {
        let names = self.names.lock().clone();
        Arc::new(UtsNamespace { user_ns, names: Mutex::new(&NAMES, names) })
    }
    /// The user namespace that owns it.
    pub fn user_ns(&self) -> &Arc<UserNamespace> {
        &self.user_ns
    }
    /// A name.
    pub(crate) fn get(&self, which: UtsName) -> Vec<u8> {
        let names = self.names.lock();
        match which {
            UtsName::Host => names.host.clone(),
            UtsName::Domain => names.domain.clone(),
        }
    }
    /// Sets a name. Errors: `EPERM` without `CAP_SYS_ADMIN` in the owning user namespace, `EINVAL` for one that is too long.
    pub(crate) fn set(&self, which: UtsName, name: &[u8], cred: &Credentials) -> Result<(), Errno> {
        if !cred.has_cap_in(Cap::SysAdmin, &self.user_ns) {
            return Err(Errno::EPERM);
        }
        if name.len() > NAME_MAX {
            return Err(Errno::EINVAL);
        }
        let mut names = self.names.lock();
        match which {
            UtsName::Host => names.host = name.into(),
            UtsName::Domain => names.domain = name.into(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kcore::id::{Gid, Uid};

    use super::*;

    #[test]
    fn names_are_the_privileged_ones_to_set() {
        let user_ns: Arc<UserNamespace> = Arc::default();
        let uts = UtsNamespace::new(user_ns.clone(), b"one");
        let root = Credentials::root(user_ns.clone());
        let user = Credentials::user(Uid(1), Gid(1), Vec::new(), user_ns.clone());
        assert_eq!(uts.set(UtsName::Host, b"x", &user), Err(Errno::EPERM));
        assert_eq!(uts.set(UtsName::Host, &[b'x'; 65], &root), Err(Errno::EINVAL));
        let copy = uts.fork(user_ns);
        assert_eq!(uts.set(UtsName::Host, &[b'x'; 64], &root), Ok(()));
        assert_eq!(uts.set(UtsName::Domain, b"here", &root), Ok(()));
        assert_eq!((uts.get(UtsName::Host).len(), &uts.get(UtsName::Domain)[..]), (64, &b"here"[..]));
        assert_eq!(
            (&copy.get(UtsName::Host)[..], &copy.get(UtsName::Domain)[..]),
            (&b"one"[..], &b"(none)"[..])
        );
    }
}
