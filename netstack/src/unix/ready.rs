//! Readiness, and how much waits.

use abi::Errno;
use kcore::wait::Events;

use super::socket::{Phase, UnixSocket};
use crate::SocketKind;

impl UnixSocket {
    /// What of `want` is ready (and `ERR`/`HUP`). If it says that nothing can be sent, [`UnixSocket::queue`] will be woken when
    /// that changes.
    pub fn ready(&self, want: Events) -> Events {
        let mut now = Events::empty();
        let (peer, phase) = {
            let s = self.lock();
            if s.error.is_some() {
                now |= Events::ERR;
            }
            if s.shutdown.is_both() || (self.kind().is_connection() && s.phase == Phase::Closed) {
                now |= Events::HUP;
            }
            if s.shutdown.read {
                now |= Events::RDHUP | Events::READABLE;
            }
            if !s.inbox.is_empty() || !s.backlog.is_empty() {
                now |= Events::READABLE;
            }
            (s.peer.clone(), s.phase)
        };
        let full = || self.kind() == SocketKind::Dgram && peer.is_some_and(|p| self.blocked_by(&p));
        if phase != Phase::Listening && self.account.writable() && !full() {
            now |= Events::WRITABLE | Events::WRBAND;
        }
        now & (want | Events::ALWAYS)
    }

    fn blocked_by(&self, peer: &UnixSocket) -> bool {
        if peer.id() == self.id() {
            return false;
        }
        let mut p = peer.lock();
        let mutual = p.peer.as_ref().is_some_and(|q| q.id() == self.id());
        let full = !mutual && !p.dead && p.is_full();
        if full {
            p.block(self);
        }
        full
    }

    /// Bytes to receive (`SIOCINQ`): of the first message, for datagram sockets. Errors: `EINVAL` for a listener.
    pub fn unread(&self) -> Result<usize, Errno> {
        let s = self.lock();
        if s.phase == Phase::Listening {
            return Err(Errno::EINVAL);
        }
        Ok(match self.kind() {
            SocketKind::Dgram => s.inbox.front().map_or(0, |p| p.data.len()),
            _ => s.inbox.iter().map(|p| p.rest().len()).sum(),
        })
    }
    /// Space of the send buffer that is in use (`SIOCOUTQ`).
    pub fn unsent(&self) -> usize {
        self.account.used()
    }
}
