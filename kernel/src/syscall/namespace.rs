//! Namespaces, [`namespaces(7)`](https://man7.org/linux/man-pages/man7/namespaces.7.html).

use abi::Errno;
use kcore::cred::{Cap, Credentials};

/// Whether a task may make namespaces of any kind but user. Errors: `EPERM`.
pub(super) fn may_make(cred: &Credentials) -> Result<(), Errno> {
    if cred.has_cap(Cap::SysAdmin) { Ok(()) } else { Err(Errno::EPERM) }
}
