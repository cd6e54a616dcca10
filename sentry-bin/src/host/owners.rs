//! Which users of the host are which users of the sandbox.

use abi::Errno;
use kcore::id::{Gid, Uid};
use rustix::process::{getegid, geteuid};

/// The number that stands for users who have none in the sandbox (`/proc/sys/kernel/overflowuid`).
const OVERFLOW: u32 = 65534;

/// A mapping of users and groups. The default: they are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owners {
    /// The user and group of the host that are the sandbox's root; all others are nobody.
    root: Option<(u32, u32)>,
    /// This process's own user and group, if it cannot tell the others apart: these are then root, as most files are root's.
    alone: Option<(u32, u32)>,
}

impl Owners {
    /// For a directory that is used as root's: as the host has it if this process is the host's root; if not, its own files are root's.
    pub(crate) fn of_root() -> Owners {
        Owners { root: (!geteuid().is_root()).then(own), alone: None }
    }
    /// For the host's tree as it is; `one_user` if this process is in a user namespace with nobody else.
    pub(crate) fn of_host(one_user: bool) -> Owners {
        Owners { root: None, alone: one_user.then(own) }
    }
    /// The guest's owner of a file that the host says belongs to these.
    pub(super) fn to_guest(self, uid: Uid, gid: Gid) -> (Uid, Gid) {
        let one = |host: u32, own: u32| match (self.root, self.alone) {
            (Some(_), _) => {
                if host == own {
                    0
                } else {
                    OVERFLOW
                }
            }
            (_, Some(_)) => {
                if host == own && host != OVERFLOW {
                    own
                } else {
                    0
                }
            }
            _ => host,
        };
        let (u, g) = self.root.or(self.alone).unwrap_or_default();
        (Uid(one(uid.0, u)), Gid(one(gid.0, g)))
    }
    /// The host's owner for one of the guest. Errors: `EINVAL` if it has none, as in a user namespace; `EPERM` if only the host knows it.
    pub(super) fn to_host(
        self,
        uid: Option<Uid>,
        gid: Option<Gid>,
    ) -> Result<(Option<u32>, Option<u32>), Errno> {
        let one = |guest: u32, own: u32| match (self.root, self.alone) {
            (Some(_), _) => {
                if guest == 0 {
                    Ok(own)
                } else {
                    Err(Errno::EINVAL)
                }
            }
            (_, Some(_)) => {
                if guest == own {
                    Ok(own)
                } else {
                    Err(Errno::EPERM)
                }
            }
            _ => Ok(guest),
        };
        let (u, g) = self.root.or(self.alone).unwrap_or_default();
        Ok((uid.map(|x| one(x.0, u)).transpose()?, gid.map(|x| one(x.0, g)).transpose()?))
    }
}

fn own() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invoking_user_is_root() {
        let o = Owners { root: Some((1000, 100)), alone: None };
        assert_eq!(o.to_guest(Uid(1000), Gid(5)), (Uid(0), Gid(OVERFLOW)));
        assert_eq!(o.to_host(Some(Uid(0)), Some(Gid(0))), Ok((Some(1000), Some(100))));
        assert_eq!(o.to_host(Some(Uid(3)), None), Err(Errno::EINVAL));
        assert_eq!(Owners::default().to_host(Some(Uid(3)), None), Ok((Some(3), None)));
    }
    #[test]
    fn others_are_root_where_they_cannot_be_told() {
        let o = Owners { root: None, alone: Some((1000, 100)) };
        assert_eq!(o.to_guest(Uid(1000), Gid(OVERFLOW)), (Uid(1000), Gid(0)));
        assert_eq!(o.to_host(Some(Uid(1000)), Some(Gid(100))), Ok((Some(1000), Some(100))));
        assert_eq!(o.to_host(Some(Uid(0)), None), Err(Errno::EPERM));
    }
}
