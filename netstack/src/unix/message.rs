//! What is sent and what is received.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use kcore::io::IoSource;

use super::addr::UnixAddr;
use super::credentials::{Identity, UserCred};
use super::socket::UnixSocket;
use super::transit::PassedFile;

/// A message to send.
pub struct Outgoing<'a> {
    /// Its bytes.
    pub data: &'a mut dyn IoSource,
    /// Where to, if that is not the socket's peer.
    pub to: Option<&'a Arc<UnixSocket>>,
    /// Who sends.
    pub by: &'a Identity,
    /// Credentials to show (`SCM_CREDENTIALS`); the caller has checked that `by` may show them.
    pub cred: Option<UserCred>,
    /// Files to pass (`SCM_RIGHTS`), at most [`MAX_FILES`](super::MAX_FILES). They are taken when the first byte is sent.
    pub files: Vec<Box<dyn PassedFile>>,
    /// How many files of the sending user may be in flight; `None` for no limit.
    pub files_limit: Option<usize>,
    /// Whether it was refused for want of room before: then it waits until there is room to spare, as `poll(2)` would say.
    pub waited: bool,
}

impl<'a> Outgoing<'a> {
    /// Plain data to the socket's peer.
    pub fn new(data: &'a mut dyn IoSource, by: &'a Identity) -> Outgoing<'a> {
        Outgoing { data, to: None, by, cred: None, files: Vec::new(), files_limit: None, waited: false }
    }
}

/// What was received beside the bytes.
#[derive(Default)]
pub struct Incoming {
    /// Bytes stored.
    pub stored: usize,
    /// Length of the message that they come from; for streams, the same as `stored`.
    pub length: usize,
    /// The sender's address, if it has one.
    pub from: Option<UnixAddr>,
    /// Credentials, if the receiver wants them (`SO_PASSCRED`, `SO_PASSPIDFD`).
    pub cred: Option<UserCred>,
    /// Files that came along.
    pub files: Vec<Box<dyn PassedFile>>,
    /// For streams: what follows belongs to another message, so that `MSG_WAITALL` must not go on; also set at the end.
    pub boundary: bool,
}
