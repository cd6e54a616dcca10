//! What locks and wait queues are made of. `tests/interleavings.rs` compiles them over shuttle's instead, and tries many schedules.

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
#[cfg(all(debug_assertions, feature = "std"))]
pub(crate) use std::thread_local;

/// How often a lock looks again before it sleeps.
pub(crate) const SPINS: u32 = 100;
