//! The socket itself.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;

use abi::Errno;
use kcore::sync::{LockClass, Mutex, MutexGuard};
use kcore::wait::{Events, WaitQueue};
use smallvec::SmallVec;

use super::account::SendAccount;
use super::addr::{NodeId, UnixAddr};
use super::credentials::Identity;
use super::domain::UnixDomain;
use super::packet::Packet;
use crate::{Options, Shutdown, SocketKind};

/// Two sockets are locked together in order of address.
static SOCKET: LockClass = LockClass::nesting("unix socket", 400);

/// What a socket bound to a path keeps from going away: the path.
pub type Pinned = Arc<dyn Any + Send + Sync>;

/// Where a socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not connected. Datagram sockets stay here.
    Closed,
    /// Takes connections.
    Listening,
    /// Connected, or was: a peer may have gone.
    Connected,
}

pub(super) struct State {
    pub(super) phase: Phase,
    /// Its file was closed.
    pub(super) dead: bool,
    pub(super) shutdown: Shutdown,
    pub(super) addr: Option<Arc<UnixAddr>>,
    /// The inode that it is bound to, and its path.
    pub(super) node: Option<(NodeId, Pinned)>,
    pub(super) peer: Option<Arc<UnixSocket>>,
    pub(super) peer_identity: Option<Identity>,
    pub(super) inbox: VecDeque<Packet>,
    /// How many packets of the inbox carry files.
    pub(super) parcels: usize,
    /// Connections that nobody has accepted.
    pub(super) backlog: VecDeque<Arc<UnixSocket>>,
    /// How many connections or datagrams may wait; one more is let in.
    pub(super) backlog_limit: usize,
    /// Whose connection or datagram did not fit.
    pub(super) blocked: Vec<Weak<UnixSocket>>,
    pub(super) error: Option<Errno>,
}

/// Datagrams that may wait (`net.unix.max_dgram_qlen`).
const MAX_DGRAM_QLEN: usize = 10;

/// A unix socket. Its owner calls [`UnixSocket::close`] when it is done with it.
pub struct UnixSocket {
    pub(super) domain: Arc<UnixDomain>,
    kind: SocketKind,
    ino: u64,
    pub(super) creator: Identity,
    pub(super) this: Weak<UnixSocket>,
    queue: WaitQueue,
    pub(super) options: Options,
    pub(super) account: Arc<SendAccount>,
    state: Mutex<State>,
}

