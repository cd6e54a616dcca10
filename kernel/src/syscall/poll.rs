//! [`poll(2)`](https://man7.org/linux/man-pages/man2/poll.2.html), and waiting for readiness under a temporary signal mask.

use abi::Errno;
use abi::fs::poll::Pollfd;
use kcore::addr::GuestAddr;
use kcore::host::Nanos;
use kcore::id::Fd;
use kcore::io::IoError;
use kcore::user::{UserPtr, Write};
use kcore::wait::{Events, WaitSet};
use task::signal::SigSet;
use vfs::anon::PollSet;

use super::SysResult;
use super::signalfd::seen_by;
use super::time::{read_timespec, timespec};
use crate::current::{CurrentTask, WaitEnd};
use crate::personality;
use crate::restart::Restart;

const MILLISECOND: u64 = 1_000_000;

/// How long a call may wait.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// Not at all.
    None,
    /// Until this time on the monotonic clock.
    Until(Nanos),
    /// For ever.
    Endless,
}

impl Patience {
    pub(super) fn from_delay(cx: &CurrentTask, delay: Option<Nanos>) -> Patience {
        match delay {
            None => Patience::Endless,
            Some(0) => Patience::None,
            Some(d) => Patience::Until(cx.kernel().host().clock.monotonic().saturating_add(d)),
        }
    }
    /// From a `struct timespec` that may be null. Errors: `EFAULT`, `EINVAL`.
    pub(super) fn from_timespec(cx: &CurrentTask, at: GuestAddr) -> Result<Patience, Errno> {
        let delay = if at.is_null() { None } else { Some(read_timespec(cx, at)?) };
        Ok(Patience::from_delay(cx, delay))
    }
    /// What is left of it.
    pub(super) fn left(self, cx: &CurrentTask) -> Option<Nanos> {
        match self {
            Patience::None => Some(0),
            Patience::Until(at) => Some(at.saturating_sub(cx.kernel().host().clock.monotonic())),
            Patience::Endless => None,
        }
    }
}

/// Why waiting for readiness ended without any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unready {
    TimedOut,
    Interrupted,
}

/// Waits until `count` says more than 0, which it returns.
pub(super) async fn wait_ready(
    cx: &CurrentTask,
    set: impl FnOnce() -> WaitSet,
    patience: Patience,
    mut count: impl FnMut() -> usize,
) -> Result<usize, Unready> {
    let n = count();
    if n > 0 {
        return Ok(n);
    }
    let deadline = match patience {
        Patience::None if cx.task.core.signal_pending() => return Err(Unready::Interrupted),
        Patience::None => return Err(Unready::TimedOut),
        Patience::Until(at) => Some(at),
        Patience::Endless => None,
    };
    let attempt = || match count() {
        0 => Err(IoError::Again),
        n => Ok(n),
    };
    match cx.wait(&set(), deadline, attempt).await {
        Ok(n) => Ok(n),
        Err(WaitEnd::Interrupted) => Err(Unready::Interrupted),
        Err(WaitEnd::TimedOut | WaitEnd::Failed(_)) => Err(Unready::TimedOut),
    }
}

impl CurrentTask {
    /// Puts a signal mask in force for the wait of one call, if one is given. Errors: `EINVAL` for a set of another size, `EFAULT`.
    pub(super) fn enter_mask(&self, at: GuestAddr, size: usize) -> Result<(), Errno> {
        if at.is_null() {
            return Ok(());
        }
        if size != size_of::<SigSet>() {
            return Err(Errno::EINVAL);
        }
        let set = SigSet(UserPtr::<u64>::new(at).read(&**self.task.mm())?);
        self.task.core.suspend_mask(set);
        Ok(())
    }
    /// Ends that, unless a signal waits to be taken under it: then taking signals does.
    pub(super) fn leave_mask<T>(&self, result: &Result<T, Unready>) {
        if !matches!(result, Err(Unready::Interrupted)) {
            self.task.core.restore_mask();
        }
    }
}

/// Polls and stores what was found.
async fn poll_files(
    cx: &CurrentTask,
    fds: UserPtr<Pollfd, Write>,
    n: usize,
    patience: Patience,
) -> Result<Result<usize, Unready>, Errno> {
    if n > cx.fd_limit() {
        return Err(Errno::EINVAL);
    }
    let mm = &**cx.task.mm();
    let mut list = fds.read_vec(mm, n)?;
    let mut set = PollSet::new();
    for p in &list {
        if p.fd < 0 {
            set.ignore();
        } else {
            set.add(
                cx.task.files().get(Fd(p.fd)).ok().map(|f| seen_by(cx, f)),
                Events::from_bits_truncate(p.events.into()),
            );
        }
    }
    let found = wait_ready(
        cx,
        || set.wait_set(),
        patience,
        || {
            set.poll(|i, events| {
                if let Some(p) = list.get_mut(i) {
                    // Readiness has the numbers of `poll`, which are below 2^16.
                    p.revents = u16::try_from(events.bits()).unwrap_or(0);
                }
            })
        },
    )
    .await;
    fds.write_slice(mm, &list)?;
    Ok(found)
}

/// `poll(2)`.
pub(super) async fn poll(
    cx: &mut CurrentTask,
    fds: UserPtr<Pollfd, Write>,
    n: usize,
    milliseconds: i32,
) -> SysResult {
    // Any negative time is for ever.
    let delay = u64::try_from(milliseconds).ok().map(|ms| ms * MILLISECOND);
    let patience = match cx.resumed_deadline() {
        Some(deadline) => Patience::Until(deadline),
        None => Patience::from_delay(cx, delay),
    };
    match poll_files(cx, fds, n, patience).await? {
        Ok(n) => Ok(n as u64),
        Err(Unready::TimedOut) => Ok(0),
        Err(Unready::Interrupted) => Err(cx.interrupted(match patience {
            Patience::Until(deadline) => Restart::Block(deadline),
            Patience::None | Patience::Endless => Restart::NoHandler,
        })),
    }
}

/// `ppoll(2)`. The time that is left is stored, so that a restarted call goes on waiting.
pub(super) async fn ppoll(
    cx: &mut CurrentTask,
    fds: UserPtr<Pollfd, Write>,
    n: usize,
    timeout: GuestAddr,
    mask: GuestAddr,
    size: usize,
) -> SysResult {
    let patience = Patience::from_timespec(cx, timeout)?;
    cx.enter_mask(mask, size)?;
    let found = poll_files(cx, fds, n, patience).await.inspect_err(|_| cx.task.core.restore_mask())?;
    cx.leave_mask(&found);
    let stored = store_left(cx, timeout, patience, timespec);
    match found {
        Ok(n) => Ok(n as u64),
        Err(Unready::TimedOut) => Ok(0),
        Err(Unready::Interrupted) if stored.is_err() => Err(Errno::EINTR),
        Err(Unready::Interrupted) => Err(cx.interrupted(Restart::NoHandler)),
    }
}

/// Stores what is left of the time, in the form that `form` gives it. Errors: `EFAULT`, and `EINTR` where the personality keeps the time
/// as it was; then the call must not restart.
pub(super) fn store_left(
    cx: &CurrentTask,
    at: GuestAddr,
    patience: Patience,
    form: impl Fn(Nanos) -> [u64; 2],
) -> Result<(), Errno> {
    match patience.left(cx) {
        Some(_) if !at.is_null() && personality::keeps_timeouts(&cx.task.core) => Err(Errno::EINTR),
        Some(left) if !at.is_null() => cx.put(at, &form(left)),
        _ => Ok(()),
    }
}
