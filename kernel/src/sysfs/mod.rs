//! sysfs, [`sysfs(5)`](https://man7.org/linux/man-pages/man5/sysfs.5.html): the machine's processors, their caches, and its memory. A
//! sandbox has no other devices, no modules and no power management, so that the directories of these are empty.

mod cpu;
mod list;
mod node;
mod value;

use alloc::sync::Arc;

use vfs::FileSystem;
use vfs::fs::pseudo::{FixedDir, PseudoFs};

use crate::kernel::Kernel;

/// `SYSFS_MAGIC`.
const MAGIC: u64 = 0x6265_6572;

/// A sysfs with device number `dev`.
pub fn new(kernel: &Arc<Kernel>, dev: u64) -> Arc<dyn FileSystem> {
    let machine = &kernel.host().machine;
    let system = FixedDir::new().dir("cpu", cpu::dir(machine)).dir("node", node::dir(kernel));
    let empty = FixedDir::new;
    let root = empty()
        .dir("block", empty())
        .dir("bus", empty())
        .dir("class", empty().dir("block", empty()).dir("net", empty()))
        .dir("dev", empty().dir("block", empty()).dir("char", empty()))
        .dir("devices", empty().dir("system", system).dir("virtual", empty()))
        .dir("firmware", empty())
        // Where the hierarchy of control groups is mounted if there is one.
        .dir("fs", empty().dir("cgroup", empty()))
        .dir("kernel", empty())
        .dir("module", empty())
        .dir("power", empty());
    PseudoFs::new("sysfs", MAGIC, dev, kernel.host().clock.clone(), Arc::new(root))
}
