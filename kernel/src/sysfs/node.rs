//! `/sys/devices/system/node`: all memory is one node's.

use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt::Write;

use abi::Errno;
use vfs::fs::pseudo::{FixedDir, FixedLink, FnFile};

use super::list::{mask, ranges};
use super::value::Value;
use crate::kernel::Kernel;

pub(super) fn dir(kernel: &Arc<Kernel>) -> FixedDir {
    let cpus: Vec<usize> = (0..kernel.host().machine.cpus.len()).collect();
    let weak = Arc::downgrade(kernel);
    let mut node = FixedDir::new()
        .file("cpulist", Value::new(ranges(&cpus)))
        .file("cpumap", Value::new(mask(&cpus, cpus.len())))
        .file("distance", Value::new(10))
        .file("meminfo", FnFile(move || meminfo(&weak)));
    for n in cpus {
        node = node.link(&format!("cpu{n}"), FixedLink(format!("../../cpu/cpu{n}").into_bytes()));
    }
    let mut dir = FixedDir::new();
    for name in ["has_cpu", "has_memory", "has_normal_memory", "online", "possible"] {
        dir = dir.file(name, Value::new(0));
    }
    dir.dir("node0", node)
}

/// Errors: `ENODEV` when the kernel is being taken apart.
fn meminfo(kernel: &Weak<Kernel>) -> Result<Vec<u8>, Errno> {
    let m = kernel.upgrade().ok_or(Errno::ENODEV)?.memory_use();
    let free = m.free();
    let mut out = String::new();
    for (name, bytes) in [
        ("MemTotal", m.total),
        ("MemFree", free),
        ("MemUsed", m.total - free),
        ("Mlocked", m.locked),
        ("FilePages", m.cached),
        ("Mapped", m.mapped),
        ("AnonPages", m.anonymous),
        ("Shmem", m.shmem),
    ] {
        let label = format!("{name}:");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "Node 0 {label:<15}{:>9} kB", bytes >> 10);
    }
    Ok(out.into_bytes())
}
