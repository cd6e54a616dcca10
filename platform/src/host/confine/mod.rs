//! Layers between this process and the host, for a process that runs what it must not trust: namespaces, an empty root, no privileges,
//! Landlock, and a list of the host calls that it may make.
//!
//! Each is taken on by a function of its own, which says whether the host permits it. All but the last are taken on while the process
//! has one thread, since they are the calling thread's; those started afterwards have them, too.

mod calls;
mod landlock;
mod namespaces;
mod privileges;
mod root;
mod tree;

pub use calls::{Condition, HostCall, HostCalls, RUNTIME, allow_only};
pub use landlock::{Reach, restrict_files};
pub use namespaces::{Fork, Separation, fork_separated};
pub use privileges::{FileCapabilities, drop_privileges};
pub use root::enter_empty_root;
pub use tree::detached_tree;

use std::io;

/// The result of a host call that returns a number.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
