//! [`select(2)`](https://man7.org/linux/man-pages/man2/select.2.html).

use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::host::Nanos;
use kcore::id::Fd;
use kcore::user::{UserMemory, UserPtr};
use kcore::wait::Events;
use vfs::anon::PollSet;

use super::SysResult;
use super::poll::{Patience, Unready, store_left, wait_ready};
use super::signalfd::seen_by;
use super::time::timespec;
use crate::current::CurrentTask;
use crate::restart::Restart;

const SECOND: u64 = 1_000_000_000;
const MICROSECOND: u64 = 1_000;
/// Sets are arrays of words.
const WORD: usize = 8;

/// What makes a descriptor count in the first, second and third set.
const CLASSES: [Events; 3] = [
    Events::READABLE.union(Events::RDBAND).union(Events::ALWAYS),
    Events::WRITABLE.union(Events::WRBAND).union(Events::ERR),
    Events::PRI,
];

/// The three sets of a call; one that was not given is empty.
struct Sets {
    at: [GuestAddr; 3],
    bits: [Vec<u8>; 3],
}

fn bit(set: &[u8], n: usize) -> bool {
    set.get(n / 8).is_some_and(|b| b & 1 << (n % 8) != 0)
}

impl Sets {
    /// Errors: `EFAULT`.
    fn read(cx: &CurrentTask, n: usize, at: [GuestAddr; 3]) -> Result<Sets, Errno> {
        let bytes = n.div_ceil(8 * WORD) * WORD;
        let mut bits = [const { Vec::new() }; 3];
        for (set, at) in bits.iter_mut().zip(at) {
            if !at.is_null() {
                *set = vec![0; bytes];
                if cx.task.mm().copy_in(at, set) < bytes {
                    return Err(Errno::EFAULT);
                }
            }
        }
        Ok(Sets { at, bits })
    }
    /// What is wanted of descriptor `n`.
    fn wanted(&self, n: usize) -> Events {
        let classes = self.bits.iter().zip(CLASSES);
        classes.filter(|(set, _)| bit(set, n)).fold(Events::empty(), |all, (_, class)| all | class)
    }
    /// Empty sets of the same sizes.
    fn cleared(&self) -> Sets {
        Sets { at: self.at, bits: self.bits.each_ref().map(|set| vec![0; set.len()]) }
    }
    /// Puts descriptor `n` into the sets of `asked` that `events` make it count in; says how many.
    fn note(&mut self, asked: &Sets, n: usize, events: Events) -> usize {
        let mut count = 0;
        for ((set, asked), class) in self.bits.iter_mut().zip(&asked.bits).zip(CLASSES) {
            if events.intersects(class)
                && bit(asked, n)
                && let Some(b) = set.get_mut(n / 8)
            {
                *b |= 1 << (n % 8);
                count += 1;
            }
        }
        count
    }
    /// Errors: `EFAULT`.
    fn write(&self, cx: &CurrentTask) -> Result<(), Errno> {
        for (set, at) in self.bits.iter().zip(self.at) {
            if !at.is_null() && cx.task.mm().copy_out(at, set) < set.len() {
                return Err(Errno::EFAULT);
            }
        }
        Ok(())
    }
}

async fn select_files(
    cx: &CurrentTask,
    n: i32,
    at: [GuestAddr; 3],
    patience: Patience,
) -> Result<Result<usize, Unready>, Errno> {
    let n = usize::try_from(n).map_err(|_| Errno::EINVAL)?;
    // Higher descriptors than there can be are not looked at.
    let n = n.min(cx.task.files().size());
    let asked = Sets::read(cx, n, at)?;
    let mut set = PollSet::new();
    let mut fds = Vec::new();
    for fd in 0..n {
        let want = asked.wanted(fd);
        if !want.is_empty() {
            let number = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
            set.add(Some(seen_by(cx, cx.task.files().get_open(Fd(number))?)), want);
            fds.push(fd);
        }
    }
    let mut found = asked.cleared();
    let result = wait_ready(
        cx,
        || set.wait_set(),
        patience,
        || {
            found = asked.cleared();
            let mut bits = 0;
            set.poll(|i, events| bits += fds.get(i).map_or(0, |fd| found.note(&asked, *fd, events)));
            bits
        },
    )
    .await;
    if result != Err(Unready::Interrupted) {
        found.write(cx)?;
    }
    Ok(result)
}

