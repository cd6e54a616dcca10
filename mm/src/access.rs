//! The kernel's access to guest memory: by this address space's own mappings, through the kernel's mapping of the memory file.

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange, PAGE_SIZE};
use kcore::frame::{FileOffset, FrameStore};
use kcore::raw::RawBytes;
use kcore::user::UserMemory;

use crate::lookaside::Piece;
use crate::space::{AddressSpace, Inner};
use crate::types::{FaultAccess, FaultOutcome, Prot, VmFlags};

/// What identifies a futex, `futex(2)`: two waiters meet if their keys are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FutexKey {
    /// In private memory of one address space.
    Private {
        /// [`AddressSpace::id`].
        space_id: u64,
        /// The address.
        addr: GuestAddr,
    },
    /// In an object that several address spaces may map.
    Shared {
        /// The object's address, as an identity while it is mapped.
        object: usize,
        /// Byte offset in it.
        offset: u64,
    },
}

/// Attempts at one page before giving up: others may evict it in between.
const TRIES: usize = 16;

/// How the kernel accesses guest memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
    /// Whatever the protection (`FOLL_FORCE`).
    ForceRead,
    ForceWrite,
}

impl Mode {
    fn fault(self) -> (FaultAccess, bool) {
        match self {
            Mode::Read => (FaultAccess::Read, false),
            Mode::Write => (FaultAccess::Write, false),
            Mode::ForceRead => (FaultAccess::Read, true),
            Mode::ForceWrite => (FaultAccess::Write, true),
        }
    }
}

impl Inner {
    /// Where the bytes at `addr` are, and how many follow on consecutive frames, if they are resident and `mode` may.
    #[inline]
    pub(crate) fn locate(&self, addr: u64, mode: Mode) -> Option<(FileOffset, u64)> {
        if let Some(piece) = self.lookaside.find(addr)
            && match mode {
                Mode::Read => piece.read,
                Mode::Write => piece.write,
                Mode::ForceRead | Mode::ForceWrite => false,
            }
        {
            return Some((FileOffset(piece.at + (addr - piece.start)), piece.end - addr));
        }
        self.look_up(addr, mode)
    }
    fn look_up(&self, addr: u64, mode: Mode) -> Option<(FileOffset, u64)> {
        let run = self.resident.find(addr)?;
        let vma = self.vmas.find(addr)?;
        let (start, end) = (run.start.max(vma.start), run.end.min(vma.end));
        let piece = Piece {
            start,
            end,
            at: run.offset_of(start),
            read: !vma.prot.is_empty(),
            write: vma.prot.contains(Prot::WRITE) && run.kind.writable(),
        };
        self.lookaside.note(addr, &piece);
        let ok = match mode {
            Mode::Read => piece.read,
            Mode::Write => piece.write,
            Mode::ForceRead => true,
            Mode::ForceWrite => run.kind.writable() && (!vma.shared() || vma.prot.contains(Prot::WRITE)),
        };
        ok.then(|| (FileOffset(run.offset_of(addr)), end - addr))
    }
}

