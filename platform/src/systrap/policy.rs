//! How long to poll before sleeping, and why.
//!
//! Polling answers in about 0.1 µs across cores, a futex wake-up costs 5 µs on one core and up to 60 µs for an idle one. So polling
//! pays when the partner usually answers sooner than a wake-up would take, and when a core is free for it; it costs a core meanwhile. A spin
//! below is one look and a `pause` instruction, 10 to 40 ns depending on the processor.

use core::time::Duration;

/// A stub's thread looks this often for the sentry's answer before it sleeps: most system calls are answered within 2 µs.
pub(super) const STUB_SPINS: u32 = 400;
/// A mapper looks this often for the next batch: batches come in groups, as at the start of a program.
pub(super) const MAPPER_SPINS: u32 = 50;
/// The sentry looks this often for a mapper's answer.
pub(super) const ANSWER_SPINS: u32 = 1000;
/// A call site is rewritten when it has trapped this often. Rewriting takes about as long as ten signals.
pub(super) const REWRITE_AFTER: u32 = 3;
/// A call site that still traps after so many attempts is left as it is.
pub(super) const REWRITE_TRIES: u32 = 8;
/// The sentry looks this often for floating-point state that a thread saves, which takes 0.1 µs, then sleeps this often, for a tick at
/// most: a thread that sleeps must be woken for it, and the host may have preempted it.
pub(super) const SAVE_LOOKS: u32 = 200;
pub(super) const SAVE_SLEEPS: u32 = 100;
/// A worker that has found itself on its guest's processor so often in a row moves to another one, where it competes with what runs there. Not
/// again before so many times more: moving takes 20 µs.
pub(super) const PART_AFTER: i32 = 8;
pub(super) const PART_PAUSE: i32 = 1000;
/// Seats of a space that are kept while nobody sits there: making one takes 100 µs, most of it for its filter, and each holds 40 KiB of
/// the host's memory.
pub(super) const VACANT_SEATS: usize = 16;
/// A worker that has resumed a thread looks so often for its next trap though others wait: a thread that has woken another one often
/// waits for it next. So many traps in a row may be found that way, then the others get their turn.
pub(super) const PATIENT_LOOKS: u32 = 30;
pub(super) const PATIENT_TRAPS: u32 = 2;
/// A guest thread for which a seat would have to be woken looks this often for one that another thread leaves. All looks together take less
/// than a wake-up.
pub(super) const SEAT_LOOKS: u32 = 24;
/// Stubs that are made ahead when there are none: `fork` and `execve` need one each.
pub(super) const READY_STUBS: usize = 2;
/// Stubs of ended spaces that are kept for the next ones. Emptying one takes a third of the time that it takes to end it and make another.
/// A pipeline of a shell takes two for each program.
pub(super) const KEPT_STUBS: usize = 8;
/// When none has been taken for so long, only as many are kept as are made ahead.
pub(super) const KEEP_FOR: Duration = Duration::from_secs(1);
/// Most memory that waits for stubs to be emptied.
pub(super) const RETIRED_BYTES: u64 = 16 << 20;
/// Host threads that a stub may have had to be emptied for another space: each leaves an area to be cleared.
pub(super) const KEPT_PLACES: u64 = 16;
/// The host is asked this often whether threads that were told to end have done so, which takes 20 µs, more on a busy host; and so long is waited
/// between.
pub(super) const END_LOOKS: u32 = 20;
pub(super) const END_LOOK: Duration = Duration::from_micros(500);
/// Longest sleep while guest threads run. A guest can disturb the doorbell, which all stubs share; this bounds what that costs others.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// A worker that has resumed a thread looks this often for its next trap, when this many threads run, before it turns to other work.
pub(super) fn resume_spins(cpus: usize, running: usize) -> u32 {
    match () {
        () if cpus < 2 => 0,
        // A core is free for the worker.
        () if running < cpus => 400,
        () => 40,
    }
}

/// An idle worker looks this often at running threads, of which there are this many, before it sleeps.
pub(super) fn idle_spins(cpus: usize, running: usize) -> u32 {
    match () {
        () if cpus < 2 => 0,
        () if running < cpus => 2000,
        () => 40,
    }
}

/// A thread that was kicked and has not trapped so long is kicked again. A busy host takes milliseconds.
pub(super) const KICK_AGAIN: Duration = Duration::from_millis(500);
/// A thread that has not trapped after so many has seen to it that it never does.
pub(super) const KICKS: u32 = 10;

/// Polling across one core only delays the partner: then all budgets are zero.
pub(super) fn spins(budget: u32, cpus: usize) -> u32 {
    if cpus > 1 { budget } else { 0 }
}
