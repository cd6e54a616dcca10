//! `/proc/sys/kernel`.

use alloc::string::{String, ToString};

use abi::Errno;
use kcore::id::{Gid, Uid};
use task::pid::PID_MAX;
use vfs::fs::devfs::POOL_BITS;

use super::{Access, Parameter, fixed, tunable};
use crate::syscall::{ACTIONS, MACHINE, RELEASE, SYSNAME, VERSION};
use crate::task::Resources;
use crate::uts::{self, UtsName, UtsNamespace};

pub(super) static PARAMETERS: &[Parameter] = &[
    fixed("kernel/arch", |_| MACHINE.into()),
    fixed("kernel/cap_last_cap", |_| (63 - kcore::cred::CapSet::ALL.0.leading_zeros()).to_string()),
    tunable("kernel/domainname", |a| name(a, UtsName::Domain), |a, d| set_name(a, UtsName::Domain, d)),
    tunable("kernel/hostname", |a| name(a, UtsName::Host), |a, d| set_name(a, UtsName::Host, d)),
    // No core is ever dumped.
    fixed("kernel/core_pattern", |_| "core".into()),
    fixed("kernel/core_uses_pid", |_| "0".into()),
    fixed("kernel/ngroups_max", |_| "65536".into()),
    fixed("kernel/osrelease", |_| RELEASE.into()),
    fixed("kernel/ostype", |_| SYSNAME.into()),
    fixed("kernel/overflowgid", |_| Gid::OVERFLOW.to_string()),
    fixed("kernel/overflowuid", |_| Uid::OVERFLOW.to_string()),
    fixed("kernel/pid_max", |_| PID_MAX.to_string()),
    // The positions of programs, stacks and mappings are random, and those of heaps.
    fixed("kernel/randomize_va_space", |_| "2".into()),
    fixed("kernel/random/boot_id", |a| a.kernel.boot_id().into()),
    fixed("kernel/random/entropy_avail", |_| POOL_BITS.to_string()),
    fixed("kernel/random/poolsize", |_| POOL_BITS.to_string()),
    fixed("kernel/random/uuid", |a| crate::kernel::uuid(&*a.kernel.host().entropy)),
    fixed("kernel/seccomp/actions_avail", |_| ACTIONS.map(|(_, name)| name).join(" ")),
    fixed("kernel/tainted", |_| "0".into()),
    // Nothing but process numbers limits threads.
    fixed("kernel/threads-max", |_| PID_MAX.to_string()),
    fixed("kernel/version", |_| VERSION.into()),
];

fn namespace(a: &Access) -> alloc::sync::Arc<UtsNamespace> {
    let own = a.task.as_ref().and_then(|t| t.resources::<Resources>()?.uts());
    own.unwrap_or_else(|| a.kernel.uts().clone())
}

fn name(a: &Access, which: UtsName) -> String {
    String::from_utf8_lossy(&namespace(a).get(which)).into_owned()
}

fn set_name(a: &Access, which: UtsName, data: &[u8]) -> Result<(), Errno> {
    let end = data.iter().position(|b| matches!(b, 0 | b'\n')).unwrap_or(data.len());
    namespace(a).set(which, &data[..end.min(uts::NAME_MAX)], &a.cred)
}
