//! The kernel's own accesses to guest memory.

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::{FileOffset, FrameStore};
use kcore::user::UserMemory;

use crate::space::{AddressSpace, Inner};
use crate::types::Prot;

/// Names a futex, `futex(2)`: by address in a private one, by object and offset in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FutexKey {
    /// In this address space only.
    Private {
        /// [`AddressSpace::id`].
        space: u64,
        /// The address.
        addr: u64,
    },
    /// Wherever the object is mapped.
    Shared {
        /// Identity of the object.
        object: usize,
        /// Byte offset in it.
        offset: u64,
    },
}

/// What an access needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Read,
    Write,
}

impl Inner {
    /// The memory-file offset of `addr` and the bytes from there on that are as accessible, if that needs no fault.
    fn at_hand(&self, addr: u64, need: Need) -> Option<(u64, u64)> {
        let v = self.vmas.find(addr)?;
        let r = self.resident.find(addr)?;
        let ok = match need {
            Need::Read => !v.prot.is_empty(),
            Need::Write => v.prot.contains(Prot::WRITE) && r.kind.writable(),
        };
        ok.then(|| (r.offset_of(addr), r.end.min(v.end) - addr))
    }
    /// Faults the page of `addr` in as the guest's own access would. Errors: `EFAULT`.
    fn fault_in(&mut self, addr: u64, need: Need) -> Result<(), Errno> {
        let page = addr & !(PAGE_SIZE - 1);
        if self.vmas.find(page).is_none() && !self.grow_stack(page) {
            return Err(Errno::EFAULT);
        }
        let v = self.vmas.find(page).ok_or(Errno::EFAULT)?;
        let ok = match need {
            Need::Read => !v.prot.is_empty(),
            Need::Write => v.prot.contains(Prot::WRITE),
        };
        if !ok {
            return Err(Errno::EFAULT);
        }
        self.ensure(page, need == Need::Write).map_err(|_| Errno::EFAULT)
    }
}

impl AddressSpace {
    /// Calls `f` with memory-file offsets that hold `len` bytes from `addr`, piece by piece, with the position of each piece, until one
    /// cannot be accessed. The frames stay for the time of the call. Returns the bytes covered.
    fn pieces(
        &self,
        addr: GuestAddr,
        len: usize,
        need: Need,
        mut f: impl FnMut(FileOffset, usize, usize),
    ) -> usize {
        let mut done = 0;
        while done < len {
            let Some(at) = addr.checked_add(done as u64) else { break };
            let piece = |s: &Inner| {
                let (offset, room) = s.at_hand(at.0, need)?;
                let n = usize::try_from(room).unwrap_or(usize::MAX).min(len - done);
                Some((offset, n))
            };
            {
                let s = self.inner.read();
                if let Some((offset, n)) = piece(&s) {
                    f(FileOffset(offset), done, n);
                    done += n;
                    continue;
                }
            }
            let faulted = self.update(|s| {
                s.fault_in(at.0, need)?;
                let (offset, n) = piece(s).ok_or(Errno::EFAULT)?;
                f(FileOffset(offset), done, n);
                Ok(n)
            });
            match faulted {
                Ok(n) => done += n,
                Err(_) => break,
            }
        }
        done
    }
    /// Copies guest memory into the memory file, up to the first byte that cannot be read. Returns the bytes copied.
    pub(crate) fn copy_in_frames(&self, addr: GuestAddr, to: FileOffset, len: usize) -> usize {
        self.pieces(addr, len, Need::Read, |from, done, n| {
            self.frames.copy(from, FileOffset(to.0 + done as u64), n as u64);
        })
    }
    /// Copies from the memory file to guest memory, up to the first byte that cannot be written. Returns the bytes copied.
    pub(crate) fn copy_out_frames(&self, addr: GuestAddr, from: FileOffset, len: usize) -> usize {
        self.pieces(addr, len, Need::Write, |to, done, n| {
            self.frames.copy(FileOffset(from.0 + done as u64), to, n as u64);
        })
    }
    fn word<R>(&self, addr: GuestAddr, need: Need, f: impl Fn(u64) -> R) -> Result<R, Errno> {
        if !addr.0.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let mut result = None;
        self.pieces(addr, 4, need, |at, _, _| result = Some(f(at.0)));
        result.ok_or(Errno::EFAULT)
    }
    /// Loads a 32-bit word atomically. Errors: `EFAULT`; `EINVAL` unless aligned.
    pub fn load_u32(&self, addr: GuestAddr) -> Result<u32, Errno> {
        self.word(addr, Need::Read, |at| self.frames.raw().load_u32(at))
    }
    /// Stores a 32-bit word atomically. Errors: `EFAULT`; `EINVAL` unless aligned.
    pub fn store_u32(&self, addr: GuestAddr, value: u32) -> Result<(), Errno> {
        self.word(addr, Need::Write, |at| self.frames.raw().store_u32(at, value))
    }
    /// Compares a 32-bit word with `old` and, if equal, replaces it by `new`, atomically. The inner result is the old value, as `Err`
    /// if it was another. Errors: `EFAULT`; `EINVAL` unless aligned.
    pub fn cmpxchg_u32(&self, addr: GuestAddr, old: u32, new: u32) -> Result<Result<u32, u32>, Errno> {
        self.word(addr, Need::Write, |at| self.frames.raw().cmpxchg_u32(at, old, new))
    }
    /// The name of the futex at `addr`; `private` is `FUTEX_PRIVATE_FLAG`. Errors: `EFAULT` if nothing is mapped; `EINVAL` unless aligned.
    pub fn futex_key(&self, addr: GuestAddr, private: bool) -> Result<FutexKey, Errno> {
        if !addr.0.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let here = FutexKey::Private { space: self.id, addr: addr.0 };
        if private {
            return Ok(here);
        }
        let s = self.inner.read();
        let v = s.vmas.find(addr.0).ok_or(Errno::EFAULT)?;
        Ok(match v.file_at(addr.0).filter(|_| v.shared()) {
            Some((file, offset)) => FutexKey::Shared { object: file.id(), offset },
            None => here,
        })
    }
}

impl UserMemory for AddressSpace {
    fn copy_in(&self, addr: GuestAddr, dst: &mut [u8]) -> usize {
        let len = dst.len();
        self.pieces(addr, len, Need::Read, |at, done, n| self.frames.read(at, &mut dst[done..done + n]))
    }
    fn copy_out(&self, addr: GuestAddr, src: &[u8]) -> usize {
        self.pieces(addr, src.len(), Need::Write, |at, done, n| self.frames.write(at, &src[done..done + n]))
    }
    fn zero_out(&self, addr: GuestAddr, len: usize) -> usize {
        self.pieces(addr, len, Need::Write, |at, _, n| self.frames.zero(at, n as u64))
    }
}
