//! What the kernel logs through `tracing`, and how much of it guests may cause.
//!
//! Levels: `ERROR` for what ends the sandbox, `WARN` for what a user should know (something that a program asks for is missing),
//! `INFO` for the life of processes, `DEBUG` for detail.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use kcore::host::Nanos;
use kcore::sync::{LockClass, Mutex};

use crate::current::CurrentTask;
use crate::syscall::{Status, entry};

static LIMIT: LockClass = LockClass::new("limit of the log", 965);

/// Messages that guests may cause at once.
const BURST: u64 = 200;
/// Nanoseconds in which they earn another one.
const PAUSE: u64 = 20_000_000;
/// Most bytes of a guest's text in a message.
const TEXT: usize = 256;

/// System calls that are logged once each.
const CALLS: usize = 512;

/// Logs what a guest caused: `guest_log!(kernel, INFO, field = value, "message")`, at most as often as the kernel's limit allows.
macro_rules! guest_log {
    ($kernel:expr, $level:ident, $($message:tt)*) => {
        if tracing::enabled!(tracing::Level::$level)
            && let Some(left_out) = $kernel.log_limit().pass($kernel.host().clock.monotonic())
        {
            if left_out > 0 {
                tracing::warn!(left_out, "messages about guests were left out");
            }
            tracing::event!(tracing::Level::$level, $($message)*);
        }
    };
}
pub(crate) use guest_log;

/// Keeps guests from filling the log.
pub(crate) struct LogLimit {
    budget: Mutex<Budget>,
    /// The system calls that were logged for what is missing of them, a bit each.
    calls: [AtomicU64; CALLS / 64],
}

struct Budget {
    left: u64,
    earned_until: u64,
    left_out: u64,
}

impl LogLimit {
    pub(crate) fn new(now: Nanos) -> LogLimit {
        let budget = Budget { left: BURST, earned_until: now, left_out: 0 };
        LogLimit { budget: Mutex::new(&LIMIT, budget), calls: Default::default() }
    }
    /// Whether a message that a guest caused may be logged at `now`, and how many were left out before it.
    pub(crate) fn pass(&self, now: Nanos) -> Option<u64> {
        let mut b = self.budget.lock();
        let earned = now.saturating_sub(b.earned_until) / PAUSE;
        b.earned_until = b.earned_until.saturating_add(earned.saturating_mul(PAUSE));
        b.left = b.left.saturating_add(earned).min(BURST);
        if b.left == 0 {
            b.left_out = b.left_out.saturating_add(1);
            return None;
        }
        b.left -= 1;
        Some(core::mem::take(&mut b.left_out))
    }
}

impl LogLimit {
    /// Whether nothing was logged yet of what is missing of this call. Numbers beyond all calls are never new.
    fn is_new(&self, nr: u32) -> bool {
        let Some(word) = usize::try_from(nr / 64).ok().and_then(|i| self.calls.get(i)) else { return false };
        let bit = 1 << (nr % 64);
        word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

impl CurrentTask {
    /// Logs, once for each call, that what a program asks for is missing.
    pub(crate) fn log_gaps(&self, nr: u32) {
        if !tracing::enabled!(tracing::Level::WARN) {
            return;
        }
        let (kernel, pid) = (&self.kernel, self.task.tid().0);
        match entry(nr).map(|e| (e.name, e.status)) {
            Some((name, Status::Partial(missing)))
                if tracing::enabled!(tracing::Level::DEBUG) && kernel.log_limit().is_new(nr) =>
            {
                guest_log!(kernel, DEBUG, pid, name, missing, "a system call of which a part is missing");
            }
            Some(_) => {}
            None if kernel.log_limit().is_new(nr) => {
                let name = abi::nr::current::name(nr).unwrap_or("?");
                guest_log!(kernel, WARN, pid, nr, name, "a system call that is missing");
            }
            None => {}
        }
    }
}

/// A guest's text, on one line whatever it has in it.
pub(crate) struct GuestText<'a>(pub(crate) &'a [u8]);

impl fmt::Display for GuestText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..TEXT).unwrap_or(self.0);
        let dots = if shown.len() < self.0.len() { "..." } else { "" };
        write!(f, "\"{}\"{dots}", shown.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let limit = LogLimit::new(0);
        assert!((0..BURST).all(|_| limit.pass(5) == Some(0)));
        assert!((0..7).all(|_| limit.pass(PAUSE - 1).is_none()));
        assert_eq!(limit.pass(PAUSE), Some(7));
        assert_eq!(limit.pass(PAUSE), None);
        assert!((0..BURST).all(|i| limit.pass(1000 * PAUSE) == Some(u64::from(i == 0))));
        assert_eq!(limit.pass(1000 * PAUSE), None, "no more than a burst is saved up");
    }

    #[test]
    fn text_stays_on_its_line() {
        assert_eq!(GuestText(b"a\n\x1b[31m\"b").to_string(), r#""a\n\x1b[31m\"b""#);
        assert_eq!(GuestText(&[b'x'; 300]).to_string().len(), TEXT + 5);
    }
}
