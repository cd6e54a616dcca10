//! Socket options that all families share, [`socket(7)`](https://man7.org/linux/man-pages/man7/socket.7.html).

use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use abi::Errno;
use abi::net::socket::*;
use kcore::host::Nanos;
use smallvec::SmallVec;

const SECOND: u64 = 1_000_000_000;
/// Default and largest `SO_RCVBUF` (`net.core.rmem_default`, `rmem_max`).
const RCVBUF: u32 = 212_992;
const MIN_RCVBUF: u32 = 2304;
/// Priorities that need no privilege.
const MAX_PRIORITY: u32 = 6;

/// Options that are on or off, each a bit of [`Options::flags`].
const SWITCHES: [u32; 13] = [
    SO_DEBUG,
    SO_REUSEADDR,
    SO_DONTROUTE,
    SO_BROADCAST,
    SO_KEEPALIVE,
    SO_OOBINLINE,
    SO_REUSEPORT,
    SO_PASSCRED,
    SO_PASSSEC,
    SO_PASSPIDFD,
    SO_TIMESTAMP,
    SO_TIMESTAMPNS,
    SO_RXQ_OVFL,
];

fn switch(name: u32) -> Option<u32> {
    SWITCHES.iter().position(|s| *s == name).map(|i| 1 << i)
}

/// The value of an option, as its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionValue(SmallVec<[u8; 16]>);

impl OptionValue {
    /// A C `int`.
    pub fn int(n: i32) -> OptionValue {
        OptionValue(SmallVec::from_slice(&n.to_ne_bytes()))
    }
    /// A 64-bit number.
    pub fn long(n: u64) -> OptionValue {
        OptionValue(SmallVec::from_slice(&n.to_ne_bytes()))
    }
    /// A structure.
    pub fn bytes(bytes: &[u8]) -> OptionValue {
        OptionValue(SmallVec::from_slice(bytes))
    }
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// How long calls may wait (`SO_RCVTIMEO`, `SO_SNDTIMEO`); `None` for as long as it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Receiving and accepting.
    pub receive: Option<Nanos>,
    /// Sending and connecting.
    pub send: Option<Nanos>,
}

/// The options of one socket.
#[derive(Debug)]
pub struct Options {
    flags: AtomicU32,
    /// `struct linger`: whether it is on in the upper half, seconds in the lower.
    linger: AtomicU64,
    receive_timeout: AtomicU64,
    send_timeout: AtomicU64,
    receive_low: AtomicI32,
    receive_buffer: AtomicU32,
    priority: AtomicU32,
    mark: AtomicU32,
    /// Negative if off.
    peek_offset: AtomicI32,
}

const FOR_EVER: u64 = u64::MAX;

impl Default for Options {
    fn default() -> Options {
        Options {
            flags: AtomicU32::new(0),
            linger: AtomicU64::new(0),
            receive_timeout: AtomicU64::new(FOR_EVER),
            send_timeout: AtomicU64::new(FOR_EVER),
            receive_low: AtomicI32::new(1),
            receive_buffer: AtomicU32::new(RCVBUF),
            priority: AtomicU32::new(0),
            mark: AtomicU32::new(0),
            peek_offset: AtomicI32::new(-1),
        }
    }
}

