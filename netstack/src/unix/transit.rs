//! Files in flight (`SCM_RIGHTS`): who sent how many, and which of them are sockets.
//!
//! A socket that is only in flight keeps itself alive if it sits in its own inbox, or in the inbox of another one like it. The
//! table here knows how often each socket is in flight, so that [`gc`](super::gc) can tell such sockets from those that a
//! process could still receive. Whatever puts files into an inbox or takes them out holds the table's lock.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;

use abi::Errno;
use hashbrown::HashMap;
use kcore::id::Uid;
use kcore::sync::{LockClass, Mutex, MutexGuard};

use super::socket::UnixSocket;

static IN_FLIGHT: LockClass = LockClass::new("files in flight", 395);
static DISCARDED: LockClass = LockClass::new("discarded files", 430);

/// Most files that one message carries (`SCM_MAX_FD`).
pub const MAX_FILES: usize = 253;

/// An open file that a message carries. Dropping it may close the file.
pub trait PassedFile: Send + Sync {
    /// Another reference to the same open file, for `MSG_PEEK`.
    fn duplicate(&self) -> Box<dyn PassedFile>;
    /// The unix socket that it is, if it is one.
    fn socket(&self) -> Option<Arc<UnixSocket>>;
    /// Counts the references to the open file, for as long as it is in flight, without being one.
    fn references(&self) -> Box<dyn References>;
    /// Itself, for the receiver to take the file out.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// See [`PassedFile::references`].
pub trait References: Send + Sync {
    /// References to the open file now, those in flight included.
    fn count(&self) -> usize;
}

/// The files that one message carries, while they are in an inbox.
pub(super) struct Parcel {
    pub(super) files: Vec<Box<dyn PassedFile>>,
    pub(super) sender: Uid,
}

pub(super) struct InFlightSocket {
    pub(super) socket: Weak<UnixSocket>,
    pub(super) references: Box<dyn References>,
    pub(super) count: usize,
}

#[derive(Default)]
pub(super) struct InFlight {
    /// By the socket's identity.
    pub(super) sockets: HashMap<usize, InFlightSocket>,
    by_user: HashMap<Uid, usize>,
}

#[derive(Default)]
struct Discarded {
    files: Vec<Box<dyn PassedFile>>,
    busy: bool,
}

/// All files in flight in a kernel.
pub struct Transit {
    in_flight: Mutex<InFlight>,
    discarded: Mutex<Discarded>,
}

impl Default for Transit {
    fn default() -> Transit {
        Transit {
            in_flight: Mutex::new(&IN_FLIGHT, InFlight::default()),
            discarded: Mutex::new(&DISCARDED, Discarded::default()),
        }
    }
}

impl Transit {
    /// Nothing in flight.
    pub fn new() -> Arc<Transit> {
        Arc::new(Transit::default())
    }
    /// Files of `user` in flight.
    pub fn count(&self, user: Uid) -> usize {
        self.lock().by_user.get(&user).copied().unwrap_or(0)
    }
    pub(super) fn lock(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight.lock()
    }
    pub(super) fn is_discarding(&self) -> bool {
        self.discarded.lock().busy
    }
    /// Drops files, which may close sockets and so discard more files: those are dropped by the outermost call, so that the depth
    /// of the stack does not depend on what a guest has nested. The caller holds no locks.
    pub(super) fn discard(&self, files: Vec<Box<dyn PassedFile>>) {
        {
            let mut d = self.discarded.lock();
            d.files.extend(files);
            if d.busy || d.files.is_empty() {
                return;
            }
            d.busy = true;
        }
        loop {
            let next = {
                let mut d = self.discarded.lock();
                let next = d.files.pop();
                d.busy = next.is_some();
                next
            };
            match next {
                Some(file) => drop(file),
                None => return,
            }
        }
    }
}

impl InFlight {
    /// Whether `n` more files of `user` may be in flight. Errors: `ETOOMANYREFS`.
    pub(super) fn check(&self, user: Uid, limit: Option<usize>) -> Result<(), Errno> {
        match limit {
            Some(limit) if self.by_user.get(&user).is_some_and(|n| *n > limit) => Err(Errno::ETOOMANYREFS),
            _ => Ok(()),
        }
    }
    /// Counts a parcel that is put into an inbox.
    pub(super) fn add(&mut self, parcel: &Parcel) {
        *self.by_user.entry(parcel.sender).or_default() += parcel.files.len();
        for file in &parcel.files {
            let Some(socket) = file.socket() else { continue };
            let new = || InFlightSocket {
                socket: Arc::downgrade(&socket),
                references: file.references(),
                count: 0,
            };
            self.sockets.entry(socket.id()).or_insert_with(new).count += 1;
        }
    }
    /// Counts a parcel that was taken out of an inbox.
    pub(super) fn remove(&mut self, parcel: &Parcel) {
        if let Some(n) = self.by_user.get_mut(&parcel.sender) {
            *n = n.saturating_sub(parcel.files.len());
            if *n == 0 {
                self.by_user.remove(&parcel.sender);
            }
        }
        for file in &parcel.files {
            let Some(id) = file.socket().map(|s| s.id()) else { continue };
            if let Some(s) = self.sockets.get_mut(&id) {
                s.count -= 1;
                if s.count == 0 {
                    self.sockets.remove(&id);
                }
            }
        }
    }
}
