//! Computation that makes no system calls.

use std::hint::black_box;
use std::io;

use super::{Benchmark, Op, each, throughput};

/// Steps of one thread: 0.1 s, so that making the thread does not count.
const STEPS: u64 = 100_000_000;

pub(super) const ALL: &[Benchmark] = &[
    throughput("compute 1 thread", STEPS, |_| compute(1)),
    throughput("compute 4 threads", 4 * STEPS, |_| compute(4)),
];

fn work() -> u64 {
    (0..STEPS).fold(1u64, |x, _| black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)))
}

fn compute(threads: usize) -> io::Result<Op> {
    each(move || {
        let all: Vec<_> = (0..threads).map(|_| std::thread::spawn(work)).collect();
        all.into_iter()
            .try_for_each(|t| t.join().map(|_| ()).map_err(|_| io::Error::other("a thread panicked")))
    })
}
