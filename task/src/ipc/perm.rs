//! Who may use an object.

use abi::Errno;
use alloc::sync::Arc;
use kcore::cred::{Cap, Credentials, UserNamespace};
use kcore::id::{Gid, Uid};

/// Permission to read, for all three classes.
pub const S_IRUGO: u32 = 0o444;
/// Permission to write, for all three classes.
pub const S_IWUGO: u32 = 0o222;

/// The bits of a mode that `IPC_SET` changes.
const PERMISSIONS: u32 = 0o777;

/// Owner, creator and permissions of an object, `sysvipc(7)`.
#[derive(Clone, Copy, Debug)]
pub struct Perm {
    /// Its key.
    pub key: i32,
    /// Its number.
    pub id: i32,
    /// Owner.
    pub uid: Uid,
    /// Owning group.
    pub gid: Gid,
    /// Creator.
    pub cuid: Uid,
    /// The creator's group.
    pub cgid: Gid,
    /// Permissions, and what else the object keeps there.
    pub mode: u32,
}

impl Perm {
    pub(super) fn new(key: i32, mode: u32, cred: &Credentials) -> Perm {
        let (uid, gid) = (cred.euid, cred.egid);
        Perm { key, id: 0, uid, gid, cuid: uid, cgid: gid, mode: mode & PERMISSIONS }
    }
    /// How often numbers had been used anew when it got its own.
    pub fn seq(&self) -> u16 {
        u16::try_from(self.id >> super::ids::INDEX_BITS).unwrap_or(u16::MAX)
    }
    /// Checks for access with the bits of `wanted`, in whichever class they are. Errors: `EACCES`.
    pub(super) fn check(
        &self,
        wanted: u32,
        cred: &Credentials,
        owner: &Arc<UserNamespace>,
    ) -> Result<(), Errno> {
        let wanted = (wanted >> 6 | wanted >> 3 | wanted) & 7;
        let granted = if self.is_owner(cred) {
            self.mode >> 6
        } else if cred.in_group(self.cgid) || cred.in_group(self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        if wanted & !granted != 0 && !cred.has_cap_in(Cap::IpcOwner, owner) {
            return Err(Errno::EACCES);
        }
        Ok(())
    }
    pub(super) fn is_owner(&self, cred: &Credentials) -> bool {
        cred.euid == self.cuid || cred.euid == self.uid
    }
    /// Checks for the right to change or remove. Errors: `EPERM`.
    pub(super) fn check_owner(&self, cred: &Credentials, owner: &Arc<UserNamespace>) -> Result<(), Errno> {
        if self.is_owner(cred) || cred.has_cap_in(Cap::SysAdmin, owner) { Ok(()) } else { Err(Errno::EPERM) }
    }
    /// `IPC_SET`.
    pub(super) fn set(&mut self, new: &NewPerm) {
        (self.uid, self.gid) = (new.uid, new.gid);
        self.mode = self.mode & !PERMISSIONS | new.mode & PERMISSIONS;
    }
}

/// What `IPC_SET` changes.
#[derive(Clone, Copy, Debug)]
pub struct NewPerm {
    /// Owner.
    pub uid: Uid,
    /// Owning group.
    pub gid: Gid,
    /// Permissions.
    pub mode: u32,
}