impl Options {
    /// What a new socket has.
    pub fn new() -> Options {
        Options::default()
    }
    /// Whether a switch (`SO_PASSCRED`, `SO_KEEPALIVE`, …) is on.
    pub fn is_on(&self, name: u32) -> bool {
        switch(name).is_some_and(|bit| self.flags.load(Ordering::Relaxed) & bit != 0)
    }
    /// Whether messages should come with their sender's credentials.
    pub fn wants_identity(&self) -> bool {
        self.is_on(SO_PASSCRED) || self.is_on(SO_PASSPIDFD)
    }
    /// Takes over what an accepted socket has from its listener.
    pub(crate) fn inherit(&self, listener: &Options) {
        for name in [SO_PASSCRED, SO_PASSPIDFD, SO_PASSSEC] {
            self.turn(name, listener.is_on(name));
        }
    }
    /// How long calls may wait.
    pub fn timeouts(&self) -> Timeouts {
        let get = |t: &AtomicU64| Some(t.load(Ordering::Relaxed)).filter(|t| *t != FOR_EVER);
        Timeouts { receive: get(&self.receive_timeout), send: get(&self.send_timeout) }
    }
    /// Where `MSG_PEEK` begins (`SO_PEEK_OFF`); `None` if it is off.
    pub fn peek_offset(&self) -> Option<usize> {
        usize::try_from(self.peek_offset.load(Ordering::Relaxed)).ok()
    }
    /// Moves the peek offset after `n` bytes were peeked at (`forward`) or received.
    pub(crate) fn move_peek_offset(&self, n: usize, forward: bool) {
        let n = i32::try_from(n).unwrap_or(i32::MAX);
        let moved = |at: i32| match at {
            ..0 => None,
            _ if forward => Some(at.saturating_add(n)),
            _ => Some(at.saturating_sub(n).max(0)),
        };
        // An offset that is off stays off.
        let _ = self.peek_offset.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }
    fn turn(&self, name: u32, on: bool) {
        let bit = switch(name).unwrap_or(0);
        if on {
            self.flags.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// An option's value. Errors: `ENOPROTOOPT`.
    pub fn get(&self, name: u32) -> Result<OptionValue, Errno> {
        if switch(name).is_some() {
            return Ok(OptionValue::int(self.is_on(name).into()));
        }
        let n = match name {
            SO_LINGER => {
                let v = self.linger.load(Ordering::Relaxed);
                let halves = [(v >> 32) as u32, v as u32].map(u32::to_ne_bytes);
                return Ok(OptionValue::bytes(halves.as_flattened()));
            }
            SO_RCVTIMEO | SO_RCVTIMEO_NEW => return Ok(timeval(&self.receive_timeout)),
            SO_SNDTIMEO | SO_SNDTIMEO_NEW => return Ok(timeval(&self.send_timeout)),
            SO_RCVLOWAT => self.receive_low.load(Ordering::Relaxed),
            SO_RCVBUF => self.receive_buffer.load(Ordering::Relaxed).cast_signed(),
            SO_SNDLOWAT => 1,
            SO_PRIORITY => self.priority.load(Ordering::Relaxed).cast_signed(),
            SO_MARK => self.mark.load(Ordering::Relaxed).cast_signed(),
            SO_PEEK_OFF => self.peek_offset.load(Ordering::Relaxed),
            SO_NO_CHECK | SO_BUSY_POLL | SO_BSDCOMPAT => 0,
            SO_INCOMING_CPU => -1,
            _ => return Err(Errno::ENOPROTOOPT),
        };
        Ok(OptionValue::int(n))
    }

    /// Sets an option; `privileged` says that the caller has `CAP_NET_ADMIN`.
    ///
    /// Errors: `EINVAL` for a value that is too short or makes no sense, `EDOM` for a bad time, `EPERM`, `ENOPROTOOPT`.
    pub fn set(&self, name: u32, value: &[u8], privileged: bool) -> Result<(), Errno> {
        let bytes = value.first_chunk().ok_or(Errno::EINVAL)?;
        let n = i32::from_ne_bytes(*bytes);
        if switch(name).is_some() {
            if name == SO_DEBUG && n != 0 && !privileged {
                return Err(Errno::EACCES);
            }
            self.turn(name, n != 0);
            return Ok(());
        }
        match name {
            SO_LINGER => {
                let secs = value.get(4..8).and_then(<[u8]>::first_chunk).ok_or(Errno::EINVAL)?;
                let on = u64::from(n != 0) << 32;
                self.linger.store(on | u64::from(u32::from_ne_bytes(*secs)), Ordering::Relaxed);
            }
            SO_RCVTIMEO | SO_RCVTIMEO_NEW => {
                self.receive_timeout.store(parse_timeval(value)?, Ordering::Relaxed);
            }
            SO_SNDTIMEO | SO_SNDTIMEO_NEW => {
                self.send_timeout.store(parse_timeval(value)?, Ordering::Relaxed);
            }
            SO_RCVLOWAT => {
                let low = if n < 0 { i32::MAX } else { n.max(1) };
                self.receive_low.store(low, Ordering::Relaxed);
            }
            SO_RCVBUFFORCE if !privileged => return Err(Errno::EPERM),
            SO_RCVBUF | SO_RCVBUFFORCE => {
                let most = if name == SO_RCVBUF { RCVBUF } else { u32::MAX / 4 };
                let size = (n.cast_unsigned().min(most) * 2).max(MIN_RCVBUF);
                self.receive_buffer.store(size, Ordering::Relaxed);
            }
            SO_PRIORITY => {
                let n = n.cast_unsigned();
                if n > MAX_PRIORITY && !privileged {
                    return Err(Errno::EPERM);
                }
                self.priority.store(n, Ordering::Relaxed);
            }
            SO_MARK if !privileged => return Err(Errno::EPERM),
            SO_MARK => self.mark.store(n.cast_unsigned(), Ordering::Relaxed),
            SO_PEEK_OFF => self.peek_offset.store(n, Ordering::Relaxed),
            SO_BSDCOMPAT => {}
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }
}

fn timeval(t: &AtomicU64) -> OptionValue {
    let ns = Some(t.load(Ordering::Relaxed)).filter(|t| *t != FOR_EVER).unwrap_or(0);
    OptionValue::bytes([ns / SECOND, ns % SECOND / 1000].map(u64::to_ne_bytes).as_flattened())
}

/// Errors: `EINVAL` if it is too short, `EDOM` if its microseconds are none.
fn parse_timeval(value: &[u8]) -> Result<u64, Errno> {
    let word =
        |at: usize| value.get(at..at + 8).and_then(<[u8]>::first_chunk).map(|b| i64::from_ne_bytes(*b));
    let (sec, usec) = word(0).zip(word(8)).ok_or(Errno::EINVAL)?;
    let usec = u64::try_from(usec).ok().filter(|n| *n < 1_000_000).ok_or(Errno::EDOM)?;
    // A negative time means not to wait at all, none at all means for ever.
    let Ok(sec) = u64::try_from(sec) else { return Ok(0) };
    match sec.saturating_mul(SECOND).saturating_add(usec * 1000) {
        0 => Ok(FOR_EVER),
        ns => Ok(ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(sec: i64, usec: i64) -> alloc::vec::Vec<u8> {
        [sec, usec].map(i64::to_ne_bytes).as_flattened().to_vec()
    }

    #[test]
    fn times() {
        let o = Options::new();
        assert_eq!(o.timeouts(), Timeouts::default());
        o.set(SO_RCVTIMEO, &time(1, 5), false).unwrap();
        assert_eq!(o.timeouts().receive, Some(1_000_005_000));
        assert_eq!(o.get(SO_RCVTIMEO).unwrap().as_bytes(), time(1, 5));
        o.set(SO_RCVTIMEO, &time(-1, 5), false).unwrap();
        assert_eq!(o.timeouts().receive, Some(0));
        o.set(SO_RCVTIMEO, &time(0, 0), false).unwrap();
        assert_eq!(o.timeouts().receive, None);
        assert_eq!(o.set(SO_SNDTIMEO, &time(0, 1_000_000), false), Err(Errno::EDOM));
        assert_eq!(o.set(SO_SNDTIMEO, &time(0, 0)[..15], false), Err(Errno::EINVAL));
    }

    #[test]
    fn switches_and_numbers() {
        let o = Options::new();
        o.set(SO_PASSCRED, &2i32.to_ne_bytes(), false).unwrap();
        assert_eq!(o.get(SO_PASSCRED), Ok(OptionValue::int(1)));
        assert_eq!(o.get(SO_KEEPALIVE), Ok(OptionValue::int(0)));
        o.set(SO_LINGER, &[1, 0, 0, 0, 9, 0, 0, 0], false).unwrap();
        assert_eq!(o.get(SO_LINGER).unwrap().as_bytes(), [1, 0, 0, 0, 9, 0, 0, 0]);
        assert_eq!(o.set(SO_LINGER, &[1, 0, 0, 0], false), Err(Errno::EINVAL));
        assert_eq!(o.set(SO_PRIORITY, &7i32.to_ne_bytes(), false), Err(Errno::EPERM));
        assert_eq!(o.set(9999, &[0; 4], true), Err(Errno::ENOPROTOOPT));
    }
}
