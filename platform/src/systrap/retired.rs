//! Stubs whose spaces have ended: emptied, and used again if nothing of the guest can be left in them.
//!
//! A guest's thread can make the host calls of [`super::GUEST_CALLS`] only, none of which changes anything of its process but memory, and
//! the thread itself. So a stub is as good as new when all of the guest's memory is unmapped, the areas are cleared, and no thread is left
//! but the mapper. Of the last the host gives proof, as everything that a thread says may be its guest's invention: `unshare(2)` of the
//! thread group fails as long as there is another thread in it, and does nothing else.

use std::sync::{Arc, Mutex};

use abi::Errno;
use kcore::addr::GuestRange;

use super::host_thread::{ThreadShared, give_birth};
use super::lock;
use super::mapper::Op;
use super::nursery::Stub;
use super::policy;
use super::ready::{Prepared, ThreadKind};
use super::space::{Places, unmap};

/// What the guest of a space leaves in its stub.
pub(super) struct Left {
    /// All of it lies in here.
    pub(super) mapped: GuestRange,
    pub(super) bytes: u64,
    /// Dropped when it is unmapped.
    pub(super) pages: Box<dyn Send>,
}

/// See the module.
pub(super) struct Retired {
    stub: Arc<Stub>,
    places: Places,
    /// The threads that wait in it.
    seats: Vec<Arc<ThreadShared>>,
    left: Option<Left>,
}

impl Retired {
    /// `seats` are the host threads that wait in the stub. There may be others, that have been told to end or were lost.
    pub(super) fn new(
        stub: Arc<Stub>,
        places: Places,
        seats: Vec<Arc<ThreadShared>>,
        left: Option<Left>,
    ) -> Retired {
        Retired { stub, places, seats, left }
    }

    /// How much memory waits to be free.
    pub(super) fn bytes(&self) -> u64 {
        self.left.as_ref().map_or(0, |l| l.bytes)
    }

    /// Unmaps what the guest has left, and frees that.
    pub(super) fn release(&mut self) {
        let Some(left) = self.left.take() else { return };
        let (start, len) = (left.mapped.start().0, left.mapped.len());
        match lock(&self.stub.mapper).run(&[unmap(start, len)], &self.stub.dead) {
            // A stub that is gone reaches nothing either.
            Ok(()) | Err(Errno::ESRCH) => drop(left.pages),
            Err(_) => core::mem::forget(left.pages),
        }
    }

    /// Makes the stub ready for another guest, with a new thread. `None` if that cannot be or there is no `wish` for it: the stub then ends.
    pub(super) fn renew(mut self, wish: Option<ThreadKind>) -> Option<Prepared> {
        let Some(kind) = wish.filter(|_| self.places.used <= policy::KEPT_PLACES) else {
            self.release();
            return None;
        };
        self.dismiss();
        // All of it: trampolines, too, and what the host gives every process.
        let unmapped = lock(&self.stub.mapper).run(&[unmap(0, self.stub.nursery.base)], &self.stub.dead);
        if unmapped.is_err() {
            self.release();
            return None;
        }
        self.left = None;
        if !self.is_deserted() {
            return None;
        }
        self.stub.forget_guest();
        let mut places = self.places;
        places.left.extend(self.seats.iter().map(|t| (t.place, t.area)));
        places.left.sort_unstable();
        let places = Mutex::new(places);
        let thread = Some(give_birth(&self.stub, &places, kind.cpus, kind.xfeatures).ok()?);
        Some(Prepared { stub: self.stub, places, thread })
    }

    fn dismiss(&self) {
        self.seats.iter().filter(|t| t.has_trapped()).for_each(|t| t.dismiss());
    }

    /// Waits a little until no thread but the mapper is left, by the host's word.
    fn is_deserted(&self) -> bool {
        let ask = Op::new(libc::SYS_unshare, [libc::CLONE_THREAD as u64, 0, 0, 0, 0, 0]);
        for look in 0..policy::END_LOOKS as usize {
            match lock(&self.stub.mapper).run(&[ask], &self.stub.dead) {
                Ok(()) => return true,
                Err(Errno::EINVAL) => {}
                Err(_) => return false,
            }
            match self.seats.get(look % self.seats.len().max(1)) {
                Some(seat) => seat.await_end(),
                None => return false,
            }
            // One that was saving its state has not heard.
            self.dismiss();
        }
        false
    }
}
