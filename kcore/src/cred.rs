//! Credentials: who a task is and what it may do, `credentials(7)` and `capabilities(7)`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::id::{Gid, Uid};
pub use crate::user_ns::UserNamespace;

/// A set of capabilities, bit `n` for capability number `n`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct CapSet(pub u64);

/// Declares [`Cap`] in the order of the numbers, and the list that numbers are looked up in.
macro_rules! capabilities {
    ($($name:ident,)*) => {
        /// A capability, by its number in `linux/capability.h`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names are those of capabilities(7)")]
        pub enum Cap {
            $($name,)*
        }

        impl Cap {
            const ALL: &[Cap] = &[$(Cap::$name,)*];
        }
    };
}

capabilities! {
    Chown,
    DacOverride,
    DacReadSearch,
    Fowner,
    Fsetid,
    Kill,
    Setgid,
    Setuid,
    Setpcap,
    LinuxImmutable,
    NetBindService,
    NetBroadcast,
    NetAdmin,
    NetRaw,
    IpcLock,
    IpcOwner,
    SysModule,
    SysRawio,
    SysChroot,
    SysPtrace,
    SysPacct,
    SysAdmin,
    SysBoot,
    SysNice,
    SysResource,
    SysTime,
    SysTtyConfig,
    Mknod,
    Lease,
    AuditWrite,
    AuditControl,
    Setfcap,
    MacOverride,
    MacAdmin,
    Syslog,
    WakeAlarm,
    BlockSuspend,
    AuditRead,
    Perfmon,
    Bpf,
    CheckpointRestore,
}

impl Cap {
    /// The capability of this number.
    pub fn new(n: u64) -> Option<Cap> {
        Cap::ALL.get(usize::try_from(n).ok()?).copied()
    }
}

impl CapSet {
    /// No capability.
    pub const EMPTY: CapSet = CapSet(0);
    /// All capabilities that Linux defines.
    pub const ALL: CapSet = CapSet((1 << Cap::ALL.len()) - 1);

    /// Whether `cap` is in the set.
    pub const fn has(self, cap: Cap) -> bool {
        self.0 & (1 << cap as u8) != 0
    }
    /// The set with `cap`.
    pub const fn with(self, cap: Cap) -> CapSet {
        CapSet(self.0 | 1 << cap as u8)
    }
    /// The set without `cap`.
    pub const fn without(self, cap: Cap) -> CapSet {
        CapSet(self.0 & !(1 << cap as u8))
    }
    /// What is in both.
    pub const fn and(self, other: CapSet) -> CapSet {
        CapSet(self.0 & other.0)
    }
    /// What is in either.
    pub const fn or(self, other: CapSet) -> CapSet {
        CapSet(self.0 | other.0)
    }
    /// What is here and not in `other`.
    pub const fn minus(self, other: CapSet) -> CapSet {
        CapSet(self.0 & !other.0)
    }
    /// Whether every member is in `other`.
    pub const fn is_subset(self, other: CapSet) -> bool {
        self.0 & !other.0 == 0
    }
}

/// Who a task is. Immutable once shared: a change makes a new one.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Real user.
    pub uid: Uid,
    /// Effective user.
    pub euid: Uid,
    /// Saved set-user-id.
    pub suid: Uid,
    /// User for file-system checks.
    pub fsuid: Uid,
    /// Real group.
    pub gid: Gid,
    /// Effective group.
    pub egid: Gid,
    /// Saved set-group-id.
    pub sgid: Gid,
    /// Group for file-system checks.
    pub fsgid: Gid,
    /// Supplementary groups.
    pub groups: Vec<Gid>,
    /// Capabilities in force.
    pub effective: CapSet,
    /// Capabilities that can be put in force.
    pub permitted: CapSet,
    /// Capabilities kept across `execve` of a file with inheritable ones.
    pub inheritable: CapSet,
    /// Limit of what `execve` can add.
    pub bounding: CapSet,
    /// Capabilities kept across `execve` of a plain file.
    pub ambient: CapSet,
    /// `SECBIT_*` bits, `capabilities(7)`.
    pub securebits: u32,
    /// The namespace that the capabilities are good for.
    pub user_ns: Arc<UserNamespace>,
}

impl Credentials {
    /// The superuser with all capabilities in `user_ns`.
    pub fn root(user_ns: Arc<UserNamespace>) -> Credentials {
        Credentials {
            effective: CapSet::ALL,
            permitted: CapSet::ALL,
            ..Credentials::user(Uid::ROOT, Gid::ROOT, Vec::new(), user_ns)
        }
    }
    /// A plain user without capabilities.
    pub fn user(uid: Uid, gid: Gid, groups: Vec<Gid>, user_ns: Arc<UserNamespace>) -> Credentials {
        Credentials {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            groups,
            effective: CapSet::EMPTY,
            permitted: CapSet::EMPTY,
            inheritable: CapSet::EMPTY,
            bounding: CapSet::ALL,
            ambient: CapSet::EMPTY,
            securebits: 0,
            user_ns,
        }
    }
    /// Whether `cap` is in force in the task's own user namespace.
    pub fn has_cap(&self, cap: Cap) -> bool {
        self.effective.has(cap)
    }
    /// Whether `cap` is in force in `ns`: in the task's namespace or an ancestor of `ns`, or as the owner of `ns`'s chain.
    pub fn has_cap_in(&self, cap: Cap, ns: &Arc<UserNamespace>) -> bool {
        let mut at = ns;
        loop {
            if Arc::ptr_eq(at, &self.user_ns) {
                return self.effective.has(cap);
            }
            let Some(parent) = &at.parent else { return false };
            if Arc::ptr_eq(parent, &self.user_ns) && at.owner == Some(self.euid) {
                return true;
            }
            at = parent;
        }
    }
    /// Whether `cap` is in force for the whole kernel: what belongs to no namespace asks for that.
    pub fn has_cap_everywhere(&self, cap: Cap) -> bool {
        self.user_ns.parent.is_none() && self.effective.has(cap)
    }
    /// Whether `cap` is in force over a file of `uid` and `gid`: both must have numbers in the task's user namespace.
    pub fn has_cap_over(&self, cap: Cap, uid: Uid, gid: Gid) -> bool {
        let ns = &self.user_ns;
        self.effective.has(cap) && ns.inside_uid(uid).is_some() && ns.inside_gid(gid).is_some()
    }
    /// Whether `gid` is the file-system group or a supplementary one.
    pub fn in_group(&self, gid: Gid) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_capabilities() {
        for n in 0..41 {
            assert_eq!(Cap::new(n).unwrap() as u64, n);
        }
        assert_eq!(Cap::new(41), None);
    }
}
