//! Identifiers that guests see: process, user, group and descriptor numbers.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $raw);
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id! {
    /// A process, thread, group or session number in some pid namespace. Valid ones are positive.
    Pid(i32)
}
id! {
    /// A user number, after mapping into the initial user namespace of the sandbox.
    Uid(u32)
}
id! {
    /// A group number, after mapping into the initial user namespace of the sandbox.
    Gid(u32)
}
id! {
    /// A file descriptor as a guest passes it; it can be negative or closed.
    Fd(i32)
}

impl Uid {
    /// The superuser.
    pub const ROOT: Uid = Uid(0);
    /// What an unmapped user looks like (`/proc/sys/kernel/overflowuid`).
    pub const OVERFLOW: Uid = Uid(65534);
}

impl Gid {
    /// The superuser's group.
    pub const ROOT: Gid = Gid(0);
    /// What an unmapped group looks like (`/proc/sys/kernel/overflowgid`).
    pub const OVERFLOW: Gid = Gid(65534);
}
