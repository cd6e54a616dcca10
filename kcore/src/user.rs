//! Access to the memory of a guest process, and typed pointers into it.

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt;
use core::marker::PhantomData;

use abi::Errno;
use smallvec::SmallVec;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::addr::GuestAddr;

/// The memory of a guest process. Accesses fault pages in as the guest's own would; they are volatile copies.
pub trait UserMemory {
    /// Copies from guest memory into `dst`, up to the first byte that cannot be read. Returns how many bytes were copied.
    fn copy_in(&self, addr: GuestAddr, dst: &mut [u8]) -> usize;
    /// Copies `src` to guest memory, up to the first byte that cannot be written. Returns how many bytes were copied.
    fn copy_out(&self, addr: GuestAddr, src: &[u8]) -> usize;
    /// Zeroes guest memory, up to the first byte that cannot be written. Returns how many bytes were zeroed.
    fn zero_out(&self, addr: GuestAddr, len: usize) -> usize {
        let zeros = [0u8; 4096];
        let mut done = 0;
        while done < len {
            let n = (len - done).min(zeros.len());
            let Some(at) = addr.checked_add(done as u64) else { break };
            let k = self.copy_out(at, &zeros[..n]);
            done += k;
            if k < n {
                break;
            }
        }
        done
    }
}

/// Marks a pointer that is read through.
#[derive(Debug)]
pub enum Read {}
/// Marks a pointer that is written (and perhaps read) through.
#[derive(Debug)]
pub enum Write {}

/// A guest's pointer to a `T`, not known to be valid.
pub struct UserPtr<T, M = Read> {
    addr: GuestAddr,
    marker: PhantomData<fn() -> (T, M)>,
}

impl<T, M> Clone for UserPtr<T, M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, M> Copy for UserPtr<T, M> {}

impl<T, M> fmt::Debug for UserPtr<T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

impl<T, M> UserPtr<T, M> {
    /// A pointer to `addr`.
    pub const fn new(addr: GuestAddr) -> Self {
        UserPtr { addr, marker: PhantomData }
    }
    /// The address.
    pub const fn addr(self) -> GuestAddr {
        self.addr
    }
    /// Whether it is the null pointer.
    pub const fn is_null(self) -> bool {
        self.addr.is_null()
    }
    /// `None` for the null pointer.
    pub fn non_null(self) -> Option<Self> {
        (!self.is_null()).then_some(self)
    }
    /// The same address, seen as another type.
    pub const fn cast<U>(self) -> UserPtr<U, M> {
        UserPtr::new(self.addr)
    }
    /// A pointer to the element `n` further on.
    ///
    /// Errors: `EFAULT` past the end of the address space.
    pub fn offset(self, n: usize) -> Result<Self, Errno> {
        let bytes = (n as u64).checked_mul(size_of::<T>() as u64).ok_or(Errno::EFAULT)?;
        Ok(UserPtr::new(self.addr.checked_add(bytes).ok_or(Errno::EFAULT)?))
    }
    /// Loads the value.
    ///
    /// Errors: `EFAULT`.
    pub fn read(self, mem: &(impl UserMemory + ?Sized)) -> Result<T, Errno>
    where
        T: FromBytes + IntoBytes,
    {
        let mut value = T::new_zeroed();
        let bytes = value.as_mut_bytes();
        if mem.copy_in(self.addr, bytes) == bytes.len() { Ok(value) } else { Err(Errno::EFAULT) }
    }
    /// Loads `n` values. The caller has bounded `n`.
    ///
    /// Errors: `EFAULT`.
    pub fn read_vec(self, mem: &(impl UserMemory + ?Sized), n: usize) -> Result<Vec<T>, Errno>
    where
        T: FromBytes + IntoBytes + Clone,
    {
        let mut values = vec![T::new_zeroed(); n];
        let bytes = values.as_mut_slice().as_mut_bytes();
        if mem.copy_in(self.addr, bytes) == bytes.len() { Ok(values) } else { Err(Errno::EFAULT) }
    }
}

impl<T> UserPtr<T, Write> {
    /// Stores `value`.
    ///
    /// Errors: `EFAULT`; part of it may be stored.
    pub fn write(self, mem: &(impl UserMemory + ?Sized), value: &T) -> Result<(), Errno>
    where
        T: IntoBytes + Immutable,
    {
        let bytes = value.as_bytes();
        if mem.copy_out(self.addr, bytes) == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }
    /// Stores `values` one after the other.
    ///
    /// Errors: `EFAULT`; part of them may be stored.
    pub fn write_slice(self, mem: &(impl UserMemory + ?Sized), values: &[T]) -> Result<(), Errno>
    where
        T: IntoBytes + Immutable,
    {
        let bytes = values.as_bytes();
        if mem.copy_out(self.addr, bytes) == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }
}

/// A string that needs no allocation if it is as short as most.
pub type ShortString = SmallVec<[u8; 128]>;

/// Bytes of a string that are loaded at once; the first time only those of one line of the processor's cache, as the guest may have just
/// written what follows, and most strings end there.
const LINE: u64 = 64;
const STEP: usize = 256;

/// Loads a NUL-terminated string of at most `max` bytes with its terminator; the result is without it.
///
/// Errors: `EFAULT`; `ENAMETOOLONG` if there is no NUL in the first `max` bytes.
pub fn read_c_string(
    mem: &(impl UserMemory + ?Sized),
    addr: GuestAddr,
    max: usize,
) -> Result<ShortString, Errno> {
    let mut out = ShortString::new();
    let mut at = addr;
    let mut step = (LINE - addr.0 % LINE) as usize;
    while out.len() < max {
        // Not past the page: what follows it need not be mapped.
        let to_page_end = (crate::addr::PAGE_SIZE - at.page_offset()) as usize;
        let (done, n) = (out.len(), step.min(to_page_end).min(max - out.len()));
        out.resize(done + n, 0);
        if mem.copy_in(at, &mut out[done..]) < n {
            // A shorter mapping cannot end inside a page, but a permission change can race.
            return Err(Errno::EFAULT);
        }
        if let Ok(rest) = CStr::from_bytes_until_nul(&out[done..]) {
            let len = done + rest.count_bytes();
            out.truncate(len);
            return Ok(out);
        }
        at = at.checked_add(n as u64).ok_or(Errno::EFAULT)?;
        step = STEP;
    }
    Err(Errno::ENAMETOOLONG)
}
