//! Operations on address spaces, checked and made ready for the host.

use abi::Errno;

use crate::{Access, MapOp};

/// Checks the operations and joins neighbours. Guests have the addresses below `end`.
///
/// Errors: `EINVAL` for what is not aligned or lies elsewhere.
pub(crate) fn coalesce(ops: &[MapOp], end: u64, memory_len: u64) -> Result<Vec<MapOp>, Errno> {
    let mut out: Vec<MapOp> = Vec::with_capacity(ops.len());
    for op in ops {
        let (MapOp::Map { range, .. } | MapOp::Unmap { range } | MapOp::Protect { range, .. }) = *op;
        if !range.is_page_aligned() || range.end().0 > end {
            return Err(Errno::EINVAL);
        }
        if let MapOp::Map { offset, .. } = *op {
            let last = offset.0.checked_add(range.len());
            if offset.0 % 4096 != 0 || last.is_none_or(|e| e > memory_len) {
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
            MapOp::Map { range: a, offset: x, access: p, populate: f, private: v },
            MapOp::Map { range: b, offset: y, access: q, populate: g, private: w },
        ) if x.0 + a.len() == y.0 && p == q && f == g && v == w => joined(*a, *b).map(|r| *a = r),
        (MapOp::Unmap { range: a }, MapOp::Unmap { range: b }) => joined(*a, *b).map(|r| *a = r),
        (MapOp::Protect { range: a, access: p }, MapOp::Protect { range: b, access: q }) if p == q => {
            joined(*a, *b).map(|r| *a = r)
        }
        _ => None,
    };
    done.is_some()
}

/// The host's `PROT_*` bits.
pub(crate) fn prot(access: Access) -> u64 {
    let bit = |a, p: i32| if access.contains(a) { p as u64 } else { 0 };
    bit(Access::READ, libc::PROT_READ)
        | bit(Access::WRITE, libc::PROT_WRITE)
        | bit(Access::EXEC, libc::PROT_EXEC)
}

#[cfg(test)]
mod tests {
    use kcore::addr::{GuestAddr, GuestRange};
    use kcore::frame::FileOffset;

    use super::*;

    const END: u64 = 0x7fff_fff0_0000;

    fn map(start: u64, len: u64, offset: u64) -> MapOp {
        let range = GuestRange::from_len(GuestAddr(start), len).unwrap();
        MapOp::Map { range, offset: FileOffset(offset), access: Access::READ, populate: false, private: true }
    }

    #[test]
    fn joins_neighbours() {
        let ops = [map(0x10000, 0x1000, 0), map(0x11000, 0x1000, 0x1000), map(0x12000, 0x1000, 0)];
        assert_eq!(coalesce(&ops, END, 1 << 20).unwrap(), [map(0x10000, 0x2000, 0), map(0x12000, 0x1000, 0)]);
    }
    #[test]
    fn refuses_bad_ranges() {
        assert_eq!(coalesce(&[map(0x10001, 0x1000, 0)], END, 1 << 20), Err(Errno::EINVAL));
        assert_eq!(coalesce(&[map(END - 0x1000, 0x2000, 0)], END, 1 << 20), Err(Errno::EINVAL));
        assert_eq!(coalesce(&[map(0x10000, 0x2000, 0xff000)], END, 1 << 20), Err(Errno::EINVAL));
        assert_eq!(coalesce(&[map(0x10000, 0, 0)], END, 1 << 20), Ok(vec![]));
    }
}
