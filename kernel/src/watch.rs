//! Debug registers of tracees: breakpoints and watchpoints without the processor's help.
//!
//! While any is set, the task runs an instruction at a time, and after each it is looked whether a watched value has changed or the
//! next instruction is one to stop at. That is what `PTRACE_POKEUSER` of debug registers promises, but slow, and reads are not seen.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::user::UserMemory;
use mm::AddressSpace;
use smallvec::SmallVec;

/// How many addresses can be watched.
const SLOTS: usize = 4;
/// The bits of the status register that are always set once it was written by a trap.
const STATUS: u64 = 0xffff_0ff0;

/// The debug registers of a task.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DebugRegisters {
    address: [u64; SLOTS],
    status: u64,
    control: u64,
}

/// One address that is watched.
#[derive(Clone, Copy, Debug)]
struct Watch {
    slot: usize,
    at: GuestAddr,
    /// Bytes that must not change; 0 for an instruction.
    len: usize,
    value: [u8; 8],
}

/// What a task watches while it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches(SmallVec<[Watch; SLOTS]>);

impl DebugRegisters {
    /// The register number `n`; the two that do not exist are 0.
    pub(crate) fn get(&self, n: usize) -> u64 {
        match n {
            6 => self.status,
            7 => self.control,
            _ => self.address.get(n).copied().unwrap_or(0),
        }
    }
    /// Sets the register number `n`.
    ///
    /// Errors: `EIO` for one that does not exist, `EINVAL` for an address outside of guest memory and for lengths that instructions do
    /// not have, `ENOSPC` for reads, which cannot be watched.
    pub(crate) fn set(&mut self, n: usize, value: u64, max: u64) -> Result<(), Errno> {
        match (n, self.address.get_mut(n)) {
            (_, Some(_)) if value >= max => return Err(Errno::EINVAL),
            (_, Some(address)) => *address = value,
            (6, _) => self.status = value,
            (7, _) => {
                for slot in (0..SLOTS).filter(|s| is_enabled(value, *s)) {
                    match kind(value, slot) {
                        (EXECUTE, 1) | (WRITE, _) => {}
                        (EXECUTE, _) => return Err(Errno::EINVAL),
                        _ => return Err(Errno::ENOSPC),
                    }
                }
                self.control = value;
            }
            _ => return Err(Errno::EIO),
        }
        Ok(())
    }
    /// Notes which slots were hit.
    pub(crate) fn hit(&mut self, slots: u64) {
        self.status = STATUS | slots;
    }
    /// What is to be watched, with the present values.
    pub(crate) fn watches(&self, mm: &AddressSpace) -> Watches {
        let watch = |slot: usize| {
            let (what, len) = kind(self.control, slot);
            let (len, at) = (if what == EXECUTE { 0 } else { len }, GuestAddr(*self.address.get(slot)?));
            is_enabled(self.control, slot).then(|| Watch { slot, at, len, value: value(mm, at, len) })
        };
        Watches((0..SLOTS).filter_map(watch).collect())
    }
}

const EXECUTE: u64 = 0;
const WRITE: u64 = 1;

fn is_enabled(control: u64, slot: usize) -> bool {
    control >> (2 * slot) & 0b11 != 0
}

/// What a slot watches for, and how many bytes.
fn kind(control: u64, slot: usize) -> (u64, usize) {
    let bits = control >> (16 + 4 * slot);
    let len = match bits >> 2 & 0b11 {
        0 => 1,
        1 => 2,
        2 => 8,
        _ => 4,
    };
    (bits & 0b11, len)
}

/// The value at an address, as far as it can be read.
fn value(mm: &AddressSpace, at: GuestAddr, len: usize) -> [u8; 8] {
    let mut bytes = [0; 8];
    if let Some(part) = bytes.get_mut(..len) {
        mm.copy_in(at, part);
    }
    bytes
}

impl Watches {
    /// Whether nothing is watched.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Looks again after an instruction; `rip` is the next one. Returns the slots that were hit, a bit each.
    pub(crate) fn check(&mut self, mm: &AddressSpace, rip: u64) -> u64 {
        let mut hit = 0;
        for w in &mut self.0 {
            let now = value(mm, w.at, w.len);
            if if w.len == 0 { w.at.0 == rip } else { now != w.value } {
                hit |= 1 << w.slot;
            }
            w.value = now;
        }
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 0x7fff_ffff_f000;

    #[test]
    fn what_is_set_reads_back_and_what_cannot_be_is_refused() {
        let mut r = DebugRegisters::default();
        assert_eq!(r.set(0, 0x1000, MAX), Ok(()));
        assert_eq!(r.set(1, MAX, MAX), Err(Errno::EINVAL));
        assert_eq!((r.set(4, 0, MAX), r.set(5, 1, MAX)), (Err(Errno::EIO), Err(Errno::EIO)));
        assert_eq!(r.set(7, 8 << 16 | 1, MAX), Err(Errno::EINVAL), "an instruction of eight bytes");
        assert_eq!(r.set(7, 3 << 16 | 1, MAX), Err(Errno::ENOSPC), "reads");
        assert_eq!(r.set(7, 9 << 16 | 1, MAX), Ok(()));
        r.hit(1);
        assert_eq!([r.get(0), r.get(4), r.get(6), r.get(7)], [0x1000, 0, 0xffff_0ff1, 9 << 16 | 1]);
    }
}
