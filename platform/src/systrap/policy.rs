//! How long to poll before sleeping, and why.
//!
//! Polling answers in about 0.1 µs across cores, a futex wake-up costs 5 µs on one core and up to 60 µs for an idle one. So polling
//! pays when the partner usually answers sooner than a wake-up would take, and when a core is free for it; it costs a core meanwhile. Times
//! are in microseconds, and become a number of looks with a `pause` instruction between them, which takes 10 to 40 ns depending on the
//! processor.

use core::time::Duration;
use std::sync::OnceLock;
use std::time::Instant;

/// A stub's thread looks so long for the sentry's answer before it sleeps. Most system calls are answered within 2 µs, and what copies much
/// is faster than a wake-up; who has to wait for others is told to sleep at once.
pub(super) const STUB_SPIN: u32 = 50;
/// A mapper looks so long for the next batch: batches come in groups, as at the start of a program.
pub(super) const MAPPER_SPIN: u32 = 2;
/// The sentry looks so long for a mapper's answer.
pub(super) const ANSWER_SPIN: u32 = 40;
/// A call site is rewritten when it has trapped this often. Rewriting takes about as long as ten signals.
pub(super) const REWRITE_AFTER: u32 = 3;
/// A call site that still traps after so many attempts is left as it is.
pub(super) const REWRITE_TRIES: u32 = 8;
/// The sentry looks so long for floating-point state that a thread saves, which takes 0.1 µs, then sleeps this often, for a tick at
/// most: a thread that sleeps must be woken for it, and the host may have preempted it.
pub(super) const SAVE_SPIN: u32 = 8;
pub(super) const SAVE_SLEEPS: u32 = 100;
/// A worker that has found itself on its guest's processor so often in a row moves to another one, where it competes with what runs there. Not
/// again before so many times more: moving takes 20 µs.
pub(super) const PART_AFTER: i32 = 8;
pub(super) const PART_PAUSE: i32 = 1000;
/// Seats of a space that are kept while nobody sits there: making one takes 100 µs, most of it for its filter, and each holds 40 KiB of
/// the host's memory.
pub(super) const VACANT_SEATS: usize = 16;
/// A worker that has resumed a thread looks so long for its next trap though others wait: a thread that has woken another one often
/// waits for it next. So many traps in a row may be found that way, then the others get their turn.
pub(super) const PATIENT_SPIN: u32 = 1;
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

/// A worker that has resumed a thread looks so long for its next trap, when this many threads run, before it turns to other work.
pub(super) fn resume_spin(cpus: usize, running: usize) -> u32 {
    match () {
        () if cpus < 2 => 0,
        // A core is free for the worker.
        () if running < cpus => 16,
        () => 2,
    }
}

/// An idle worker looks so long at running threads, of which there are this many, before it sleeps.
pub(super) fn idle_spin(cpus: usize, running: usize) -> u32 {
    match () {
        () if cpus < 2 => 0,
        () if running < cpus => 80,
        () => 2,
    }
}

/// A thread that was kicked and has not trapped so long is kicked again. A busy host takes milliseconds.
pub(super) const KICK_AGAIN: Duration = Duration::from_millis(500);
/// A thread that has not trapped after so many has seen to it that it never does.
pub(super) const KICKS: u32 = 10;

/// A thread that another one was told to wake is woken by the sentry when it has not trapped so long after. Changing the two takes 3 µs.
pub(super) const HAND_OVER: Duration = Duration::from_micros(40);

/// Polling across one core only delays the partner: then all times are zero.
pub(super) fn spin(time: u32, cpus: usize) -> u32 {
    if cpus > 1 { time } else { 0 }
}

/// How often somebody looks who looks for so many microseconds.
pub(super) fn looks(time: u32) -> u32 {
    static PER_MICROSECOND: OnceLock<u32> = OnceLock::new();
    time * PER_MICROSECOND.get_or_init(looks_per_microsecond)
}

fn looks_per_microsecond() -> u32 {
    const PAUSES: u32 = 100;
    let pauses = || {
        let start = Instant::now();
        (0..PAUSES).for_each(|_| core::hint::spin_loop());
        start.elapsed()
    };
    // The host may interrupt any of them.
    let time = (0..4).map(|_| pauses()).min().unwrap_or_default();
    (PAUSES * 1000).checked_div(time.subsec_nanos()).unwrap_or(1).clamp(10, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_is_no_more_looks_than_can_be_counted() {
        let longest = [
            STUB_SPIN,
            MAPPER_SPIN,
            ANSWER_SPIN,
            SAVE_SPIN,
            PATIENT_SPIN,
            resume_spin(2, 1),
            idle_spin(2, 1),
        ];
        assert!(longest.into_iter().all(|time| looks(time) >= 10 && time < 10_000));
        assert_eq!((looks(0), resume_spin(1, 1), idle_spin(1, 1), spin(STUB_SPIN, 1)), (0, 0, 0, 0));
    }
}
