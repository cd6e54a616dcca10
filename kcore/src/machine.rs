//! What the machine is that a kernel runs on, as procfs and sysfs show it. It does not change while the kernel runs.

use alloc::string::String;
use alloc::vec::Vec;

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of memory.
    pub memory: u64,
    /// The processors that guests may use, at least one. A processor's number is its place here.
    pub cpus: Vec<Cpu>,
    /// The caches that the first processor uses.
    pub caches: Vec<Cache>,
}

/// A processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// The lines about it in `/proc/cpuinfo`, name and value, without its number and what depends on the number of processors.
    pub facts: Vec<(String, String)>,
    /// The package that it is in.
    pub package: u32,
    /// The core that it is in.
    pub core: u32,
    /// The cluster of cores that it is in, which share a cache, if that is known.
    pub cluster: Option<u32>,
}

/// A cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// 1 for the one next to the processor.
    pub level: u32,
    /// `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// Size in bytes.
    pub size: u64,
    /// Bytes of a line.
    pub line: u32,
    /// Lines in a set.
    pub ways: u32,
    /// Sets.
    pub sets: u32,
    /// Whether all processors share it; if not, each has its own.
    pub shared: bool,
}

impl Machine {
    /// A machine about which little is known.
    pub fn plain(cpus: usize, memory: u64) -> Machine {
        let cpu = |n| Cpu { core: n, ..Cpu::default() };
        let cpus = (0..u32::try_from(cpus.max(1)).unwrap_or(u32::MAX)).map(cpu).collect();
        Machine { memory, cpus, caches: Vec::new() }
    }
}
