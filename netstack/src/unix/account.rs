//! What a socket has sent and nobody has received yet, against `SO_SNDBUF`.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use kcore::wait::{Events, WaitQueue};

/// `SO_SNDBUF` at first, and the most that an unprivileged socket may ask for (`net.core.wmem_default`, `wmem_max`).
pub(super) const DEFAULT: usize = 212_992;

/// What Linux adds for the packet itself, so that many small messages count like there.
const PACKET: usize = 256;
/// What it adds at the end of a packet's data.
const TRAILER: usize = 320;
const PAGE: usize = 4096;

/// A socket's send buffer.
pub(super) struct SendAccount {
    used: AtomicUsize,
    limit: AtomicUsize,
    queue: WaitQueue,
}

/// Space taken in a send buffer; dropping it gives it back and wakes writers.
pub(super) struct Charge {
    account: Arc<SendAccount>,
    size: usize,
}

impl SendAccount {
    pub(super) fn new(queue: WaitQueue) -> Arc<SendAccount> {
        Arc::new(SendAccount { used: AtomicUsize::new(0), limit: AtomicUsize::new(DEFAULT), queue })
    }
    /// Takes space for a packet; the last one may pass the limit. `None` if the limit is reached.
    pub(super) fn charge(self: &Arc<SendAccount>, size: usize) -> Option<Charge> {
        let limit = self.limit.load(Ordering::Relaxed);
        let take = |used: usize| (used < limit).then(|| used.saturating_add(size));
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).ok()?;
        Some(Charge { account: self.clone(), size })
    }
    /// Whether a message that waited before, or that did not, may take space.
    pub(super) fn has_room(&self, waited: bool) -> bool {
        if waited { self.writable() } else { self.used() < self.limit() }
    }
    /// Bytes in use, with the overhead.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst)
    }
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.queue.wake(Events::WRITABLE);
    }
    /// Whether `poll(2)` calls it writable: three quarters are free.
    pub(super) fn writable(&self) -> bool {
        self.used().saturating_mul(4) <= self.limit()
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.size, Ordering::SeqCst);
        if self.account.writable() {
            self.account.queue.wake(Events::WRITABLE);
        }
    }
}

/// How Linux would count a packet with `head` bytes in one piece and `paged` bytes in pages.
pub(super) fn true_size(head: usize, paged: usize) -> usize {
    PACKET + (head + TRAILER).next_power_of_two().max(512) + paged.next_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_linux_does() {
        assert_eq!(true_size(1, 0), 768);
        assert_eq!(true_size(193, 0), 1280);
        assert_eq!(true_size(0, 4000), 768 + 4096);
    }

    #[test]
    fn wakes_writers_only_with_room_to_spare() {
        let account = SendAccount::new(WaitQueue::new());
        account.set_limit(1000);
        let first = account.charge(900).unwrap();
        let second = account.charge(900).unwrap();
        assert!(account.charge(1).is_none());
        drop(first);
        assert!(!account.writable());
        drop(second);
        assert!(account.writable() && account.used() == 0);
    }
}
