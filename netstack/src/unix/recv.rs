//! Receiving.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::MsgFlags;
use abi::Errno;
use kcore::io::{IoError, IoResult, IoSink};
use kcore::sync::MutexGuard;
use smallvec::SmallVec;

use super::addr::UnixAddr;
use super::credentials::UserCred;
use super::message::Incoming;
use super::packet::Packet;
use super::socket::{Phase, State, UnixSocket, wake_blocked};
use super::transit::{InFlight, Parcel, PassedFile};
use crate::SocketKind;

type Finished = SmallVec<[Packet; 2]>;

impl UnixSocket {
    /// Receives into `dst`. `flags` say `PEEK`, and `DONTWAIT` for a caller that will not wait; it obeys the others itself.
    ///
    /// Errors: [`IoError::Again`], `ENOTCONN`, `EINVAL` for a stream that is not connected, `ECONNRESET`, `EOPNOTSUPP` for urgent data,
    /// `EFAULT`.
    pub fn recv(&self, dst: &mut dyn IoSink, flags: MsgFlags) -> IoResult<Incoming> {
        if flags.contains(MsgFlags::ERRQUEUE) {
            return Err(IoError::Again);
        }
        if flags.contains(MsgFlags::OOB) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let (table, mut state) = self.lock_inbox();
        let mut read =
            Read { socket: self, table, peek: flags.contains(MsgFlags::PEEK), finished: Finished::new() };
        let result = match self.kind() {
            SocketKind::Stream => read.stream(&mut state, dst),
            _ => read.message(&mut state, dst, flags.contains(MsgFlags::DONTWAIT)),
        };
        let blocked = if read.finished.is_empty() { SmallVec::new() } else { state.unblock() };
        drop(state);
        wake_blocked(blocked);
        // Senders get their space back only here, without the lock.
        drop(read);
        result
    }

    /// The socket's state, and the table of files in flight if there are files to receive.
    fn lock_inbox(&self) -> (Option<MutexGuard<'_, InFlight>>, MutexGuard<'_, State>) {
        let state = self.lock();
        if state.parcels == 0 {
            return (None, state);
        }
        drop(state);
        let table = self.domain.transit().lock();
        (Some(table), self.lock())
    }
}

/// One call of [`UnixSocket::recv`].
struct Read<'a> {
    socket: &'a UnixSocket,
    table: Option<MutexGuard<'a, InFlight>>,
    peek: bool,
    finished: Finished,
}

impl Read<'_> {
    fn stream(&mut self, s: &mut State, dst: &mut dyn IoSink) -> IoResult<Incoming> {
        if s.phase != Phase::Connected {
            return Err(Errno::EINVAL.into());
        }
        let options = &self.socket.options;
        let compares = options.wants_identity();
        let mut skip = if self.peek { options.peek_offset().unwrap_or(0) } else { 0 };
        let mut at = 0;
        let mut got = Incoming::default();
        let mut first = true;
        while first || dst.remaining() > 0 {
            let Some(packet) = s.inbox.get_mut(at) else {
                if first {
                    return self.empty(s, true);
                }
                got.boundary = s.shutdown.read;
                break;
            };
            let rest = packet.rest().get(skip..).unwrap_or(&[]);
            if rest.is_empty() {
                skip -= packet.rest().len();
                at += 1;
                continue;
            }
            let cred = compares.then(|| packet.cred.clone().unwrap_or_else(UserCred::unknown));
            if !first && cred != got.cred {
                got.boundary = true;
                break;
            }
            let n = match dst.write(rest) {
                Ok(n) => n,
                Err(_) if got.stored > 0 => break,
                Err(e) => return Err(e.into()),
            };
            let whole = n == rest.len();
            if first {
                got.from = name(packet);
                got.cred = cred;
                first = false;
            }
            got.stored += n;
            skip = 0;
            let with_files = packet.parcel.is_some();
            if self.peek {
                got.files.extend(copies(packet.parcel.as_ref()));
                options.move_peek_offset(n, true);
                at += 1;
            } else {
                packet.read += n;
                let parcel = packet.parcel.take();
                options.move_peek_offset(n, false);
                got.files.extend(self.unpack(&mut s.parcels, parcel));
                if whole {
                    self.finished.extend(s.inbox.pop_front());
                }
            }
            if with_files {
                got.boundary = true;
                break;
            }
            if !whole {
                break;
            }
        }
        got.length = got.stored;
        Ok(got)
    }

    fn message(&mut self, s: &mut State, dst: &mut dyn IoSink, dont_wait: bool) -> IoResult<Incoming> {
        let connection = self.socket.kind().is_connection();
        if connection && s.phase != Phase::Connected {
            return Err(Errno::ENOTCONN.into());
        }
        let options = &self.socket.options;
        let mut skip = 0;
        let mut at = 0;
        if self.peek
            && let Some(offset) = options.peek_offset()
        {
            skip = offset;
            // An empty message that was seen is passed over, too.
            while let Some(p) = s.inbox.get(at).filter(|p| skip >= p.data.len() && (skip > 0 || p.peeked)) {
                skip -= p.data.len();
                at += 1;
            }
        }
        let Some(packet) = s.inbox.get_mut(at) else {
            return self.empty(s, connection || !dont_wait);
        };
        let data = packet.data.get(skip..).unwrap_or(&[]);
        let room = data.len().min(dst.remaining());
        let stored = if room == 0 { 0 } else { dst.write(data)? };
        if stored < room {
            return Err(Errno::EFAULT.into());
        }
        let mut got = Incoming {
            stored,
            length: data.len(),
            from: name(packet),
            boundary: true,
            ..Incoming::default()
        };
        if options.wants_identity() {
            got.cred = Some(packet.cred.clone().unwrap_or_else(UserCred::unknown));
        }
        if self.peek {
            packet.peeked = true;
            got.files = copies(packet.parcel.as_ref()).collect();
            options.move_peek_offset(stored, true);
        } else if let Some(mut packet) = s.inbox.pop_front() {
            options.move_peek_offset(packet.data.len(), false);
            got.files = self.unpack(&mut s.parcels, packet.parcel.take());
            self.finished.push(packet);
        }
        Ok(got)
    }

    /// The answer of an empty inbox. `ends` says that a shutdown is its end.
    fn empty(&self, s: &mut State, ends: bool) -> IoResult<Incoming> {
        match s.error.take() {
            Some(e) => Err(e.into()),
            None if s.shutdown.read && ends => Ok(Incoming { boundary: true, ..Incoming::default() }),
            None => Err(IoError::Again),
        }
    }

    fn unpack(&mut self, parcels: &mut usize, parcel: Option<Parcel>) -> Vec<Box<dyn PassedFile>> {
        let Some(parcel) = parcel else { return Vec::new() };
        *parcels -= 1;
        if let Some(table) = &mut self.table {
            table.remove(&parcel);
        }
        parcel.files
    }
}

fn copies(parcel: Option<&Parcel>) -> impl Iterator<Item = Box<dyn PassedFile>> + '_ {
    parcel.into_iter().flat_map(|p| &p.files).map(|f| f.duplicate())
}

fn name(packet: &Packet) -> Option<UnixAddr> {
    packet.from.as_deref().cloned()
}
