//! procfs, `proc(5)`: one instance for each mount, seen from a pid namespace.
//!
//! `root` lists what is at the top, `task` what every process and thread has; the other modules make the contents.

mod fd;
mod files;
mod links;
mod maps;
mod mem;
mod mounts;
mod net;
mod ns;
mod root;
mod smaps;
mod stat;
mod status;
mod sysctl;
mod system;
mod sysvipc;
mod task;
mod text;
mod tuning;
mod user_maps;

use alloc::sync::{Arc, Weak};

use ::task::PidNamespace;
use abi::Errno;
use vfs::FileSystem;
use vfs::fs::pseudo::PseudoFs;

use crate::kernel::Kernel;

pub(crate) use mounts::root_in_fs;
pub(crate) use task::process_of;

/// `PROC_SUPER_MAGIC`.
const MAGIC: u64 = 0x9fa0;

/// Who may see the processes of others (mount option `hidepid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HidePid {
    /// Everybody (`0`).
    Off,
    /// Others see that they exist, not more (`1`).
    NoAccess,
    /// Others do not see them (`2`).
    Invisible,
    /// As `Invisible`, for all who could not trace them (`4`).
    NotPtraceable,
}

/// One instance of procfs.
struct Proc {
    kernel: Weak<Kernel>,
    ns: Arc<PidNamespace>,
    hide: HidePid,
    /// Group that `hide` does not concern.
    gid: Option<u32>,
    /// `subset=pid`: only processes.
    only_pids: bool,
}

impl Proc {
    /// The kernel. Errors: `ESRCH` when it is being taken apart.
    fn kernel(&self) -> Result<Arc<Kernel>, Errno> {
        self.kernel.upgrade().ok_or(Errno::ESRCH)
    }
}

/// A procfs of `ns` with device number `dev`. `options` are those of `mount(2)`: `hidepid=`, `gid=`, `subset=pid`.
///
/// Errors: `EINVAL` for an unknown option or value.
pub fn new(
    kernel: &Arc<Kernel>,
    ns: Arc<PidNamespace>,
    dev: u64,
    options: &str,
) -> Result<Arc<dyn FileSystem>, Errno> {
    let mut proc =
        Proc { kernel: Arc::downgrade(kernel), ns, hide: HidePid::Off, gid: None, only_pids: false };
    let mut shown = alloc::vec::Vec::new();
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option.split_once('=') {
            Some(("hidepid", value)) => {
                proc.hide = match value {
                    "0" | "off" => HidePid::Off,
                    "1" | "noaccess" => HidePid::NoAccess,
                    "2" | "invisible" => HidePid::Invisible,
                    "4" | "ptraceable" => HidePid::NotPtraceable,
                    _ => return Err(Errno::EINVAL),
                };
            }
            Some(("gid", value)) => proc.gid = Some(value.parse().map_err(|_| Errno::EINVAL)?),
            Some(("subset", "pid")) => proc.only_pids = true,
            _ => return Err(Errno::EINVAL),
        }
        shown.push(option);
    }
    let clock = kernel.host().clock.clone();
    let root = Arc::new(root::Root::new(Arc::new(proc)));
    Ok(PseudoFs::with_options("proc", MAGIC, dev, clock, root, shown.join(",")))
}
