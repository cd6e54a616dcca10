//! Operations on files that may have to wait.

use abi::Errno;
use kcore::io::{IoError, IoResult};
use kcore::wait::{Events, WaitSet};
use vfs::OpenFile;

use crate::current::{CurrentTask, WaitEnd};
use crate::restart::Restart;

/// Repeats `attempt` until it does not say [`IoError::Again`], unless `file` is non-blocking. Errors: the attempt's; `EAGAIN`;
/// when interrupted `EINTR` with the rule `ERESTARTSYS`.
pub(super) async fn blocking<T>(
    cx: &CurrentTask,
    file: &OpenFile,
    events: Events,
    mut attempt: impl FnMut() -> IoResult<T>,
) -> Result<T, Errno> {
    match attempt() {
        Ok(v) => Ok(v),
        Err(IoError::Errno(e)) => Err(e),
        Err(IoError::Again) if file.is_nonblocking() => Err(Errno::EAGAIN),
        Err(IoError::Again) => match file.queue() {
            Some(queue) => until(cx, &WaitSet::one(&queue, events), attempt).await,
            None => Err(Errno::EAGAIN),
        },
    }
}

/// Waits on `set` until `attempt` does not say [`IoError::Again`]. Errors: the attempt's; when interrupted `EINTR` with the rule
/// `ERESTARTSYS`.
pub(super) async fn until<T>(
    cx: &CurrentTask,
    set: &WaitSet,
    attempt: impl FnMut() -> IoResult<T>,
) -> Result<T, Errno> {
    match cx.wait(set, None, attempt).await {
        Ok(v) => Ok(v),
        Err(WaitEnd::Failed(e)) => Err(e),
        Err(WaitEnd::Interrupted) => Err(cx.interrupted(Restart::Sys)),
        Err(WaitEnd::TimedOut) => Err(Errno::EAGAIN),
    }
}