/// What a finished wait returns; the time that is left is stored, so that a restarted call goes on waiting.
fn finish(
    cx: &CurrentTask,
    found: Result<usize, Unready>,
    timeout: GuestAddr,
    patience: Patience,
    form: impl Fn(Nanos) -> [u64; 2],
) -> SysResult {
    let stored = store_left(cx, timeout, patience, form);
    match found {
        Ok(n) => Ok(n as u64),
        Err(Unready::TimedOut) => Ok(0),
        Err(Unready::Interrupted) if stored.is_err() => Err(Errno::EINTR),
        Err(Unready::Interrupted) => Err(cx.interrupted(Restart::NoHandler)),
    }
}

/// `select(2)`.
pub(super) async fn select(
    cx: &mut CurrentTask,
    n: i32,
    read: GuestAddr,
    write: GuestAddr,
    except: GuestAddr,
    timeout: GuestAddr,
) -> SysResult {
    let delay = if timeout.is_null() { None } else { Some(read_timeval(cx, timeout)?) };
    let patience = Patience::from_delay(cx, delay);
    let found = select_files(cx, n, [read, write, except], patience).await?;
    finish(cx, found, timeout, patience, |ns| [ns / SECOND, ns % SECOND / MICROSECOND])
}

/// A duration; microseconds may be more than a second. Errors: `EFAULT`, `EINVAL`.
fn read_timeval(cx: &CurrentTask, at: GuestAddr) -> Result<Nanos, Errno> {
    let [sec, usec] = UserPtr::<[i64; 2]>::new(at).read(&**cx.task.mm())?;
    let (Ok(sec), Ok(usec)) = (u64::try_from(sec), u64::try_from(usec)) else { return Err(Errno::EINVAL) };
    Ok(sec.saturating_mul(SECOND).saturating_add(usec.saturating_mul(MICROSECOND)))
}

/// `pselect6(2)`, the system call: the last argument points to the address and size of the signal mask.
pub(super) async fn pselect6(
    cx: &mut CurrentTask,
    n: i32,
    read: GuestAddr,
    write: GuestAddr,
    except: GuestAddr,
    timeout: GuestAddr,
    mask: GuestAddr,
) -> SysResult {
    let (mask, size) = if mask.is_null() {
        (GuestAddr::NULL, 0)
    } else {
        let [at, size] = UserPtr::<[u64; 2]>::new(mask).read(&**cx.task.mm())?;
        (GuestAddr(at), usize::try_from(size).map_err(|_| Errno::EINVAL)?)
    };
    let patience = Patience::from_timespec(cx, timeout)?;
    cx.enter_mask(mask, size)?;
    let found = select_files(cx, n, [read, write, except], patience).await;
    let found = found.inspect_err(|_| cx.task.core.restore_mask())?;
    cx.leave_mask(&found);
    finish(cx, found, timeout, patience, timespec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_count_once_per_set() {
        let at = [GuestAddr::NULL; 3];
        let asked = Sets { at, bits: [vec![0b110, 0], vec![0b10, 0], Vec::new()] };
        assert_eq!(asked.wanted(1), CLASSES[0] | CLASSES[1]);
        assert_eq!(asked.wanted(9), Events::empty());
        let mut found = asked.cleared();
        assert_eq!(found.note(&asked, 1, Events::IN | Events::OUT), 2);
        assert_eq!(found.note(&asked, 2, Events::OUT), 0);
        assert_eq!(found.note(&asked, 2, Events::HUP), 1);
        assert_eq!(found.bits, [vec![0b110, 0], vec![0b10, 0], Vec::new()]);
    }
}
