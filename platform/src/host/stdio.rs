//! Which standard streams this process was started without.
//!
//! Rust's runtime opens `/dev/null` in place of closed ones before `main`, so that it must be noted earlier.

use core::sync::atomic::{AtomicU8, Ordering};

/// A bit for each of the descriptors 0, 1 and 2 that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

extern "C" fn note() {
    for n in 0..3_u8 {
        // SAFETY: the call takes no pointers and changes nothing; a number that is no open descriptor is an error.
        if unsafe { libc::fcntl(n.into(), libc::F_GETFD) } < 0 {
            CLOSED.fetch_or(1 << n, Ordering::Relaxed);
        }
    }
}

// SAFETY: the section holds functions that the C library calls before `main`; this one needs nothing that is not there yet.
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

/// Whether the standard stream `n` was closed when this process began.
pub fn was_closed(n: i32) -> bool {
    u32::try_from(n).is_ok_and(|n| n < 3 && CLOSED.load(Ordering::Relaxed) & 1 << n != 0)
}
