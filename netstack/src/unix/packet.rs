//! A message in a socket's inbox.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::account::Charge;
use super::addr::UnixAddr;
use super::credentials::UserCred;
use super::transit::Parcel;

/// A message, or a piece of a stream.
pub(super) struct Packet {
    pub(super) data: Vec<u8>,
    /// Bytes of a stream's piece that were read.
    pub(super) read: usize,
    /// Whether `MSG_PEEK` has seen it, for `SO_PEEK_OFF` on empty messages.
    pub(super) peeked: bool,
    pub(super) from: Option<Arc<UnixAddr>>,
    pub(super) cred: Option<UserCred>,
    pub(super) parcel: Option<Parcel>,
    /// The space that it takes in the sender's buffer, until it is dropped.
    #[expect(dead_code, reason = "held for its drop")]
    pub(super) charge: Charge,
}

impl Packet {
    /// The bytes that were not read.
    pub(super) fn rest(&self) -> &[u8] {
        self.data.get(self.read..).unwrap_or(&[])
    }
}
