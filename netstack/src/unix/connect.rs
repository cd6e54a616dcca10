//! `bind(2)`, `listen(2)`, `accept(2)`, `connect(2)`, `shutdown(2)`.

use alloc::sync::Arc;

use abi::Errno;
use kcore::io::{IoError, IoResult};
use kcore::wait::Events;

use super::addr::{NodeId, UnixAddr};
use super::credentials::Identity;
use super::send::may_send;
use super::socket::{Phase, Pinned, UnixSocket, wake_blocked};
use crate::Shutdown;

/// Most connections that wait, whatever `listen` asked for (`net.core.somaxconn`).
const SOMAXCONN: u32 = 4096;

impl UnixSocket {
    /// Gives it an abstract name, or for [`UnixAddr::Unnamed`] one that the kernel picks (nothing happens if it has one).
    ///
    /// Errors: `EINVAL` if it has an address, or for a path, for which [`UnixSocket::bind_node`] is there; `EADDRINUSE`.
    pub fn bind(&self, addr: &UnixAddr) -> Result<(), Errno> {
        let mut s = self.lock();
        match addr {
            UnixAddr::Unnamed if s.addr.is_some() => return Ok(()),
            _ if s.addr.is_some() => return Err(Errno::EINVAL),
            UnixAddr::Unnamed => s.addr = Some(Arc::new(self.domain.add_auto(self)?)),
            UnixAddr::Path(_) => return Err(Errno::EINVAL),
            UnixAddr::Abstract(name) => {
                self.domain.add_abstract(self, name)?;
                s.addr = Some(Arc::new(addr.clone()));
            }
        }
        Ok(())
    }
    /// Binds it to `path`, for which the caller has made the inode `node`; `pinned` is kept until the socket is closed.
    ///
    /// Errors: `EINVAL` if it has an address.
    pub fn bind_node(&self, path: &[u8], node: NodeId, pinned: Pinned) -> Result<(), Errno> {
        let mut s = self.lock();
        if s.addr.is_some() {
            return Err(Errno::EINVAL);
        }
        self.domain.add_node(self, node);
        s.addr = Some(Arc::new(UnixAddr::Path(path.to_vec())));
        s.node = Some((node, pinned));
        Ok(())
    }

    /// [`listen(2)`](https://man7.org/linux/man-pages/man2/listen.2.html). Errors: `EOPNOTSUPP` for datagram sockets, `EINVAL` if
    /// it is not bound or is connected.
    pub fn listen(&self, backlog: i32, by: &Identity) -> Result<(), Errno> {
        if !self.kind().is_connection() {
            return Err(Errno::EOPNOTSUPP);
        }
        let blocked = {
            let mut s = self.lock();
            if s.addr.is_none() || s.phase == Phase::Connected {
                return Err(Errno::EINVAL);
            }
            s.phase = Phase::Listening;
            // A negative number is a large one.
            s.backlog_limit = backlog.cast_unsigned().min(SOMAXCONN) as usize;
            s.peer_identity = Some(by.clone());
            s.unblock()
        };
        wake_blocked(blocked);
        Ok(())
    }

