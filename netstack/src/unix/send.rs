//! Sending.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;
use kcore::io::{IoError, IoResult, IoSource};
use kcore::wait::Events;

use super::account::{Charge, true_size};
use super::addr::UnixAddr;
use super::credentials::{Identity, UserCred};
use super::message::Outgoing;
use super::packet::Packet;
use super::socket::{Phase, State, UnixSocket};
use super::transit::{Parcel, PassedFile};
use crate::SocketKind;

/// Largest piece of a stream in one packet: what Linux puts into the head, and 32 KiB of pages.
const STREAM_PIECE: usize = STREAM_HEAD + (32 << 10);
const STREAM_HEAD: usize = 3776;
/// What of a message fits into the head.
const MESSAGE_HEAD: usize = 16064;
/// What a message must leave of the send buffer.
const MESSAGE_SPARE: usize = 32;
const PAGE: usize = 4096;

/// Files that go with a packet, and the limit for their sender.
struct Luggage {
    files: Vec<Box<dyn PassedFile>>,
    limit: Option<usize>,
}

impl UnixSocket {
    /// Sends `msg`. A stream may take a part of it: call again with the rest. Messages are taken whole.
    ///
    /// Errors: [`IoError::Again`] without room, `ENOTCONN`, `EISCONN` and `EOPNOTSUPP` for a destination on a stream, `EPIPE` (for which
    /// the caller raises `SIGPIPE` if this is a stream), `ECONNREFUSED`, `EPERM`, `EMSGSIZE`, `ETOOMANYREFS`, `EFAULT`.
    pub fn send(&self, msg: &mut Outgoing<'_>) -> IoResult<usize> {
        match self.kind() {
            SocketKind::Stream => self.send_stream(msg),
            _ => self.send_message(msg),
        }
    }

