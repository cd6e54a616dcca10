//! System calls on the address space.

mod advise;
mod barrier;
mod lock;
mod map;
mod pkey;

pub(super) use advise::{madvise, process_madvise};
pub(super) use barrier::membarrier;
pub(super) use lock::{mincore, mlock, mlock2, mlockall, munlock, munlockall};
pub(super) use map::{brk, mmap, mprotect, mremap, mseal, msync, munmap, remap_file_pages};
pub(super) use pkey::{pkey_alloc, pkey_free, pkey_mprotect};

use alloc::sync::Arc;

use kcore::cred::Cap;
use mm::AddressSpace;

use crate::current::CurrentTask;

/// The task's address space, with the limits that its process has now.
pub(super) fn limited(cx: &CurrentTask) -> &Arc<AddressSpace> {
    let mm = cx.task.mm();
    let privileged = cx.task.cred().has_cap_everywhere(Cap::IpcLock);
    let now = super::limits::space_limits(cx.task.core.group(), privileged);
    if mm.limits() != now {
        mm.set_limits(now);
    }
    mm
}
