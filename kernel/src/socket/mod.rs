//! Sockets as files, and what they need of the rest of the kernel: names in the file system, open files in messages, identities.

mod address;
mod control;
mod file;
mod passed;

pub(crate) use address::{bind_path, find};
pub(crate) use control::{Control, read_control, write_control};
pub use file::SocketFile;

use alloc::sync::Arc;

use kcore::cred::Credentials;
use kcore::id::Pid;
use netstack::unix::Identity;
use task::{PidNamespace, PidNode, Task};

/// The process of `task`, as sockets remember it.
pub(crate) fn identity(task: &Task) -> Identity {
    let node = task.group().pid().clone();
    Identity { pid: node.number(), process: Some(node), cred: task.cred() }
}

/// The number in `ns` of a process that a socket remembers; 0 if it cannot be seen from there.
pub(crate) fn pid_of(process: Option<&Arc<dyn core::any::Any + Send + Sync>>, ns: &Arc<PidNamespace>) -> Pid {
    process.and_then(|p| p.downcast_ref::<PidNode>()).map_or(Pid(0), |node| node.in_ns(ns))
}

/// Whether `cred` may show these numbers as its own (`SCM_CREDENTIALS`).
fn may_show(cred: &Credentials, uid: kcore::id::Uid, gid: kcore::id::Gid) -> bool {
    use kcore::cred::Cap;
    let uid_ok = [cred.uid, cred.euid, cred.suid].contains(&uid) || cred.has_cap(Cap::Setuid);
    let gid_ok = [cred.gid, cred.egid, cred.sgid].contains(&gid) || cred.has_cap(Cap::Setgid);
    uid_ok && gid_ok
}
