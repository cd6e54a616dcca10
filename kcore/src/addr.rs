//! Addresses and ranges of guest memory. Arithmetic on them is checked: a guest chooses these numbers.

use core::fmt;

/// Size in bytes of a page of guest memory.
pub const PAGE_SIZE: u64 = 4096;

/// A guest virtual address. Any value is possible; nothing says that it is mapped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GuestAddr(pub u64);

impl GuestAddr {
    /// The null address.
    pub const NULL: GuestAddr = GuestAddr(0);

    /// Whether this is address zero.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
    /// `self + n`, or `None` past the end of the address space.
    pub const fn checked_add(self, n: u64) -> Option<GuestAddr> {
        match self.0.checked_add(n) {
            Some(a) => Some(GuestAddr(a)),
            None => None,
        }
    }
    /// `self - n`, or `None` below zero.
    pub const fn checked_sub(self, n: u64) -> Option<GuestAddr> {
        match self.0.checked_sub(n) {
            Some(a) => Some(GuestAddr(a)),
            None => None,
        }
    }
    /// The start of the page that holds this address.
    pub const fn page_down(self) -> GuestAddr {
        GuestAddr(self.0 & !(PAGE_SIZE - 1))
    }
    /// The next page boundary at or after this address, or `None` past the end of the address space.
    pub const fn page_up(self) -> Option<GuestAddr> {
        match self.0.checked_add(PAGE_SIZE - 1) {
            Some(a) => Some(GuestAddr(a & !(PAGE_SIZE - 1))),
            None => None,
        }
    }
    /// Bytes past the last page boundary.
    pub const fn page_offset(self) -> u64 {
        self.0 & (PAGE_SIZE - 1)
    }
    /// Whether this is a page boundary.
    pub const fn is_page_aligned(self) -> bool {
        self.page_offset() == 0
    }
}

impl fmt::Debug for GuestAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for GuestAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A half-open range of guest addresses, `start <= end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GuestRange {
    start: GuestAddr,
    end: GuestAddr,
}

impl GuestRange {
    /// `start..end`, or `None` if `start > end`.
    pub const fn new(start: GuestAddr, end: GuestAddr) -> Option<GuestRange> {
        if start.0 <= end.0 { Some(GuestRange { start, end }) } else { None }
    }
    /// `len` bytes from `start`, or `None` if that wraps around.
    pub const fn from_len(start: GuestAddr, len: u64) -> Option<GuestRange> {
        match start.checked_add(len) {
            Some(end) => Some(GuestRange { start, end }),
            None => None,
        }
    }
    /// First address.
    pub const fn start(self) -> GuestAddr {
        self.start
    }
    /// First address past the range.
    pub const fn end(self) -> GuestAddr {
        self.end
    }
    /// Length in bytes.
    pub const fn len(self) -> u64 {
        self.end.0 - self.start.0
    }
    /// Whether no address is in the range.
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }
    /// Whether `addr` is in the range.
    pub const fn contains(self, addr: GuestAddr) -> bool {
        self.start.0 <= addr.0 && addr.0 < self.end.0
    }
    /// Whether all of `other` is in this range.
    pub const fn contains_range(self, other: GuestRange) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }
    /// The addresses in both, or `None` if there are none.
    pub fn intersect(self, other: GuestRange) -> Option<GuestRange> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(GuestRange { start, end })
    }
    /// Whether both ends are page boundaries.
    pub const fn is_page_aligned(self) -> bool {
        self.start.is_page_aligned() && self.end.is_page_aligned()
    }
}

impl fmt::Debug for GuestRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.start.0, self.end.0)
    }
}
