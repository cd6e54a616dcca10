//! Address spaces and fresh memory.

use super::{Benchmark, each, sys, throughput, time};

const MIB: usize = 1 << 20;

pub(super) const ALL: &[Benchmark] = &[
    time("mmap+munmap page", |_| each(|| sys::map_and_unmap(4096))),
    time("mmap+touch+munmap 1 MiB", |_| each(|| sys::map_and_touch(MIB))),
    throughput("touch 256 MiB", 256 << 20, |_| each(|| sys::map_and_touch(256 * MIB))),
];