    fn send_stream(&self, msg: &mut Outgoing<'_>) -> IoResult<usize> {
        let (peer, from) = {
            let s = self.lock();
            if msg.to.is_some() {
                let connected = s.phase == Phase::Connected;
                return Err(if connected { Errno::EISCONN } else { Errno::EOPNOTSUPP }.into());
            }
            let peer = s.peer.clone().filter(|_| s.phase == Phase::Connected).ok_or(Errno::ENOTCONN)?;
            if s.shutdown.write {
                return Err(Errno::EPIPE.into());
            }
            (peer, s.addr.clone())
        };
        let cred = self.cred_for(&peer, msg);
        let most = (self.account.limit() / 2).saturating_sub(64).clamp(1, STREAM_PIECE);
        if !self.account.has_room(msg.waited) {
            return Err(IoError::Again);
        }
        let mut done = 0;
        while msg.data.remaining() > 0 {
            let size = msg.data.remaining().min(most);
            let paged = size.min(size.saturating_sub(STREAM_HEAD).next_multiple_of(PAGE));
            let result = match self.account.charge(true_size(size - paged, paged)) {
                Some(charge) => self.send_piece(&peer, msg, size, charge, from.clone(), cred.clone()),
                None => Err(IoError::Again),
            };
            match result {
                Ok(n) => done += n,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn send_piece(
        &self,
        peer: &UnixSocket,
        msg: &mut Outgoing<'_>,
        size: usize,
        charge: Charge,
        from: Option<Arc<UnixAddr>>,
        cred: Option<UserCred>,
    ) -> IoResult<usize> {
        let data = load(msg.data, size)?;
        let n = data.len();
        let packet = Packet { data, read: 0, peeked: false, from, cred, parcel: None, charge };
        let luggage = Luggage { files: core::mem::take(&mut msg.files), limit: msg.files_limit };
        peer.take(packet, luggage, msg.by, |p| {
            if p.dead || p.shutdown.read { Err(Errno::EPIPE) } else { Ok(()) }
        })?;
        Ok(n)
    }

    fn send_message(&self, msg: &mut Outgoing<'_>) -> IoResult<usize> {
        let connection = self.kind().is_connection();
        let (to, own) = {
            let s = self.lock();
            if connection && s.phase != Phase::Connected {
                return Err(Errno::ENOTCONN.into());
            }
            match msg.to.filter(|_| !connection) {
                Some(to) => (to.clone(), false),
                None => (s.peer.clone().ok_or(Errno::ENOTCONN)?, true),
            }
        };
        if self.options.wants_identity() {
            self.bind(&UnixAddr::Unnamed)?;
        }
        let size = msg.data.remaining();
        if size > self.account.limit().saturating_sub(MESSAGE_SPARE) {
            return Err(Errno::EMSGSIZE.into());
        }
        let from = {
            let mut s = self.lock();
            if let Some(e) = s.error.take() {
                return Err(e.into());
            }
            if s.shutdown.write {
                return Err(Errno::EPIPE.into());
            }
            s.addr.clone()
        };
        let paged = size.saturating_sub(MESSAGE_HEAD).next_multiple_of(PAGE).min(size);
        if !self.account.has_room(msg.waited) {
            return Err(IoError::Again);
        }
        // Only a message that has room is taken from the source. A charge that is given back would wake the sender itself.
        self.check_receiver(&to, own)?;
        let charge = self.account.charge(true_size(size - paged, paged)).ok_or(IoError::Again)?;
        let data = load(msg.data, size)?;
        if data.len() < size {
            return Err(Errno::EFAULT.into());
        }
        let cred = self.cred_for(&to, msg);
        let packet = Packet { data, read: 0, peeked: false, from, cred, parcel: None, charge };
        let luggage = Luggage { files: core::mem::take(&mut msg.files), limit: msg.files_limit };
        let sent = to.take(packet, luggage, msg.by, |r| self.accepts(r));
        self.after_refusal(&to, own, sent)?;
        Ok(size)
    }

    /// Whether a receiver takes a message now. Errors: as [`UnixSocket::send`]; with `Again` it will wake this socket.
    fn check_receiver(&self, to: &Arc<UnixSocket>, own: bool) -> IoResult<()> {
        let checked = {
            let mut r = to.lock();
            let mutual = r.peer.as_ref().is_some_and(|p| p.id() == self.id());
            let checked = self.accepts(&r);
            if checked.is_ok() && to.id() != self.id() && !mutual && r.is_full() {
                r.block(self);
                return Err(IoError::Again);
            }
            checked
        };
        self.after_refusal(to, own, checked).map_err(IoError::Errno)
    }

    fn accepts(&self, receiver: &State) -> Result<(), Errno> {
        if receiver.dead {
            return Err(if self.kind().is_connection() { Errno::EPIPE } else { Errno::ECONNREFUSED });
        }
        if !peers_with(receiver, self) {
            return Err(Errno::EPERM);
        }
        if receiver.shutdown.read { Err(Errno::EPIPE) } else { Ok(()) }
    }

    /// A datagram socket whose peer is gone has none any more.
    fn after_refusal(&self, to: &Arc<UnixSocket>, own: bool, r: Result<(), Errno>) -> Result<(), Errno> {
        if r == Err(Errno::ECONNREFUSED) && own {
            let was_peer = {
                let mut s = self.lock();
                let same = s.peer.as_ref().is_some_and(|p| Arc::ptr_eq(p, to));
                if same { s.peer.take() } else { None }
            };
            if let Some(old) = was_peer {
                self.forget_peer(&old);
            }
        }
        r
    }

    /// The credentials that a message carries: those that the sender shows, or its own if either end wants them.
    fn cred_for(&self, to: &UnixSocket, msg: &Outgoing<'_>) -> Option<UserCred> {
        let wanted = || self.options.wants_identity() || to.options.wants_identity();
        msg.cred.clone().or_else(|| wanted().then(|| UserCred::of(msg.by)))
    }

    /// Puts a packet into this socket's inbox if `check` allows it. Errors: what `check` says, `ETOOMANYREFS`.
    fn take(
        &self,
        mut packet: Packet,
        luggage: Luggage,
        by: &Identity,
        check: impl FnOnce(&State) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        if luggage.files.is_empty() {
            let mut s = self.lock();
            check(&s)?;
            s.inbox.push_back(packet);
        } else {
            let mut table = self.domain.transit().lock();
            table.check(by.cred.uid, luggage.limit)?;
            let mut s = self.lock();
            check(&s)?;
            let parcel = Parcel { files: luggage.files, sender: by.cred.uid };
            table.add(&parcel);
            packet.parcel = Some(parcel);
            s.inbox.push_back(packet);
            s.parcels += 1;
        }
        self.wake(Events::READABLE);
        Ok(())
    }
}

/// Whether a datagram socket takes messages of `from`: it has no peer, or that one.
pub(super) fn may_send(from: &UnixSocket, to: &UnixSocket) -> bool {
    peers_with(&to.lock(), from)
}

fn peers_with(receiver: &State, from: &UnixSocket) -> bool {
    receiver.peer.as_ref().is_none_or(|p| p.id() == from.id())
}

/// Errors: `EFAULT` if there is not one byte.
fn load(source: &mut dyn IoSource, size: usize) -> Result<Vec<u8>, Errno> {
    let mut data = vec![0; size];
    let n = if size == 0 { 0 } else { source.read(&mut data)? };
    data.truncate(n);
    Ok(data)
}