impl UnixSocket {
    /// A socket that is not connected; `ino` identifies it to users.
    ///
    /// Errors: `EPROTONOSUPPORT` for a protocol other than 0 and `PF_UNIX`.
    pub fn new(
        domain: &Arc<UnixDomain>,
        kind: SocketKind,
        protocol: i32,
        ino: u64,
        creator: Identity,
    ) -> Result<Arc<UnixSocket>, Errno> {
        if protocol != 0 && protocol != i32::from(abi::net::socket::AF_UNIX) {
            return Err(Errno::EPROTONOSUPPORT);
        }
        // Linux makes these the same.
        let kind = if kind == SocketKind::Raw { SocketKind::Dgram } else { kind };
        Ok(UnixSocket::make(domain, kind, ino, creator))
    }
    /// Two sockets that are connected to each other, `socketpair(2)`. Errors: as [`UnixSocket::new`].
    pub fn pair(
        domain: &Arc<UnixDomain>,
        kind: SocketKind,
        protocol: i32,
        inos: [u64; 2],
        creator: &Identity,
    ) -> Result<[Arc<UnixSocket>; 2], Errno> {
        let a = UnixSocket::new(domain, kind, protocol, inos[0], creator.clone())?;
        let b = UnixSocket::new(domain, kind, protocol, inos[1], creator.clone())?;
        for (from, to) in [(&a, &b), (&b, &a)] {
            let mut s = from.lock();
            s.peer = Some(to.clone());
            s.peer_identity = Some(creator.clone());
            if from.kind.is_connection() {
                s.phase = Phase::Connected;
            }
        }
        Ok([a, b])
    }
    pub(super) fn make(
        domain: &Arc<UnixDomain>,
        kind: SocketKind,
        ino: u64,
        creator: Identity,
    ) -> Arc<UnixSocket> {
        let queue = WaitQueue::new();
        let state = State {
            phase: Phase::Closed,
            dead: false,
            shutdown: Shutdown::default(),
            addr: None,
            node: None,
            peer: None,
            peer_identity: None,
            inbox: VecDeque::new(),
            parcels: 0,
            backlog: VecDeque::new(),
            backlog_limit: MAX_DGRAM_QLEN,
            blocked: Vec::new(),
            error: None,
        };
        let socket = Arc::new_cyclic(|this| UnixSocket {
            domain: domain.clone(),
            kind,
            ino,
            creator,
            this: this.clone(),
            account: SendAccount::new(queue.clone()),
            queue,
            options: Options::new(),
            state: Mutex::new(&SOCKET, state),
        });
        domain.register(&socket);
        socket
    }
    /// How it delivers data.
    pub fn kind(&self) -> SocketKind {
        self.kind
    }
    /// Its inode number.
    pub fn ino(&self) -> u64 {
        self.ino
    }
    /// Who made it.
    pub fn creator(&self) -> &Identity {
        &self.creator
    }
    /// Where all wait who wait for it, whatever they wait for.
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }
    /// The options that it shares with sockets of other families.
    pub fn options(&self) -> &Options {
        &self.options
    }
    /// Its own address.
    pub fn local_addr(&self) -> UnixAddr {
        self.lock().addr.as_deref().cloned().unwrap_or(UnixAddr::Unnamed)
    }
    /// Its peer's address. Errors: `ENOTCONN`.
    pub fn peer_addr(&self) -> Result<UnixAddr, Errno> {
        let peer = self.lock().peer.clone().ok_or(Errno::ENOTCONN)?;
        Ok(peer.local_addr())
    }
    /// Who its peer was when it connected or listened; `None` if it has none.
    pub fn peer_identity(&self) -> Option<Identity> {
        self.lock().peer_identity.clone()
    }
    /// Identity while it is alive.
    pub(super) fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
    /// Locks two different sockets, and gives the first one's state first.
    pub(super) fn lock_both<'a>(
        a: &'a UnixSocket,
        b: &'a UnixSocket,
    ) -> (MutexGuard<'a, State>, MutexGuard<'a, State>) {
        if a.id() < b.id() {
            let first = a.lock();
            (first, b.lock())
        } else {
            let first = b.lock();
            (a.lock(), first)
        }
    }
    /// Wakes all that wait for any of `events`. Not under the socket's own lock, to be brief with it.
    pub(super) fn wake(&self, events: Events) {
        self.queue.wake(events);
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let s = self.state.get_mut();
        if !s.dead {
            // It never belonged to a file: only the list knows it.
            self.domain.remove(self.ino, None);
        }
    }
}

impl State {
    /// Whether no more datagrams or connections should wait.
    pub(super) fn is_full(&self) -> bool {
        self.backlog.len().max(self.inbox.len()) > self.backlog_limit
    }
    /// Remembers who found it full.
    pub(super) fn block(&mut self, who: &UnixSocket) {
        self.blocked.retain(|w| w.strong_count() > 0);
        if !self.blocked.iter().any(|w| w.ptr_eq(&who.this)) {
            self.blocked.push(who.this.clone());
        }
    }
    /// Who is to be woken if there is room now.
    pub(super) fn unblock(&mut self) -> SmallVec<[Arc<UnixSocket>; 2]> {
        if self.blocked.is_empty() || self.is_full() {
            return SmallVec::new();
        }
        self.blocked.drain(..).filter_map(|w| w.upgrade()).collect()
    }
    /// What a peer's shutdown means here.
    pub(super) fn shut(&mut self, how: Shutdown) {
        self.shutdown = self.shutdown.or(how);
    }
}

/// Wakes those who found a socket full.
pub(super) fn wake_blocked(blocked: impl IntoIterator<Item = Arc<UnixSocket>>) {
    for s in blocked {
        s.wake(Events::WRITABLE);
    }
}
