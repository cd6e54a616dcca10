//! The registers and the memory of a call, and how simple values are shown.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::user::{ShortString, UserMemory, UserPtr, read_c_string};
use mm::AddressSpace;
use zerocopy::{FromBytes, IntoBytes};

/// Longest path that is shown.
const PATH_MAX: usize = 4096;

/// What a call's arguments mean is found here.
pub(super) struct Values<'a> {
    pub(super) mm: &'a AddressSpace,
    pub(super) args: [u64; 6],
    /// The return register, once the call has ended.
    pub(super) result: Option<u64>,
}

impl Values<'_> {
    pub(super) fn arg(&self, i: usize) -> u64 {
        self.args.get(i).copied().unwrap_or(0)
    }
    /// What the call returned; 0 before its end and after an error.
    pub(super) fn count(&self) -> u64 {
        self.result.filter(|_| !self.failed()).unwrap_or(0)
    }
    pub(super) fn failed(&self) -> bool {
        self.result.is_some_and(|r| errno_of(r).is_some())
    }
    pub(super) fn read<T: FromBytes + IntoBytes>(&self, at: u64) -> Option<T> {
        UserPtr::<T>::new(GuestAddr(at)).read(self.mm).ok()
    }
    /// At most `most` of `len` bytes; fewer where memory ends.
    pub(super) fn bytes(&self, at: u64, len: u64, most: usize) -> Vec<u8> {
        let mut bytes = alloc::vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(most)];
        let got = self.mm.copy_in(GuestAddr(at), &mut bytes);
        bytes.truncate(got);
        bytes
    }
    pub(super) fn c_string(&self, at: u64) -> Option<Vec<u8>> {
        read_c_string(self.mm, GuestAddr(at), PATH_MAX).ok().map(ShortString::into_vec)
    }
    /// A structure at an address: `f` shows it if it can be read, otherwise the address is shown.
    pub(super) fn structure<T: FromBytes + IntoBytes>(
        &self,
        at: u64,
        out: &mut String,
        f: impl FnOnce(&T, &mut String),
    ) {
        match (at != 0).then(|| self.read::<T>(at)).flatten() {
            Some(value) => f(&value, out),
            None => address(at, out),
        }
    }
}

/// The error that a return register holds.
pub(super) fn errno_of(value: u64) -> Option<Errno> {
    const LAST: i64 = 4095;
    let value = value.cast_signed();
    if (-LAST..0).contains(&value) { i32::try_from(-value).ok().and_then(Errno::from_raw) } else { None }
}

pub(super) fn address(at: u64, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = if at == 0 { write!(out, "NULL") } else { write!(out, "{at:#x}") };
}
