//! Locks and wait queues under many schedules: their own sources, compiled over shuttle's atomics and threads.
//! A sleeper that nobody wakes ends in shuttle's panic "deadlock".

extern crate alloc;

#[path = "interleavings/locks.rs"]
mod locks;
#[path = "interleavings/parker.rs"]
mod parker;
#[path = "interleavings/queues.rs"]
mod queues;

#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the crate's own source; not all of it is used here"
)]
#[path = "../src/sync/mod.rs"]
mod sync;
#[allow(dead_code, unreachable_pub, reason = "the crate's own source; not all of it is used here")]
#[path = "../src/wait.rs"]
mod wait;

/// Stands for `src/primitives.rs`.
#[allow(unused_imports, reason = "the held locks of a thread are kept with `std` only")]
mod primitives {
    pub(crate) use shuttle::hint::spin_loop;
    pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
    pub(crate) use shuttle::thread_local;

    pub(crate) const SPINS: u32 = 1;
}

/// Runs `f` under `schedules` random schedules, always the same ones.
fn explore(schedules: usize, f: impl Fn() + Send + Sync + 'static) {
    parker::install();
    shuttle::check_random_with_seed(f, 0x7069_636b_6574, schedules);
}
