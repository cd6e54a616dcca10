//! Which host calls the sentry may make: what the pieces declare that it consists of.

use platform::host::confine::{HostCall, HostCalls, RUNTIME};
use platform::{ptrace, systrap};

use crate::cli::PlatformName;
use crate::{host, terminal};

/// What passes on signals, and what carries a terminal's bytes.
const SIGNALS: HostCalls = HostCalls {
    of: "signals",
    list: &[
        HostCall::new(libc::SYS_ppoll, "wait for signals, and for keys"),
        HostCall::new(libc::SYS_read, "take them"),
    ],
};

/// The lists for a sandbox with this platform; `writes` if host files can be changed.
pub(super) fn sentry(platform: PlatformName, writes: bool) -> Vec<HostCalls> {
    let mut lists = vec![RUNTIME];
    lists.extend(platform::host::CALLS);
    lists.push(match platform {
        PlatformName::Ptrace => ptrace::CALLS,
        PlatformName::Systrap => systrap::CALLS,
    });
    lists.extend([SIGNALS, terminal::CALLS]);
    lists.extend(host::CALLS);
    lists.extend(writes.then_some(host::WRITE_CALLS));
    lists
}
