//! [`eventfd(2)`](https://man7.org/linux/man-pages/man2/eventfd.2.html).

use abi::Errno;
use abi::fs::poll::{EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE};
use vfs::anon::EventFd;
use vfs::consts::O_RDWR;

use super::SysResult;
use crate::current::CurrentTask;

/// `eventfd(2)` as it was without flags. Errors: `EMFILE`.
pub(super) fn eventfd(cx: &mut CurrentTask, initial: u32) -> SysResult {
    eventfd2(cx, initial, 0)
}

/// `eventfd2(2)`. Errors: `EINVAL` for unknown flags, `EMFILE`.
pub(super) fn eventfd2(cx: &mut CurrentTask, initial: u32, flags: u32) -> SysResult {
    if flags & !(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE) != 0 {
        return Err(Errno::EINVAL);
    }
    let counter = EventFd::new(initial.into(), flags & EFD_SEMAPHORE != 0);
    // `EFD_NONBLOCK` is `O_NONBLOCK`.
    let file = cx.kernel().nameless().open(counter, O_RDWR | flags & EFD_NONBLOCK);
    cx.install(file, flags & EFD_CLOEXEC != 0)
}
