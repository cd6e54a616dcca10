//! Unix sockets, [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html): streams, datagrams and sequenced packets, with
//! passing of files and credentials.
//!
//! A [`UnixSocket`] never waits. An operation that cannot go on returns [`IoError::Again`](kcore::io::IoError::Again); it is worth
//! another try after a wake of [`UnixSocket::queue`], the one queue of the socket: whoever makes room elsewhere, in a full
//! listener or a full receiver of datagrams, wakes the queues of those who found it full.
//!
//! Names in the file system are the caller's business: it makes the inode, and tells [`UnixSocket::bind`] which one it is.
//!
//! Lock order: files in flight, then sockets (two at once in order of address), then names, then files to discard.

mod account;
mod addr;
mod close;
mod connect;
mod credentials;
mod domain;
mod gc;
mod message;
mod options;
mod packet;
mod ready;
mod recv;
mod send;
mod socket;
mod transit;

#[cfg(test)]
mod tests;

pub use addr::{NodeId, UnixAddr};
pub use credentials::{Identity, UserCred};
pub use domain::{SocketInfo, UnixDomain};
pub use message::{Incoming, Outgoing};
pub use socket::{Pinned, UnixSocket};
pub use transit::{MAX_FILES, PassedFile, References, Transit};
