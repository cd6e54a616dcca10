//! Guest threads.

use core::sync::atomic::Ordering;
use core::task::{Context, Poll};
use std::sync::Arc;

use abi::Errno;

use super::Handle;
use super::bell::Found;
use super::host_thread::{ThreadShared, Trapped, give_birth, serve};
use super::layout::*;
use super::lock;
use super::policy;
use super::seats::Found as Seat;
use super::space::{Space, SystrapSpace};
use super::tenant::Tenant;
use crate::{FpuState, GuestSpace, GuestThread, Identity, Kick, RegisterSource, Registers, Trap, UserRegs};

const TRAP_FLAG: u64 = 0x100;
/// Kicks and other events without a meaning that one call deals with before others get their turn.
const EMPTY_EVENTS: u32 = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The guest thread waits for the next call of `poll_run`.
    Idle,
    /// Its host thread is being made.
    Birth,
    Running,
}

/// A guest thread of the systrap backend.
pub struct SystrapThread {
    pub(super) handle: Arc<Handle>,
    pub(super) space: Arc<Space>,
    /// Its seat, which belongs to `space`; or the one that it has left, if the tenant is away.
    host: Option<Arc<ThreadShared>>,
    pub(super) tenant: Arc<Tenant>,
    phase: Phase,
    /// State to load before the next run; empty while the valid one is in the seat, or where who took the seat has put it.
    pub(super) fpu: Option<FpuState>,
    /// How the host thread waits, while it does.
    pub(super) trapped: Trapped,
    /// Whether the host thread has been told to load registers and has not trapped since for another reason than a kick.
    pub(super) loading: bool,
    /// What its seat may answer, and the epoch that this is of; whether the seat has been told.
    identity: Identity,
    identity_epoch: u64,
    is_identified: bool,
    /// The space's number of trampolines when the host thread was resumed: those that have gone since it may have entered before.
    generation: u32,
    /// How many of its next traps may be waited for while others wait.
    patience: u32,
    /// How often it will look for a seat that another thread leaves.
    looks: u32,
}

impl SystrapThread {
    pub(super) fn new(handle: &Arc<Handle>, space: &SystrapSpace) -> SystrapThread {
        let space = space.0.clone();
        space.seats.count(true);
        SystrapThread {
            handle: handle.clone(),
            tenant: Tenant::new(&space),
            space,
            host: None,
            phase: Phase::Idle,
            fpu: None,
            trapped: Trapped::Signal,
            loading: false,
            identity: Identity::default(),
            identity_epoch: 0,
            is_identified: false,
            generation: 0,
            patience: policy::PATIENT_TRAPS,
            looks: policy::SEAT_LOOKS,
        }
    }

    /// Lets the host thread run the guest with these registers. Errors: `EFAULT` for a frame that the guest has broken.
    fn resume(&mut self, thread: &Arc<ThreadShared>, regs: &Registers) -> Result<(), Errno> {
        // What set the flag was no call, so that all registers are here.
        if !regs.is_partial() && regs.get().eflags & TRAP_FLAG != 0 {
            self.space.stop_rewriting();
        }
        if !self.is_identified {
            self.identify(thread);
        }
        let frame = thread.frame();
        let mut state = STATE_RUN;
        let generation = self.space.rewriting.generation();
        let answers = self.trapped == Trapped::Call && !self.loading && self.fpu.is_none();
        let is_there = generation == core::mem::replace(&mut self.generation, generation);
        if answers && is_there && self.is_answer(regs) {
            frame.set_result(regs.result());
        } else {
            let mut regs = regs.get();
            regs.rip = self.space.present(regs.rip);
            let fpu = self.fpu.take().map(|mut fpu| {
                self.handle.layout.sanitize(&mut fpu);
                fpu
            });
            if self.trapped == Trapped::Call {
                frame.set_call_registers(&regs);
                if let Some(fpu) = fpu {
                    frame.set_saved_fpu(&fpu, &self.handle.layout);
                }
                self.loading = true;
                state = STATE_LOAD;
            } else {
                frame.set_registers(&regs)?;
                if let Some(fpu) = fpu {
                    frame.set_fpu(&fpu, &self.handle.layout)?;
                }
                self.loading = false;
            }
        }
        self.phase = Phase::Running;
        let told = thread.tell(state);
        self.handle.bell.settle(Some((thread, told)));
        Ok(())
    }

    /// Tells the seat who sits there, unless that has changed meanwhile.
    fn identify(&mut self, thread: &ThreadShared) {
        self.is_identified = true;
        thread.frame().set_identity(&self.identity);
        if self.tenant.identity_epoch() != self.identity_epoch {
            thread.frame().set_identity(&Identity::default());
        }
    }

