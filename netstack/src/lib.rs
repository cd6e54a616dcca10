#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod flags;
mod options;
pub mod unix;

pub use flags::MsgFlags;
pub use options::{OptionValue, Options, Timeouts};

use abi::Errno;
use abi::net::socket::{SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM};

/// How a socket delivers data, `socket(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// A connection that carries bytes (`SOCK_STREAM`).
    Stream,
    /// Messages without a connection (`SOCK_DGRAM`).
    Dgram,
    /// Messages without a connection, with their headers (`SOCK_RAW`).
    Raw,
    /// A connection that carries messages (`SOCK_SEQPACKET`).
    Seqpacket,
}

impl SocketKind {
    /// From the number that `socket(2)` takes, without its flags. Errors: `EINVAL` for a number that is none, `ESOCKTNOSUPPORT`.
    pub fn from_raw(n: u32) -> Result<SocketKind, Errno> {
        Ok(match n {
            SOCK_STREAM => SocketKind::Stream,
            SOCK_DGRAM => SocketKind::Dgram,
            SOCK_RAW => SocketKind::Raw,
            SOCK_SEQPACKET => SocketKind::Seqpacket,
            0..=10 => return Err(Errno::ESOCKTNOSUPPORT),
            _ => return Err(Errno::EINVAL),
        })
    }
    /// The number, as `SO_TYPE` reports it.
    pub fn raw(self) -> u32 {
        match self {
            SocketKind::Stream => SOCK_STREAM,
            SocketKind::Dgram => SOCK_DGRAM,
            SocketKind::Raw => SOCK_RAW,
            SocketKind::Seqpacket => SOCK_SEQPACKET,
        }
    }
    /// Whether it has connections, and `listen` and `accept`.
    pub fn is_connection(self) -> bool {
        matches!(self, SocketKind::Stream | SocketKind::Seqpacket)
    }
}

/// Which directions `shutdown(2)` closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// Nothing more is received.
    pub read: bool,
    /// Nothing more is sent.
    pub write: bool,
}

impl Shutdown {
    /// Both directions.
    pub const BOTH: Shutdown = Shutdown { read: true, write: true };

    /// From `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`. Errors: `EINVAL`.
    pub fn from_how(how: i32) -> Result<Shutdown, Errno> {
        Ok(match how {
            0 => Shutdown { read: true, write: false },
            1 => Shutdown { read: false, write: true },
            2 => Shutdown::BOTH,
            _ => return Err(Errno::EINVAL),
        })
    }
    /// What the other end of a connection sees.
    pub fn mirrored(self) -> Shutdown {
        Shutdown { read: self.write, write: self.read }
    }
    /// Either's.
    pub fn or(self, other: Shutdown) -> Shutdown {
        Shutdown { read: self.read || other.read, write: self.write || other.write }
    }
    /// Whether both directions are closed.
    pub fn is_both(self) -> bool {
        self.read && self.write
    }
}