    /// The oldest connection that waits. Errors: `EOPNOTSUPP` for datagram sockets, `EINVAL` if it does not listen or was shut
    /// down, [`IoError::Again`].
    pub fn accept(&self) -> IoResult<Arc<UnixSocket>> {
        if !self.kind().is_connection() {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let (socket, blocked) = {
            let mut s = self.lock();
            if s.phase != Phase::Listening {
                return Err(Errno::EINVAL.into());
            }
            let Some(socket) = s.backlog.pop_front() else {
                return Err(if s.shutdown.read { Errno::EINVAL.into() } else { IoError::Again });
            };
            (socket, s.unblock())
        };
        wake_blocked(blocked);
        Ok(socket)
    }

    /// Connects to `target`, which the caller has found by name. `ino` is for the socket that `target` will accept.
    ///
    /// Errors: `ECONNREFUSED` if nobody listens there, `EISCONN`, `EINVAL` for a socket that listens, `EPROTOTYPE` for another
    /// type, `EPERM` if a datagram socket has another peer, [`IoError::Again`] if too many wait to be accepted.
    pub fn connect(&self, target: &Arc<UnixSocket>, by: &Identity, ino: u64) -> IoResult<()> {
        if self.kind() != target.kind() {
            return Err(Errno::EPROTOTYPE.into());
        }
        if !self.kind().is_connection() {
            return self.set_peer(Some(target)).map_err(IoError::Errno);
        }
        if self.options.wants_identity() {
            self.bind(&UnixAddr::Unnamed)?;
        }
        let this = self.this.upgrade().ok_or(Errno::EBADF)?;
        if Arc::ptr_eq(&this, target) {
            let listening = self.lock().phase == Phase::Listening;
            return Err(if listening { Errno::EINVAL } else { Errno::ECONNREFUSED }.into());
        }
        {
            let (mut own, mut other) = UnixSocket::lock_both(self, target);
            if other.dead || other.phase != Phase::Listening || other.shutdown.read {
                return Err(Errno::ECONNREFUSED.into());
            }
            match own.phase {
                Phase::Closed => {}
                Phase::Connected => return Err(Errno::EISCONN.into()),
                Phase::Listening => return Err(Errno::EINVAL.into()),
            }
            if other.is_full() {
                other.block(self);
                return Err(IoError::Again);
            }
            let embryo = UnixSocket::make(&self.domain, self.kind(), ino, target.creator.clone());
            embryo.options.inherit(&target.options);
            {
                // New, so nobody else can hold its lock: the order of addresses does not matter.
                let mut e = embryo.lock();
                e.phase = Phase::Connected;
                e.addr = other.addr.clone();
                e.peer = Some(this);
                e.peer_identity = Some(by.clone());
            }
            own.phase = Phase::Connected;
            own.peer = Some(embryo.clone());
            own.peer_identity = other.peer_identity.clone();
            other.backlog.push_back(embryo);
        }
        target.wake(Events::READABLE);
        self.wake(Events::WRITABLE);
        Ok(())
    }

    /// For datagram sockets: makes `peer` the default destination and the only source, or nobody.
    ///
    /// Errors: `EOPNOTSUPP` for others, `EPERM` if `peer` has another peer, `ECONNREFUSED` if it is closed.
    pub fn set_peer(&self, peer: Option<&Arc<UnixSocket>>) -> Result<(), Errno> {
        if self.kind().is_connection() {
            return Err(Errno::EOPNOTSUPP);
        }
        if let Some(p) = peer {
            if self.options.wants_identity() {
                self.bind(&UnixAddr::Unnamed)?;
            }
            if !may_send(self, p) {
                return Err(Errno::EPERM);
            }
            if p.lock().dead {
                return Err(Errno::ECONNREFUSED);
            }
        }
        let old = core::mem::replace(&mut self.lock().peer, peer.cloned());
        if let Some(old) = old.filter(|o| !peer.is_some_and(|p| Arc::ptr_eq(o, p))) {
            self.forget_peer(&old);
        }
        self.wake(Events::WRITABLE);
        Ok(())
    }

    /// What an old peer had sent is dropped; if it was connected to this one, it is told.
    pub(super) fn forget_peer(&self, old: &Arc<UnixSocket>) {
        self.purge();
        let told = {
            let mut o = old.lock();
            let mutual = !o.dead && o.peer.as_ref().is_some_and(|p| p.id() == self.id());
            if mutual {
                o.error = Some(Errno::ECONNRESET);
            }
            mutual
        };
        if told {
            old.wake(Events::ERR);
        }
    }

    /// [`shutdown(2)`](https://man7.org/linux/man-pages/man2/shutdown.2.html). The other end of a connection sees it too.
    pub fn shutdown(&self, how: Shutdown) {
        let peer = {
            let mut s = self.lock();
            s.shut(how);
            s.peer.clone()
        };
        if let Some(peer) = peer.filter(|_| self.kind().is_connection()) {
            peer.lock().shut(how.mirrored());
            peer.wake(Events::all());
        }
        self.wake(Events::all());
    }
}
