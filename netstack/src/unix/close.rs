//! The end of a socket.

use alloc::sync::Weak;

use abi::Errno;
use kcore::wait::Events;

use super::socket::{UnixSocket, wake_blocked};
use crate::Shutdown;

impl UnixSocket {
    /// Ends the socket, when its file is closed for the last time. Its peer sees the end of the stream, or `ECONNRESET` if something
    /// was not read; connections that wait are reset. The caller holds no locks.
    pub fn close(&self) {
        self.end(false);
        self.domain.transit().collect();
    }

    /// `embryo` says that nobody has accepted it.
    fn end(&self, embryo: bool) {
        let (peer, backlog, blocked, unread, pinned) = {
            let mut s = self.lock();
            if s.dead {
                return;
            }
            s.dead = true;
            s.shutdown = Shutdown::BOTH;
            let node = s.node.take();
            self.domain.remove(self.ino(), node.as_ref().map(|n| n.0));
            if let Some(addr) = &s.addr {
                self.domain.remove_name(self, addr);
            }
            let backlog = core::mem::take(&mut s.backlog);
            // Nobody is let in any more: those who found it full find it dead.
            let blocked = core::mem::take(&mut s.blocked);
            (s.peer.take(), backlog, blocked, !s.inbox.is_empty(), node)
        };
        if let Some(peer) = peer.filter(|_| self.kind().is_connection()) {
            {
                let mut p = peer.lock();
                p.shut(Shutdown::BOTH);
                if unread || embryo {
                    p.error = Some(Errno::ECONNRESET);
                }
            }
            peer.wake(Events::all());
        }
        self.purge();
        self.wake(Events::all());
        wake_blocked(blocked.iter().filter_map(Weak::upgrade));
        for socket in backlog {
            socket.end(true);
        }
        drop(pinned);
    }

    /// Drops what waits to be received.
    pub(super) fn purge(&self) {
        let (packets, files) = {
            let mut table = self.domain.transit().lock();
            let mut packets = {
                let mut s = self.lock();
                s.parcels = 0;
                core::mem::take(&mut s.inbox)
            };
            let parcels = packets.iter_mut().filter_map(|p| p.parcel.take());
            let files: alloc::vec::Vec<_> =
                parcels.inspect(|p| table.remove(p)).flat_map(|p| p.files).collect();
            (packets, files)
        };
        // Gives the senders their space back, and wakes them.
        drop(packets);
        self.domain.transit().discard(files);
    }
}
