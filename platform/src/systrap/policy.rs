//! How long to poll before sleeping, and why.
//!
//! Polling answers in about 0.1 µs across cores, a futex wake-up costs 5 µs on one core and up to 60 µs for an idle one. So polling
//! pays when the partner usually answers sooner than a wake-up would take, and when a core is free for it; it costs a core meanwhile. A spin
//! below is one look and a `pause` instruction, 10 to 40 ns depending on the processor.

use core::time::Duration;

/// A stub's thread looks this often for the sentry's answer before it sleeps: most system calls are answered within 2 µs.
pub(super) const STUB_SPINS: u32 = 400;
/// A worker that has resumed a thread looks this often for its next trap before it turns to other work.
pub(super) const RESUME_SPINS: u32 = 200;
/// An idle worker looks this often at running threads before it sleeps.
pub(super) const IDLE_SPINS: u32 = 1500;
/// A mapper looks this often for the next batch: batches come in groups, as at the start of a program.
pub(super) const MAPPER_SPINS: u32 = 50;
/// The sentry looks this often for a mapper's answer.
pub(super) const ANSWER_SPINS: u32 = 1000;
/// Longest sleep while guest threads run. A guest can disturb the doorbell, which all stubs share; this bounds what that costs others.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Polling across one core only delays the partner: then all budgets are zero.
pub(super) fn spins(budget: u32, cpus: usize) -> u32 {
    if cpus > 1 { budget } else { 0 }
}
