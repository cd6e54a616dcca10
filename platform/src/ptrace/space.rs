//! Address spaces: one stub process each.

use std::sync::{Arc, mpsc};

use abi::Errno;

use super::TracerHandle;
use super::inject::Injector;
use super::queue::Command;
use super::stub::{STUB_MEMFD, STUB_PAGE, mapped_ranges};
use super::sys::Pid;
use crate::{Access, GuestSpace, MapOp};

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
}

impl PtraceSpace {
    pub(super) fn new(tracer: &Arc<TracerHandle>) -> Result<PtraceSpace, Errno> {
        let (reply, result) = mpsc::sync_channel(1);
        tracer.queue.post(Command::NewSpace { reply });
        let anchor = result.recv().map_err(|_| Errno::ESRCH)??;
        Ok(PtraceSpace { stub: Arc::new(Stub { tracer: tracer.clone(), anchor }) })
    }

    /// The process id of the stub, for tests and diagnosis.
    pub fn stub_pid(&self) -> i32 {
        self.stub.anchor
    }
}

impl GuestSpace for PtraceSpace {
    fn apply(&self, ops: &[MapOp]) -> Result<(), Errno> {
        let ops = coalesce(ops, self.stub.tracer.memory_len)?;
        if ops.is_empty() {
            return Ok(());
        }
        let (reply, result) = mpsc::sync_channel(1);
        self.stub.tracer.queue.post(Command::Apply { anchor: self.stub.anchor, ops, reply });
        result.recv().map_err(|_| Errno::ESRCH)?
    }
}

/// Checks the operations and joins neighbours.
fn coalesce(ops: &[MapOp], memory_len: u64) -> Result<Vec<MapOp>, Errno> {
    let mut out: Vec<MapOp> = Vec::with_capacity(ops.len());
    for op in ops {
        let (MapOp::Map { range, .. } | MapOp::Unmap { range } | MapOp::Protect { range, .. }) = *op;
        if !range.is_page_aligned() || range.end().0 > STUB_PAGE {
            return Err(Errno::EINVAL);
        }
        if let MapOp::Map { offset, .. } = *op {
            let end = offset.0.checked_add(range.len());
            if offset.0 % 4096 != 0 || end.is_none_or(|e| e > memory_len) {
                return Err(Errno::EINVAL);
            }
        }
        if range.is_empty() {
            continue;
        }
        if !out.last_mut().is_some_and(|last| join(last, op)) {
            out.push(*op);
        }
    }
    Ok(out)
}

fn join(last: &mut MapOp, next: &MapOp) -> bool {
    let joined = |a: kcore::addr::GuestRange, b: kcore::addr::GuestRange| {
        if a.end() == b.start() { kcore::addr::GuestRange::new(a.start(), b.end()) } else { None }
    };
    let done = match (&mut *last, next) {
        (
            MapOp::Map { range: a, offset: x, access: p, populate: f },
            MapOp::Map { range: b, offset: y, access: q, populate: g },
        ) if x.0 + a.len() == y.0 && p == q && f == g => joined(*a, *b).map(|r| *a = r),
        (MapOp::Unmap { range: a }, MapOp::Unmap { range: b }) => joined(*a, *b).map(|r| *a = r),
        (MapOp::Protect { range: a, access: p }, MapOp::Protect { range: b, access: q }) if p == q => {
            joined(*a, *b).map(|r| *a = r)
        }
        _ => None,
    };
    done.is_some()
}

fn prot(access: Access) -> u64 {
    let bit = |a, p: i32| if access.contains(a) { p as u64 } else { 0 };
    bit(Access::READ, libc::PROT_READ)
        | bit(Access::WRITE, libc::PROT_WRITE)
        | bit(Access::EXEC, libc::PROT_EXEC)
}

/// Carries out `ops` in the stub. For the tracer.
pub(super) fn apply_in_stub(injector: &mut Injector, anchor: Pid, ops: &[MapOp]) -> Result<(), Errno> {
    for op in ops {
        match *op {
            MapOp::Map { range, offset, access, populate } => {
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
                match injector.call(anchor, libc::SYS_mprotect, args) {
                    // The host stops at the first hole.
                    Err(Errno::ENOMEM) => protect_pieces(injector, anchor, range, prot(access))?,
                    r => drop(r?),
                }
            }
        }
    }
    Ok(())
}

fn protect_pieces(
    injector: &mut Injector,
    anchor: Pid,
    range: kcore::addr::GuestRange,
    prot: u64,
) -> Result<(), Errno> {
    for (a, b) in mapped_ranges(anchor)? {
        let (a, b) = (a.max(range.start().0), b.min(range.end().0));
        if a < b {
            injector.call(anchor, libc::SYS_mprotect, [a, b - a, prot, 0, 0, 0])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kcore::addr::{GuestAddr, GuestRange};
    use kcore::frame::FileOffset;

    use super::*;

    fn map(start: u64, len: u64, offset: u64) -> MapOp {
        let range = GuestRange::from_len(GuestAddr(start), len).unwrap();
        MapOp::Map { range, offset: FileOffset(offset), access: Access::READ, populate: false }
    }

    #[test]
    fn joins_neighbours() {
        let ops = [map(0x10000, 0x1000, 0), map(0x11000, 0x1000, 0x1000), map(0x12000, 0x1000, 0)];
        assert_eq!(coalesce(&ops, 1 << 20).unwrap(), [map(0x10000, 0x2000, 0), map(0x12000, 0x1000, 0)]);
    }
    #[test]
    fn refuses_bad_ranges() {
        assert_eq!(coalesce(&[map(0x10001, 0x1000, 0)], 1 << 20), Err(Errno::EINVAL));
        assert_eq!(coalesce(&[map(STUB_PAGE - 0x1000, 0x2000, 0)], 1 << 20), Err(Errno::EINVAL));
        assert_eq!(coalesce(&[map(0x10000, 0x2000, 0xff000)], 1 << 20), Err(Errno::EINVAL));
        assert_eq!(coalesce(&[map(0x10000, 0, 0)], 1 << 20), Ok(vec![]));
    }
}