impl AddressSpace {
    /// Calls `f(store, at, done, n)` for pieces of guest memory `addr..addr + len` in order, `done` bytes into it and `n` long;
    /// returns how many bytes there were until one could not be accessed so.
    pub(crate) fn walk(
        &self,
        addr: GuestAddr,
        len: usize,
        mode: Mode,
        mut f: impl FnMut(FileOffset, usize, usize),
    ) -> usize {
        let mut done = 0;
        let mut tries = 0;
        while done < len {
            let Some(at) = addr.checked_add(done as u64) else { break };
            {
                let inner = self.inner.read();
                let mut at = at.0;
                while done < len
                    && let Some((offset, have)) = inner.locate(at, mode)
                {
                    let n = usize::try_from(have).unwrap_or(usize::MAX).min(len - done);
                    f(offset, done, n);
                    done += n;
                    tries = 0;
                    let Some(next) = at.checked_add(n as u64) else { return done };
                    at = next;
                }
                if done >= len {
                    break;
                }
            }
            let Some(at) = addr.checked_add(done as u64) else { break };
            let (access, force) = mode.fault();
            tries += 1;
            if tries > TRIES || self.fault_as(at.0, access, force) != FaultOutcome::Resumed {
                break;
            }
        }
        done
    }
    /// Calls `f` with the bytes from `addr` on that lie in one piece in the memory file, `len` at most. `None`, without a call, if these are
    /// fewer than `least`, or if `mode` may not access them.
    ///
    /// The address space stays as it is until `f` returns, so that the bytes are still the guest's: `f` must not take long. If
    /// somebody waits for the address space already, there is no call either.
    pub(crate) fn with_piece<R>(
        &self,
        addr: GuestAddr,
        len: usize,
        least: usize,
        mode: Mode,
        f: impl FnOnce(RawBytes<'_>) -> R,
    ) -> Option<R> {
        for _ in 0..TRIES {
            if self.inner.is_awaited() {
                return None;
            }
            {
                let inner = self.inner.read();
                if let Some((at, have)) = inner.locate(addr.0, mode) {
                    let n = usize::try_from(have).unwrap_or(usize::MAX).min(len);
                    return (n >= least).then(|| f(self.frames.raw().bytes(at.0, n)));
                }
            }
            let (access, force) = mode.fault();
            if self.fault_as(addr.0, access, force) != FaultOutcome::Resumed {
                break;
            }
        }
        None
    }
    /// Copies from guest memory whatever its protection (`ptrace(2)`, `/proc/PID/mem`). Returns how many bytes were copied.
    pub fn copy_in_unchecked_prot(&self, addr: GuestAddr, dst: &mut [u8]) -> usize {
        let len = dst.len();
        self.walk(addr, len, Mode::ForceRead, |at, done, n| self.frames.read(at, &mut dst[done..done + n]))
    }
    /// Copies to guest memory even where a private mapping is not writable: such pages become the process's own. Shared mappings
    /// must be writable. Returns how many bytes were copied.
    pub fn copy_out_force(&self, addr: GuestAddr, src: &[u8]) -> usize {
        let done = self.walk(addr, src.len(), Mode::ForceWrite, |at, done, n| {
            self.frames.write(at, &src[done..done + n]);
        });
        let end = addr.checked_add(done as u64).and_then(GuestAddr::page_up);
        if let Some(range) = end.and_then(|end| GuestRange::new(addr.page_down(), end)) {
            let backend = self.inner.read().backend.clone();
            backend.wrote(range);
        }
        done
    }
    fn word<R>(&self, addr: GuestAddr, mode: Mode, mut f: impl FnMut(u64) -> R) -> Result<R, Errno> {
        if !addr.0.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let mut result = None;
        self.walk(addr, 4, mode, |at, _, _| result = Some(f(at.0)));
        result.ok_or(Errno::EFAULT)
    }
    /// Loads a word atomically.
    ///
    /// Errors: `EINVAL` if misaligned, `EFAULT`.
    pub fn load_u32(&self, addr: GuestAddr) -> Result<u32, Errno> {
        self.word(addr, Mode::Read, |at| self.frames.raw().load_u32(at))
    }
    /// Stores a word atomically.
    ///
    /// Errors: as [`AddressSpace::load_u32`].
    pub fn store_u32(&self, addr: GuestAddr, value: u32) -> Result<(), Errno> {
        self.word(addr, Mode::Write, |at| self.frames.raw().store_u32(at, value))
    }
    /// Replaces `old` by `new` atomically. The inner result is the word found: `Ok` if it was `old`.
    ///
    /// Errors: as [`AddressSpace::load_u32`].
    pub fn cmpxchg_u32(&self, addr: GuestAddr, old: u32, new: u32) -> Result<Result<u32, u32>, Errno> {
        self.word(addr, Mode::Write, |at| self.frames.raw().cmpxchg_u32(at, old, new))
    }
    /// Replaces a word by what `f` makes of it, atomically, and returns the old one. `f` may be called several times.
    ///
    /// Errors: as [`AddressSpace::load_u32`]; `EAGAIN` if other threads keep changing the word.
    pub fn fetch_update_u32(&self, addr: GuestAddr, mut f: impl FnMut(u32) -> u32) -> Result<u32, Errno> {
        let mut old = self.load_u32(addr)?;
        // Bounded: a guest thread can change the word for ever.
        for _ in 0..1000 {
            match self.cmpxchg_u32(addr, old, f(old))? {
                Ok(v) => return Ok(v),
                Err(v) => old = v,
            }
        }
        Err(Errno::EAGAIN)
    }
    /// The key of the futex at `addr`; `shared` is the absence of `FUTEX_PRIVATE_FLAG`. Only a shared word is looked at.
    ///
    /// Errors: `EINVAL` if misaligned; `EFAULT` if not accessible, or in private memory that cannot be written (shared keys only).
    pub fn futex_key(&self, addr: GuestAddr, shared: bool) -> Result<FutexKey, Errno> {
        if !addr.0.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let private = FutexKey::Private { space_id: self.id, addr };
        if addr.0 >= self.layout().max.0 {
            return Err(Errno::EFAULT);
        }
        if !shared {
            return Ok(private);
        }
        self.load_u32(addr)?;
        let inner = self.inner.read();
        let vma = inner.vmas.find(addr.0).ok_or(Errno::EFAULT)?;
        if vma.is_anon() && !vma.prot.contains(Prot::WRITE) {
            return Err(Errno::EFAULT);
        }
        match vma.file_at(addr.0) {
            Some((file, offset)) if vma.flags.contains(VmFlags::SHARED) => {
                Ok(FutexKey::Shared { object: file.id(), offset })
            }
            _ => Ok(private),
        }
    }
}

impl UserMemory for AddressSpace {
    fn copy_in(&self, addr: GuestAddr, dst: &mut [u8]) -> usize {
        let len = dst.len();
        self.walk(addr, len, Mode::Read, |at, done, n| self.frames.read(at, &mut dst[done..done + n]))
    }
    fn copy_out(&self, addr: GuestAddr, src: &[u8]) -> usize {
        self.walk(addr, src.len(), Mode::Write, |at, done, n| self.frames.write(at, &src[done..done + n]))
    }
    fn zero_out(&self, addr: GuestAddr, len: usize) -> usize {
        self.walk(addr, len, Mode::Write, |at, _, n| self.frames.zero(at, n as u64))
    }
}

const _: () = assert!(PAGE_SIZE.is_multiple_of(4));
