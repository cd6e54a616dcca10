//! Address spaces: one stub process each.

use std::sync::{Arc, Mutex, mpsc};

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange};

use super::TracerHandle;
use super::inject::Injector;
use super::lock;
use super::mapped::Mapped;
use super::queue::Command;
use super::stub::{STUB_MEMFD, STUB_PAGE};
use super::sys::Pid;
use crate::map_op::{coalesce, prot};
use crate::{GuestSpace, MapOp};

/// The stub process of an address space; killed when dropped.
pub(super) struct Stub {
    pub(super) tracer: Arc<TracerHandle>,
    pub(super) anchor: Pid,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.tracer.queue.post(Command::KillSpace { anchor: self.anchor });
    }
}

/// An address space of the ptrace backend.
pub struct PtraceSpace {
    pub(super) stub: Arc<Stub>,
    mapped: Mutex<Mapped>,
}

impl PtraceSpace {
    pub(super) fn new(tracer: &Arc<TracerHandle>) -> Result<PtraceSpace, Errno> {
        let (reply, result) = mpsc::sync_channel(1);
        tracer.queue.post(Command::NewSpace { reply });
        let anchor = result.recv().map_err(|_| Errno::ESRCH)??;
        let stub = Arc::new(Stub { tracer: tracer.clone(), anchor });
        Ok(PtraceSpace { stub, mapped: Mutex::default() })
    }

    /// The process id of the stub, for tests and diagnosis.
    pub fn stub_pid(&self) -> i32 {
        self.stub.anchor
    }
}

impl GuestSpace for PtraceSpace {
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno> {
        let ops = coalesce(ops, STUB_PAGE, self.stub.tracer.memory_len)?;
        if ops.is_empty() {
            return Ok(());
        }
        let mut mapped = lock(&self.mapped);
        let ops = ops.iter().flat_map(|op| apply_to(&mut mapped, op)).collect();
        let (reply, result) = mpsc::sync_channel(1);
        self.stub.tracer.queue.post(Command::Apply { anchor: self.stub.anchor, ops, reply });
        result.recv().map_err(|_| Errno::ESRCH)?
    }
}

/// Carries out `ops` in the stub. For the tracer.
/// Notes what an operation does, and returns what is to be done: the host refuses to protect where nothing is mapped.
fn apply_to(mapped: &mut Mapped, op: &MapOp) -> Vec<MapOp> {
    match *op {
        MapOp::Map { range, .. } => mapped.insert(range.start().0, range.end().0),
        MapOp::Unmap { range } => mapped.remove(range.start().0, range.end().0),
        MapOp::Protect { range, access } => {
            let parts = mapped.parts(range.start().0, range.end().0);
            let part = |(a, b)| GuestRange::from_len(GuestAddr(a), b - a);
            return parts.filter_map(part).map(|range| MapOp::Protect { range, access }).collect();
        }
    }
    vec![*op]
}

pub(super) fn apply_in_stub(injector: &mut Injector, anchor: Pid, ops: &[MapOp]) -> Result<(), Errno> {
    for op in ops {
        match *op {
            MapOp::Map { range, offset, access, populate, .. } => {
                let flags =
                    libc::MAP_SHARED | libc::MAP_FIXED | if populate { libc::MAP_POPULATE } else { 0 };
                let args = [range.start().0, range.len(), prot(access), flags as u64, STUB_MEMFD, offset.0];
                injector.call(anchor, libc::SYS_mmap, args)?;
            }
            MapOp::Unmap { range } => {
                injector.call(anchor, libc::SYS_munmap, [range.start().0, range.len(), 0, 0, 0, 0])?;
            }
            MapOp::Protect { range, access } => {
                let args = [range.start().0, range.len(), prot(access), 0, 0, 0];
                injector.call(anchor, libc::SYS_mprotect, args)?;
            }
        }
    }
    Ok(())
}
