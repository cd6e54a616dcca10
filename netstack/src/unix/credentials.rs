//! Who is at the other end.

use alloc::sync::Arc;
use core::any::Any;

use kcore::cred::Credentials;
use kcore::id::{Gid, Pid, Uid};

/// A process that uses a socket, kept as long as somebody can ask for it (`SO_PEERCRED`, `SCM_CREDENTIALS`).
#[derive(Clone)]
pub struct Identity {
    /// The process, for whoever knows its type; keeps its number from meaning another one.
    pub process: Option<Arc<dyn Any + Send + Sync>>,
    /// Its number in the initial pid namespace.
    pub pid: Pid,
    /// Its credentials at the time.
    pub cred: Arc<Credentials>,
}

/// `struct ucred` with the process behind it.
#[derive(Clone)]
pub struct UserCred {
    /// The process, as in [`Identity`]; `None` if nobody is known.
    pub process: Option<Arc<dyn Any + Send + Sync>>,
    /// Its number in the initial pid namespace; 0 if nobody is known.
    pub pid: Pid,
    /// The user.
    pub uid: Uid,
    /// The group.
    pub gid: Gid,
}

impl UserCred {
    /// What a message carries for which nobody asked for credentials when it was sent.
    pub fn unknown() -> UserCred {
        UserCred { process: None, pid: Pid(0), uid: Uid::OVERFLOW, gid: Gid::OVERFLOW }
    }
    /// What a message of this process carries.
    pub fn of(who: &Identity) -> UserCred {
        UserCred { process: who.process.clone(), pid: who.pid, uid: who.cred.uid, gid: who.cred.gid }
    }
}

impl PartialEq for UserCred {
    fn eq(&self, other: &UserCred) -> bool {
        (self.pid, self.uid, self.gid) == (other.pid, other.uid, other.gid)
    }
}
