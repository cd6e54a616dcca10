//! Seats: guest threads that can run have a host thread each; those that wait in the kernel leave theirs to others.
//!
//! A seat that was just left still polls for what it is to do next, so that loading another guest thread onto it costs no host call. The
//! general registers of the thread that left are the sentry's; its floating-point state is in the seat until that is taken: in the
//! signal's frame, or saved to the area by the seat itself while the sentry looks for somebody to run.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::host_thread::{ThreadShared, Trapped};
use super::lock;
use super::policy;
use super::space::Space;
use super::tenant::Tenant;
use crate::fpu::FpuLayout;
use crate::{FpuState, RegisterSource};

/// The vacant seats of a space, and how many guest threads may want them.
#[derive(Default)]
pub(super) struct Seats {
    /// The one that was left last is the last one.
    vacant: Mutex<Vec<Vacant>>,
    threads: AtomicUsize,
}

struct Vacant {
    seat: Arc<ThreadShared>,
    /// Whose floating-point state is in it.
    left_by: Option<Arc<Tenant>>,
    /// Whether that state can be had without waking the seat.
    saved: bool,
    /// Nobody has sat there yet, and it may not have trapped yet.
    is_new: bool,
}

/// A seat for a guest thread.
pub(super) enum Found {
    /// The one that it left, with its state in it.
    Own,
    /// Another one, with how it waits; a new one may not yet.
    Other(Arc<ThreadShared>, Option<Trapped>),
    /// There are only seats that sleep, or none.
    Nothing,
}

impl Vacant {
    fn is_own(&self, who: &Arc<Tenant>) -> bool {
        self.left_by.as_ref().is_some_and(|t| Arc::ptr_eq(t, who))
    }

    /// Whether another thread can be loaded onto it now. Not if it says that it runs, for which only a guest can be the cause.
    fn is_free(&self) -> bool {
        let is_ready = self.left_by.is_none() || self.saved && self.seat.await_saved();
        is_ready && !self.seat.is_lost() && (self.is_new || self.seat.trapped().is_some())
    }

    /// The floating-point state that was left in it.
    fn state(&self, layout: &FpuLayout) -> FpuState {
        let frame = self.seat.frame();
        match self.seat.trapped() {
            Some(Trapped::Call) => frame.saved_fpu(layout),
            // A guest that breaks its frames loses its state.
            _ => frame.fpu(layout).unwrap_or_else(|_| layout.initial()),
        }
    }

    /// Takes the leaver's state out. Returns the seat.
    fn clear(self, layout: &FpuLayout) -> Arc<ThreadShared> {
        if let Some(leaver) = &self.left_by {
            leaver.displace(self.state(layout));
        }
        self.seat
    }
}

impl Seats {
    pub(super) fn new(first: Option<Arc<ThreadShared>>) -> Seats {
        let vacant = first.into_iter().map(|seat| Vacant { seat, left_by: None, saved: false, is_new: true });
        Seats { vacant: Mutex::new(vacant.collect()), threads: AtomicUsize::new(0) }
    }

    /// Takes all of them, when there is no guest thread any more.
    pub(super) fn drain(&self) -> Vec<Arc<ThreadShared>> {
        lock(&self.vacant).drain(..).map(|v| v.seat).collect()
    }

