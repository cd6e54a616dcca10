//! [`signalfd(2)`](https://man7.org/linux/man-pages/man2/signalfd.2.html).

use alloc::sync::{Arc, Weak};

use abi::Errno;
use abi::fs::poll::{SFD_CLOEXEC, SFD_NONBLOCK};
use kcore::addr::GuestAddr;
use kcore::id::Fd;
use kcore::user::UserPtr;
use kcore::wait::WaitQueue;
use task::signal::{SigFields, SigInfo, SigSet};
use vfs::OpenFile;
use vfs::anon::signalfd::SIGINFO;
use vfs::anon::{SignalFd, SignalSource};
use vfs::consts::O_RDWR;

use super::SysResult;
use crate::current::CurrentTask;

/// The signals of a thread and of its process.
struct Pending {
    task: Weak<task::Task>,
    queue: WaitQueue,
}

impl Pending {
    fn of(cx: &CurrentTask) -> Arc<Pending> {
        let core = &cx.task.core;
        Arc::new(Pending { task: Arc::downgrade(core), queue: core.group().signal_queue.clone() })
    }
}

/// A signalfd as the caller sees it: it reads and waits for the signals of whoever uses it, not of its maker. Other files are as they are.
pub(super) fn seen_by(cx: &CurrentTask, file: Arc<OpenFile>) -> Arc<OpenFile> {
    match file.ops_as::<SignalFd>() {
        Some(signals) => OpenFile::new(signals.seen_by(Pending::of(cx)), file.flags(), None),
        None => file,
    }
}

impl SignalSource for Pending {
    fn dequeue(&self, mask: u64) -> Option<[u8; SIGINFO]> {
        self.task.upgrade()?.dequeue_mask(SigSet(mask)).ok().map(|i| record(&i))
    }
    fn pending(&self, mask: u64) -> bool {
        self.task.upgrade().is_some_and(|t| t.pending_in(SigSet(mask)) != SigSet::EMPTY)
    }
    fn queue(&self) -> WaitQueue {
        self.queue.clone()
    }
}

/// `struct signalfd_siginfo`.
fn record(info: &SigInfo) -> [u8; SIGINFO] {
    let mut b = [0; SIGINFO];
    fn put<const N: usize>(b: &mut [u8; SIGINFO], at: usize, v: [u8; N]) {
        b[at..at + N].copy_from_slice(&v);
    }
    put(&mut b, 0, info.signal.number().to_le_bytes());
    put(&mut b, 4, info.errno.to_le_bytes());
    put(&mut b, 8, info.code.to_le_bytes());
    // The low half of a value is also `ssi_int`.
    let value = |b: &mut [u8; SIGINFO], v: [u8; 8]| {
        put(b, 44, [v[0], v[1], v[2], v[3]]);
        put(b, 48, v);
    };
    match info.fields {
        SigFields::None => {}
        SigFields::Kill { pid, uid } => {
            put(&mut b, 12, pid.0.to_le_bytes());
            put(&mut b, 16, uid.0.to_le_bytes());
        }
        SigFields::Rt { pid, uid, value: v } => {
            put(&mut b, 12, pid.0.to_le_bytes());
            put(&mut b, 16, uid.0.to_le_bytes());
            value(&mut b, v.to_le_bytes());
        }
        SigFields::Timer { id, overrun, value: v } => {
            put(&mut b, 24, id.to_le_bytes());
            put(&mut b, 32, overrun.to_le_bytes());
            value(&mut b, v.to_le_bytes());
        }
        SigFields::Child { pid, uid, status, utime, stime } => {
            put(&mut b, 12, pid.0.to_le_bytes());
            put(&mut b, 16, uid.0.to_le_bytes());
            put(&mut b, 40, status.to_le_bytes());
            put(&mut b, 56, utime.to_le_bytes());
            put(&mut b, 64, stime.to_le_bytes());
        }
        SigFields::Fault { addr } => put(&mut b, 72, addr.to_le_bytes()),
        SigFields::Poll { band, fd } => {
            let [b0, b1, b2, b3, ..] = band.to_le_bytes();
            put(&mut b, 28, [b0, b1, b2, b3]);
            put(&mut b, 20, fd.to_le_bytes());
        }
        SigFields::Sys { addr, nr, arch } => {
            put(&mut b, 84, nr.to_le_bytes());
            put(&mut b, 88, addr.to_le_bytes());
            put(&mut b, 96, arch.to_le_bytes());
        }
        // What programs make up has the layout of `sigqueue(3)`.
        SigFields::Raw(raw) => {
            b[12..20].copy_from_slice(&raw[..8]);
            let mut v = [0; 8];
            v.copy_from_slice(&raw[8..16]);
            value(&mut b, v);
        }
    }
    b
}

/// `signalfd(2)` as it was without flags. Errors: as [`signalfd4`].
pub(super) fn signalfd(cx: &mut CurrentTask, fd: Fd, mask: GuestAddr, size: usize) -> SysResult {
    signalfd4(cx, fd, mask, size, 0)
}

/// `signalfd4(2)`: makes a descriptor, or changes the mask of `fd`.
///
/// Errors: `EINVAL` for flags, a set's size or a file that are none; `EFAULT`, `EBADF`, `EMFILE`.
pub(super) fn signalfd4(cx: &mut CurrentTask, fd: Fd, mask: GuestAddr, size: usize, flags: u32) -> SysResult {
    if size != size_of::<u64>() {
        return Err(Errno::EINVAL);
    }
    let mask = UserPtr::<u64>::new(mask).read(&**cx.task.mm())?;
    if flags & !(SFD_CLOEXEC | SFD_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    if fd != Fd(-1) {
        let file = cx.task.files().get_open(fd)?;
        file.ops_as::<SignalFd>().ok_or(Errno::EINVAL)?.set_mask(mask);
        return u64::try_from(fd.0).map_err(|_| Errno::EBADF);
    }
    let signals = SignalFd::new(mask, Pending::of(cx));
    let file = cx.kernel().nameless().open(signals, O_RDWR | flags & SFD_NONBLOCK);
    cx.install(file, flags & SFD_CLOEXEC != 0)
}
