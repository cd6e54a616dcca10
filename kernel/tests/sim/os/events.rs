//! Event counters, timers and `epoll(7)` of simulated guests.

use abi::nr::x86_64 as nr;
use kcore::addr::GuestAddr;

use super::{Os, Sys, timespec};

pub const EPOLLIN: u32 = 1;
pub const EPOLLEXCLUSIVE: u32 = 1 << 28;
pub const EPOLLONESHOT: u32 = 1 << 30;
pub const EPOLLET: u32 = 1 << 31;

const EPOLL_CTL_ADD: u64 = 1;
const EPOLL_CTL_MOD: u64 = 3;

fn event(events: u32, data: u64) -> Vec<u8> {
    events.to_le_bytes().into_iter().chain(data.to_le_bytes()).collect()
}

impl Os {
    pub async fn eventfd(&self, count: u64, flags: u64) -> u64 {
        self.call(nr::eventfd2, [count, flags]).await.unwrap()
    }
    /// Reads or writes a counter.
    pub async fn take(&self, fd: u64) -> Sys<u64> {
        Ok(u64::from_le_bytes(self.read(fd, 8).await?.try_into().unwrap()))
    }
    pub async fn put(&self, fd: u64, n: u64) -> Sys<usize> {
        self.write(fd, &n.to_le_bytes()).await
    }
    /// A timer that expires every `ns`.
    pub async fn timerfd(&self, ns: u64, flags: u64) -> u64 {
        let fd = self.call(nr::timerfd_create, [1, flags]).await.unwrap();
        let both = [timespec(ns), timespec(ns)].concat();
        let at = self.arg(0, &both).await;
        assert_eq!(self.call(nr::timerfd_settime, [fd, 0, at, 0]).await, Ok(0));
        fd
    }
    pub async fn epoll(&self) -> u64 {
        self.call(nr::epoll_create1, [0]).await.unwrap()
    }
    pub async fn epoll_add(&self, epoll: u64, fd: u64, events: u32, data: u64) {
        let at = self.arg(0, &event(events, data)).await;
        assert_eq!(self.call(nr::epoll_ctl, [epoll, EPOLL_CTL_ADD, fd, at]).await, Ok(0));
    }
    pub async fn epoll_mod(&self, epoll: u64, fd: u64, events: u32, data: u64) {
        let at = self.arg(0, &event(events, data)).await;
        assert_eq!(self.call(nr::epoll_ctl, [epoll, EPOLL_CTL_MOD, fd, at]).await, Ok(0));
    }
    /// Events and data of what is ready; a negative timeout in milliseconds is none.
    pub async fn epoll_wait(&self, epoll: u64, max: u64, timeout: i32) -> Sys<Vec<(u32, u64)>> {
        let at = self.args;
        let n = self.call(nr::epoll_wait, [epoll, at, max, i64::from(timeout).cast_unsigned()]).await?;
        let bytes = self.g.load(GuestAddr(at), 12 * n as usize).await;
        let pair = |c: &[u8]| {
            (u32::from_le_bytes(c[..4].try_into().unwrap()), u64::from_le_bytes(c[4..].try_into().unwrap()))
        };
        Ok(bytes.chunks_exact(12).map(pair).collect())
    }
    /// `poll(2)` for one descriptor: what is ready.
    pub async fn poll(&self, fd: u64, events: u16, timeout: i32) -> Sys<u16> {
        let mut entry = (fd as u32).to_le_bytes().to_vec();
        entry.extend(u32::from(events).to_le_bytes());
        let at = self.arg(0, &entry).await;
        self.call(nr::poll, [at, 1, i64::from(timeout).cast_unsigned()]).await?;
        Ok((self.words_at(at, 2).await[1] >> 16) as u16)
    }
}