    /// Whether the registers are what a system call leaves behind.
    fn is_answer(&self, regs: &Registers) -> bool {
        let is_unchanged = |at_call: UserRegs| {
            let now = regs.get();
            now == UserRegs { rax: now.rax, orig_rax: now.orig_rax, ..at_call }
        };
        regs.is_partial() || self.tenant.known_registers().is_some_and(is_unchanged)
    }

    /// Looks for the next trap a little, then has the waker woken for it.
    fn await_trap(&mut self, thread: &Arc<ThreadShared>, cx: &Context<'_>, resumed: bool) -> Poll<Trapped> {
        let found = if resumed {
            self.handle.bell.look_for(thread, self.patience > 0)
        } else {
            thread.trapped().map_or(Found::Nothing, Found::Trap)
        };
        if let Found::Trap(how) = found {
            let others_wait = self.handle.bell.backlog().load(Ordering::Relaxed) > 0;
            self.patience = if others_wait { self.patience.saturating_sub(1) } else { policy::PATIENT_TRAPS };
            return Poll::Ready(how);
        }
        self.patience = policy::PATIENT_TRAPS;
        {
            let mut waker = lock(&thread.waker);
            let watched = waker.is_some();
            if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            drop(waker);
            if !watched {
                self.handle.bell.watch(thread);
            }
        }
        if let Some(how) = thread.trapped() {
            lock(&thread.waker).take();
            self.handle.bell.forget(thread);
            if found != Found::Others {
                return Poll::Ready(how);
            }
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn stopped(&mut self, result: Result<Trap, Errno>) -> Poll<Result<Trap, Errno>> {
        self.tenant.set_running(false);
        self.phase = Phase::Idle;
        Poll::Ready(result)
    }

    /// The state in the seat, or where who took the seat has put it.
    fn fetch_fpu(&mut self) -> FpuState {
        let handle = &self.handle;
        if self.tenant.is_away() {
            if let Some(state) = self.space.seats.state_of(&self.tenant, &handle.layout) {
                return state;
            }
            self.tenant.sit(self.host.as_ref());
        }
        let current = self.host.as_ref().and_then(|t| match self.trapped {
            Trapped::Signal => t.frame().fpu(&handle.layout).ok(),
            Trapped::Call => t.save_fpu(&handle.layout).ok(),
            Trapped::Lost => None,
        });
        current.unwrap_or_else(|| handle.layout.initial())
    }

    fn release_host(&mut self) {
        self.tenant.set_running(false);
        let seat = self.host.take();
        let is_lost = self.trapped == Trapped::Lost;
        match seat {
            Some(seat) if self.phase != Phase::Idle || is_lost && !self.tenant.is_away() => {
                self.space.end_seat(&seat);
            }
            seat => self.space.leave_for_ever(&self.tenant, seat),
        }
        self.tenant.sit(None);
        self.space.seats.count(false);
        self.phase = Phase::Idle;
    }

    /// Makes the seat run, or come to life. Returns it, or nothing if the thread has been kicked. Errors: `ESRCH`, and what the host
    /// refuses when it needs another seat.
    fn start(
        &mut self,
        cx: &Context<'_>,
        regs: &Registers,
    ) -> Poll<Result<Option<Arc<ThreadShared>>, Errno>> {
        self.space.settle();
        if self.host.is_none() || self.tenant.is_away() {
            if self.tenant.take_kick() {
                return Poll::Ready(Ok(None));
            }
            match self.sit_down(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let Some(seat) = self.host.clone() else { return Poll::Ready(Err(Errno::ESRCH)) };
        if self.phase == Phase::Birth {
            return Poll::Ready(Ok(Some(seat)));
        }
        if seat.is_lost() {
            return Poll::Ready(Err(Errno::ESRCH));
        }
        self.tenant.set_running(true);
        if self.tenant.take_kick() {
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(self.resume(&seat, regs).map(|()| Some(seat)))
    }

    /// Finds a seat, or makes one. Pending if another thread of the space may be about to leave one.
    fn sit_down(&mut self, cx: &Context<'_>) -> Poll<Result<(), Errno>> {
        let (seats, h) = (&self.space.seats, &self.handle);
        let (mut found, mut neighbours) = (false, true);
        let seat = loop {
            let any = self.looks == 0 || !neighbours;
            match seats.take(&self.tenant, &h.layout, any) {
                Seat::Own => break None,
                Seat::Other(seat, how) => break Some((seat, how)),
                Seat::Nothing if any => {
                    let (stub, places) = (&self.space.stub, &self.space.places);
                    match give_birth(stub, places, h.cpus, h.layout.xfeatures) {
                        Ok(seat) => break Some((seat, None)),
                        Err(e) => return Poll::Ready(Err(e)),
                    }
                }
                Seat::Nothing if found => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Seat::Nothing => {}
            }
            core::hint::spin_loop();
            self.looks -= 1;
            (found, neighbours) = h.bell.poll_for(&self.space.stub);
            neighbours |= found;
        };
        self.looks = policy::SEAT_LOOKS;
        if let Some((seat, how)) = seat {
            let displaced = self.tenant.take_displaced();
            self.fpu = self.fpu.take().or(displaced).or_else(|| Some(h.layout.initial()));
            self.loading = false;
            match how {
                Some(how) => self.trapped = how,
                None => self.phase = Phase::Birth,
            }
            self.host = Some(seat);
            self.is_identified = false;
        }
        self.tenant.sit(self.host.as_ref());
        Poll::Ready(Ok(()))
    }
}

impl GuestThread for SystrapThread {
    fn poll_run(&mut self, cx: &mut Context<'_>, regs: &mut Registers) -> Poll<Result<Trap, Errno>> {
        self.poll_run_with(cx, regs, &mut || {})
    }

    fn poll_run_with(
        &mut self,
        cx: &mut Context<'_>,
        regs: &mut Registers,
        begun: &mut dyn FnMut(),
    ) -> Poll<Result<Trap, Errno>> {
        let mut resumed = self.phase == Phase::Idle;
        let started = resumed.then(|| self.start(cx, regs));
        begun();
        let thread = if let Some(started) = started {
            match started {
                Poll::Ready(Ok(Some(t))) => t,
                Poll::Ready(Ok(None)) => return self.stopped(Ok(Trap::Kicked)),
                Poll::Ready(Err(e)) => return self.stopped(Err(e)),
                Poll::Pending => return Poll::Pending,
            }
        } else {
            let Some(t) = self.host.clone() else { return self.stopped(Err(Errno::ESRCH)) };
            t
        };
        for _ in 0..EMPTY_EVENTS {
            self.trapped = match self.await_trap(&thread, cx, resumed) {
                Poll::Ready(how) => how,
                Poll::Pending => return Poll::Pending,
            };
            if self.phase == Phase::Birth {
                self.tenant.set_running(true);
            } else {
                match self.event(&thread, regs) {
                    Ok(Some(trap)) => {
                        serve(&thread);
                        return self.stopped(Ok(trap));
                    }
                    Ok(None) => {}
                    Err(_) => return self.stopped(Err(Errno::ESRCH)),
                }
            }
            if self.tenant.take_kick() {
                return self.stopped(Ok(Trap::Kicked));
            }
            // A kick that came too late for its own trap, or a thread that is ready.
            if let Err(e) = self.resume(&thread, regs) {
                return self.stopped(Err(e));
            }
            resumed = true;
        }
        // Only a guest that disturbs its own threads comes here.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn kicker(&self) -> Arc<dyn Kick> {
        self.tenant.clone()
    }

    fn set_identity(&mut self, identity: &Identity, epoch: u64) {
        (self.identity, self.identity_epoch) = (*identity, epoch);
        self.is_identified = false;
    }

    fn fpu(&mut self) -> &mut FpuState {
        if self.fpu.is_none() {
            self.fpu = Some(self.fetch_fpu());
        }
        self.fpu.get_or_insert_default()
    }

    fn copy_fpu(&mut self) -> FpuState {
        // What another thread's seat gave out is there no more.
        if self.fpu.is_some() || self.tenant.is_away() {
            return self.fpu().clone();
        }
        self.fetch_fpu()
    }

    fn set_fpu(&mut self, state: FpuState) {
        self.fpu = Some(state);
    }

    fn reset_fpu(&mut self) {
        self.fpu = Some(self.handle.layout.initial());
    }

    fn set_space(&mut self, space: &Arc<dyn GuestSpace>) -> Result<(), Errno> {
        let space = super::own_space(&self.handle, &**space)?.0.clone();
        if self.trapped == Trapped::Call {
            // Whoever still asks for the old program's.
            self.tenant.registers();
        }
        self.release_host();
        space.seats.count(true);
        self.tenant.move_to(&space);
        self.space = space;
        self.fpu = None;
        self.loading = false;
        self.trapped = Trapped::Signal;
        Ok(())
    }
}

impl Drop for SystrapThread {
    fn drop(&mut self) {
        self.release_host();
    }
}
