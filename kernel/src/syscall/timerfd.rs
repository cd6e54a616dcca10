//! [`timerfd_create(2)`](https://man7.org/linux/man-pages/man2/timerfd_create.2.html).

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::poll::{TFD_CLOEXEC, TFD_NONBLOCK};
use abi::time::{
    CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM, Itimerspec,
};
use kcore::addr::GuestAddr;
use kcore::host::ClockSource;
use kcore::id::Fd;
use kcore::user::UserPtr;
use vfs::OpenFile;
use vfs::anon::TimerFd;
use vfs::anon::timerfd::TimerSetting;
use vfs::consts::O_RDWR;

use super::SysResult;
use super::posix_timer::nanos;
use super::time::timespec;
use crate::current::CurrentTask;

/// `timerfd_create(2)`. Errors: `EINVAL`; `EOPNOTSUPP` for clocks that wake the machine, which it has none of; `EMFILE`.
pub(super) fn timerfd_create(cx: &mut CurrentTask, clock: i32, flags: u32) -> SysResult {
    if flags & !(TFD_CLOEXEC | TFD_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let source = match clock {
        CLOCK_REALTIME => ClockSource::Realtime,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => ClockSource::Monotonic,
        CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::EINVAL),
    };
    let kernel = cx.kernel();
    let timer = TimerFd::new(kernel.host().clock.clone(), kernel.timers().clone(), source);
    let file = kernel.nameless().open(timer, O_RDWR | flags & TFD_NONBLOCK);
    cx.install(file, flags & TFD_CLOEXEC != 0)
}

/// The file of a timer. Errors: `EBADF`.
fn get(cx: &CurrentTask, fd: Fd) -> Result<Arc<OpenFile>, Errno> {
    cx.task.files().get_open(fd)
}

fn timer(file: &OpenFile) -> Result<&TimerFd, Errno> {
    file.ops_as().ok_or(Errno::EINVAL)
}

fn put(cx: &CurrentTask, at: GuestAddr, s: TimerSetting) -> Result<(), Errno> {
    cx.put(at, &[timespec(s.interval), timespec(s.value)])
}

/// `timerfd_settime(2)`. Errors: `EFAULT`; `EINVAL` for a time, flags or a file that are none; `EBADF`.
pub(super) fn timerfd_settime(
    cx: &mut CurrentTask,
    fd: Fd,
    flags: u32,
    new: GuestAddr,
    old: GuestAddr,
) -> SysResult {
    let spec = UserPtr::<Itimerspec>::new(new).read(&**cx.task.mm())?;
    let setting = TimerSetting { interval: nanos(spec.it_interval)?, value: nanos(spec.it_value)? };
    let file = get(cx, fd)?;
    let was = timer(&file)?.set(flags, setting)?;
    if !old.is_null() {
        put(cx, old, was)?;
    }
    Ok(0)
}

/// `timerfd_gettime(2)`. Errors: `EBADF`, `EINVAL`, `EFAULT`.
pub(super) fn timerfd_gettime(cx: &mut CurrentTask, fd: Fd, out: GuestAddr) -> SysResult {
    let file = get(cx, fd)?;
    put(cx, out, timer(&file)?.get())?;
    Ok(0)
}
