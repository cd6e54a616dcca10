//! `struct epoll_event` of x86-64, which is packed so that 32-bit programs see the same.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct epoll_event`, `epoll_ctl(2)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
pub struct EpollEvent {
    /// `EPOLL*`.
    pub events: u32,
    /// What the program wants back.
    pub data: u64,
}

#[cfg(test)]
mod tests {
    use super::EpollEvent;

    #[test]
    fn packed() {
        assert_eq!(size_of::<EpollEvent>(), 12);
        assert_eq!(core::mem::offset_of!(EpollEvent, data), 4);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn as_in_linux() {
        assert_eq!(size_of::<EpollEvent>(), size_of::<linux_raw_sys::general::epoll_event>());
    }
}
