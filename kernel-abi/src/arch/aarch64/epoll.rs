//! `struct epoll_event` of arm64, which is not packed.

layout! {
    /// `struct epoll_event`, `epoll_ctl(2)`.
    pub struct EpollEvent = general::epoll_event if "aarch64" {
        /// `EPOLL*`.
        events: u32,
        @pad __pad: u32,
        /// What the program wants back.
        data: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::EpollEvent;

    #[test]
    fn not_packed() {
        assert_eq!(size_of::<EpollEvent>(), 16);
        assert_eq!(core::mem::offset_of!(EpollEvent, data), 8);
    }
}
