//! Stubs whose spaces have ended: emptied, and used again if nothing of the guest can be left in them.
//!
//! A guest's thread can make the host calls of [`super::GUEST_CALLS`] only, none of which changes anything of its process but memory, and
//! the thread itself. So a stub is as good as new when all of the guest's memory is unmapped, the areas are cleared, and no thread is left
//! but the mapper. Of the last, the host must give proof, as everything that a thread says may be its guest's invention: the stub must have
//! had one thread only, made before its guest was there, so that the number is certain; and the host must not know that one any more.

use std::sync::{Arc, Mutex};

use kcore::addr::GuestRange;

use super::host_thread::{ThreadShared, give_birth};
use super::lock;
use super::nursery::Stub;
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
    /// The only thread that ever was in it, if that is so and it waits.
    seat: Option<Arc<ThreadShared>>,
    left: Option<Left>,
}

impl Retired {
    /// `seats` are the host threads that wait in the stub.
    pub(super) fn new(
        stub: Arc<Stub>,
        places: Places,
        mut seats: Vec<Arc<ThreadShared>>,
        left: Option<Left>,
    ) -> Retired {
        let seat = seats.pop().filter(|t| places.births == 1 && seats.is_empty() && t.has_trapped());
        Retired { stub, places, seat, left }
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
            Ok(()) | Err(abi::Errno::ESRCH) => drop(left.pages),
            Err(_) => core::mem::forget(left.pages),
        }
    }

    /// Makes the stub ready for another guest, with a new thread. `None` if that cannot be or there is no `wish` for it: the stub then ends.
    pub(super) fn renew(mut self, wish: Option<ThreadKind>) -> Option<Prepared> {
        let Some((seat, kind)) = self.seat.take().zip(wish) else {
            self.release();
            return None;
        };
        seat.dismiss();
        // All of it: trampolines, too, and what the host gives every process.
        let unmapped = lock(&self.stub.mapper).run(&[unmap(0, self.stub.nursery.base)], &self.stub.dead);
        if unmapped.is_err() {
            self.release();
            return None;
        }
        self.left = None;
        if !seat.has_ended() {
            return None;
        }
        self.stub.let_go();
        seat.wipe();
        let places = Places { left: vec![(seat.place, seat.area)], used: self.places.used, births: 0 };
        let places = Mutex::new(places);
        let thread = Some(give_birth(&self.stub, &places, kind.cpus, kind.xfeatures).ok()?);
        Some(Prepared { stub: self.stub, places, thread })
    }
}
