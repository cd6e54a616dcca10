//! Which users of the host are which users of the sandbox.

use abi::Errno;
use kcore::id::{Gid, Uid};

/// The number that stands for users who have none in the sandbox (`/proc/sys/kernel/overflowuid`).
const OVERFLOW: u32 = 65534;

/// A mapping of users and groups. The default: they are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owners {
    /// The user and group of the host that are the sandbox's root; all others are nobody.
    root: Option<(u32, u32)>,
}

impl Owners {
    /// For a directory that is used as root's: as the host has it if this process is the host's root; if not, its own files are root's.
    pub(crate) fn of_root() -> Owners {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Owners { root: (!uid.is_root()).then(|| (uid.as_raw(), gid.as_raw())) }
    }
    /// The guest's owner of a file that the host says belongs to these.
    pub(super) fn to_guest(self, uid: Uid, gid: Gid) -> (Uid, Gid) {
        let Some((u, g)) = self.root else { return (uid, gid) };
        let one = |host: u32, root| if host == root { 0 } else { OVERFLOW };
        (Uid(one(uid.0, u)), Gid(one(gid.0, g)))
    }
    /// The host's owner for one of the guest. Errors: `EINVAL` if it has none, as in a user namespace.
    pub(super) fn to_host(
        self,
        uid: Option<Uid>,
        gid: Option<Gid>,
    ) -> Result<(Option<u32>, Option<u32>), Errno> {
        let Some((u, g)) = self.root else { return Ok((uid.map(|u| u.0), gid.map(|g| g.0))) };
        let one = |guest: u32, root| if guest == 0 { Ok(root) } else { Err(Errno::EINVAL) };
        Ok((uid.map(|x| one(x.0, u)).transpose()?, gid.map(|x| one(x.0, g)).transpose()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invoking_user_is_root() {
        let o = Owners { root: Some((1000, 100)) };
        assert_eq!(o.to_guest(Uid(1000), Gid(5)), (Uid(0), Gid(OVERFLOW)));
        assert_eq!(o.to_host(Some(Uid(0)), Some(Gid(0))), Ok((Some(1000), Some(100))));
        assert_eq!(o.to_host(Some(Uid(3)), None), Err(Errno::EINVAL));
        assert_eq!(Owners::default().to_host(Some(Uid(3)), None), Ok((Some(3), None)));
    }
}