    /// One more guest thread, or one less.
    pub(super) fn count(&self, arrives: bool) {
        if arrives {
            self.threads.fetch_add(1, Ordering::Relaxed);
        } else {
            self.threads.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Finds a seat for a thread, which has left its own one or never had one: its own one or another one, but one that polls rather than
    /// one that sleeps. `any` says that it may sleep.
    pub(super) fn take(&self, who: &Arc<Tenant>, layout: &FpuLayout, any: bool) -> Found {
        let mut vacant = lock(&self.vacant);
        let own = vacant.iter().position(|v| v.is_own(who));
        if let Some(i) = own.filter(|i| vacant[*i].seat.polls()) {
            vacant.remove(i);
            return Found::Own;
        }
        let settled = own.is_none_or(|i| vacant[i].is_free());
        let mut other = None;
        if settled {
            other = vacant.iter().rposition(|v| v.seat.polls() && v.is_free());
        }
        if other.is_none() && any {
            if let Some(i) = own {
                vacant.remove(i);
                return Found::Own;
            }
            other = vacant.iter().rposition(Vacant::is_free);
        }
        let Some(i) = other else { return Found::Nothing };
        let is_new = vacant[i].is_new;
        let seat = vacant.remove(i).clear(layout);
        // What it says may have changed since: it is kicked then like one that runs.
        let how = seat.trapped().or((!is_new).then_some(Trapped::Signal));
        if let Some(own) = vacant.iter_mut().find(|v| v.is_own(who)) {
            who.displace(own.state(layout));
            own.left_by = None;
        }
        Found::Other(seat, how)
    }

    /// The floating-point state of a thread that has left its seat, if it can be had without that; the thread has its seat back otherwise.
    pub(super) fn state_of(&self, who: &Arc<Tenant>, layout: &FpuLayout) -> Option<FpuState> {
        let mut vacant = lock(&self.vacant);
        let Some(i) = vacant.iter().position(|v| v.is_own(who)) else {
            drop(vacant);
            return Some(who.take_displaced().unwrap_or_else(|| layout.initial()));
        };
        if vacant[i].is_free() {
            return Some(vacant[i].state(layout));
        }
        vacant.remove(i);
        None
    }

    /// The thread that has left its seat does not come back to it.
    fn abandon(&self, who: &Arc<Tenant>) {
        if let Some(own) = lock(&self.vacant).iter_mut().find(|v| v.is_own(who)) {
            own.left_by = None;
        }
        who.take_displaced();
    }

    /// Takes out one of those that are too many. One that cannot be taken out yet soon can be.
    fn excess(&self, layout: &FpuLayout) -> Option<Arc<ThreadShared>> {
        let mut vacant = lock(&self.vacant);
        if vacant.len() <= policy::VACANT_SEATS {
            return None;
        }
        let needs_saving =
            |v: &&mut Vacant| v.left_by.is_some() && !v.saved && v.seat.trapped() == Some(Trapped::Call);
        if let Some(v) = vacant.iter_mut().find(needs_saving) {
            v.seat.save();
            v.saved = true;
        }
        let i = vacant.iter().position(|v| v.left_by.is_none() || v.is_free())?;
        Some(vacant.remove(i).clear(layout))
    }
}

impl Space {
    /// A thread that waits in the kernel leaves its seat. Returns whether others may take it.
    pub(super) fn leave(&self, who: &Arc<Tenant>, seat: Arc<ThreadShared>) -> bool {
        let shared = self.seats.threads.load(Ordering::Relaxed) > 1;
        if shared {
            let mut vacant = lock(&self.seats.vacant);
            let saved = match seat.trapped() {
                Some(Trapped::Call) => {
                    who.registers();
                    seat.begin_save()
                }
                Some(Trapped::Signal) => true,
                Some(Trapped::Lost) | None => false,
            };
            self.handle.bell.rest_soon(&seat);
            vacant.push(Vacant { seat, left_by: Some(who.clone()), saved, is_new: false });
            drop(vacant);
            self.end_excess();
        } else {
            self.handle.bell.rest_soon(&seat);
        }
        shared
    }

    /// A thread that has left its seat, or has none, does so for ever.
    pub(super) fn leave_for_ever(&self, who: &Arc<Tenant>, seat: Option<Arc<ThreadShared>>) {
        if who.is_away() {
            self.seats.abandon(who);
        } else if let Some(seat) = seat {
            let mut vacant = lock(&self.seats.vacant);
            self.handle.bell.rest_soon(&seat);
            vacant.push(Vacant { seat, left_by: None, saved: false, is_new: false });
            drop(vacant);
            self.end_excess();
        }
    }

    fn end_excess(&self) {
        if let Some(seat) = self.seats.excess(&self.handle.layout) {
            self.end_seat(&seat);
        }
    }

    /// Has a seat end, which nobody needs.
    pub(super) fn end_seat(&self, seat: &Arc<ThreadShared>) {
        self.handle.bell.forget(seat);
        seat.end();
        lock(&self.places).left.push((seat.place, seat.area));
    }
}
