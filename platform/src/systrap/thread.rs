//! Guest threads.

use core::sync::atomic::Ordering;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex};

use abi::Errno;

use super::Handle;
use super::frame::Frame;
use super::layout::*;
use super::lock;
use super::mapper::Op;
use super::nursery::Stub;
use super::policy;
use super::shared::{SharedFile, futex_wake};
use super::space::{Places, SystrapSpace};
use crate::fpu::FpuLayout;
use crate::{FpuState, GuestSpace, GuestThread, Kick, Trap, UserRegs};

/// A host thread of a stub, which runs one guest thread.
pub(super) struct ThreadShared {
    control: Arc<SharedFile>,
    /// Offset of its area in the control file, and address of the area in the stub.
    area: u64,
    address: u64,
    place: u64,
    stub: Arc<Stub>,
    waker: Mutex<Option<Waker>>,
}

impl ThreadShared {
    /// Whether it waits for the sentry, or will never run again.
    pub(super) fn has_trapped(&self) -> bool {
        matches!(self.control.load(self.area + AREA_STATE), STATE_TRAPPED | STATE_SLEEPING) || self.is_lost()
    }

    fn is_lost(&self) -> bool {
        self.stub.dead.load(Ordering::SeqCst)
    }

    /// Wakes the owner.
    pub(super) fn wake(&self) {
        let waker = lock(&self.waker).take();
        if let Some(w) = waker {
            w.wake();
        }
    }

    fn frame(&self) -> Frame<'_> {
        Frame { control: &self.control, area: self.area, address: self.address }
    }

    fn go(&self, state: u32) {
        let word = self.control.atomic(self.area + AREA_STATE);
        if word.swap(state, Ordering::SeqCst) == STATE_SLEEPING {
            futex_wake(word, 1);
        }
    }

    fn kick(&self) {
        let tid = self.control.load(self.area + AREA_TID).cast_signed();
        self.stub.nursery.kick(self.stub.pid, tid);
    }

    /// Makes it end, wherever it is.
    fn end(&self) {
        self.control.store(self.area + AREA_EXIT, 1);
        self.go(STATE_EXIT);
        self.kick();
    }
}

/// Makes a host thread in a stub, which traps as soon as it is ready. Errors: `EAGAIN` and what the host refuses.
fn give_birth(stub: &Arc<Stub>, places: &Mutex<Places>, cpus: usize) -> Result<Arc<ThreadShared>, Errno> {
    let nursery = &stub.nursery;
    let control = &nursery.files.control;
    let (place, area) = find_place(stub, &mut lock(places))?;
    let address = nursery.base + AREAS + place * AREA_LEN;
    control.store(area + AREA_STATE, STATE_RUN);
    control.store(area + AREA_EXIT, 0);
    control.store(area + AREA_SPIN, policy::spins(policy::STUB_SPINS, cpus).max(1));
    control.write(area + AREA_STACK_T, address + AREA_STACK);
    control.write(area + AREA_STACK_T + 8, 0);
    control.write(area + AREA_STACK_T + 16, AREA_LEN - AREA_STACK);
    control.write(area + AREA_NO_SIGNALS, 0);
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_FIXED;
    let map = [address, AREA_LEN, prot as u64, flags as u64, FD_CONTROL as u64, area];
    let flags = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID;
    let tid = address + AREA_TID;
    let clone = [flags as u64, address + AREA_LEN, tid, tid, 0, 0];
    let batch = [Op::new(libc::SYS_mmap, map), Op::new(libc::SYS_clone, clone).then(THEN_THREAD)];
    if let Err(e) = lock(&stub.mapper).run(&batch, &stub.dead) {
        lock(places).left.push((place, area));
        return Err(e);
    }
    let (control, stub) = (control.clone(), stub.clone());
    Ok(Arc::new(ThreadShared { control, area, address, place, stub, waker: Mutex::default() }))
}

/// A place in the stub's region, with the area that belongs there. Errors: `EAGAIN`, `ESRCH`.
fn find_place(stub: &Stub, places: &mut Places) -> Result<(u64, u64), Errno> {
    let control = &stub.nursery.files.control;
    // A place is free once the host has cleared the ended thread's number.
    if let Some(i) = places.left.iter().position(|(_, area)| control.load(area + AREA_TID) == 0) {
        return Ok(places.left.swap_remove(i));
    }
    if places.used == MAX_THREADS {
        return Err(Errno::EAGAIN);
    }
    let area = stub.nursery.new_area(stub)?;
    places.used += 1;
    Ok((places.used - 1, area))
}

/// A thread that was made to see what its first trap looks like.
pub(super) struct Newborn(Arc<ThreadShared>);

impl Newborn {
    pub(super) fn new(stub: &Arc<Stub>) -> Result<Newborn, Errno> {
        give_birth(stub, &Mutex::default(), 1).map(Newborn)
    }
    pub(super) fn has_trapped(&self) -> bool {
        self.0.has_trapped()
    }
    /// What the host says of its `XSAVE` areas. Errors: `ESRCH` if the thread did not come to life, `EINVAL` for what is not known.
    pub(super) fn fpu_sample(&self) -> Result<FpuLayout, Errno> {
        if self.0.is_lost() { Err(Errno::ESRCH) } else { self.0.frame().fpu_sample() }
    }
}

/// Interrupts a guest thread, whatever runs it.
#[derive(Default)]
struct Kicker(Mutex<KickState>);

#[derive(Default)]
struct KickState {
    owed: bool,
    running: Option<Arc<ThreadShared>>,
}

impl Kick for Kicker {
    fn kick(&self) {
        let mut state = lock(&self.0);
        if !state.owed {
            state.owed = true;
            if let Some(t) = &state.running {
                t.kick();
            }
        }
    }
}

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
    handle: Arc<Handle>,
    stub: Arc<Stub>,
    /// Where the host thread is, and where its place goes afterwards; kept with the space that it belongs to.
    host: Option<Arc<ThreadShared>>,
    places: Arc<Mutex<Places>>,
    kicker: Arc<Kicker>,
    phase: Phase,
    /// State to load before the next run; empty while the host thread has the valid one.
    fpu: Option<FpuState>,
}

impl SystrapThread {
    pub(super) fn new(handle: &Arc<Handle>, space: &SystrapSpace) -> SystrapThread {
        SystrapThread {
            handle: handle.clone(),
            stub: space.stub.clone(),
            host: None,
            places: space.places.clone(),
            kicker: Arc::default(),
            phase: Phase::Idle,
            fpu: None,
        }
    }

    /// Lets the host thread run the guest with these registers. Errors: `EFAULT` for a frame that the guest has broken.
    fn resume(&mut self, thread: &Arc<ThreadShared>, regs: &UserRegs) -> Result<(), Errno> {
        let frame = thread.frame();
        frame.set_registers(regs)?;
        if let Some(mut fpu) = self.fpu.take() {
            self.handle.layout.sanitize(&mut fpu);
            frame.set_fpu(&fpu)?;
        }
        lock(&self.kicker.0).running = Some(thread.clone());
        thread.go(STATE_RUN);
        self.phase = Phase::Running;
        Ok(())
    }

    fn take_kick(&self) -> bool {
        core::mem::take(&mut lock(&self.kicker.0).owed)
    }

    /// Looks for the next trap a little, then has the waker woken for it.
    fn await_trap(&self, thread: &Arc<ThreadShared>, cx: &Context<'_>, spins: u32) -> Poll<()> {
        for _ in 0..spins {
            if thread.has_trapped() {
                return Poll::Ready(());
            }
            core::hint::spin_loop();
        }
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
        if thread.has_trapped() {
            lock(&thread.waker).take();
            self.handle.bell.forget(thread);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn stopped(&mut self, result: Result<Trap, Errno>) -> Poll<Result<Trap, Errno>> {
        lock(&self.kicker.0).running = None;
        self.phase = Phase::Idle;
        Poll::Ready(result)
    }

    fn release_host(&mut self) {
        lock(&self.kicker.0).running = None;
        if let Some(t) = self.host.take() {
            self.handle.bell.forget(&t);
            t.end();
            lock(&self.places).left.push((t.place, t.area));
        }
        self.phase = Phase::Idle;
    }
}

impl GuestThread for SystrapThread {
    fn poll_run(&mut self, cx: &mut Context<'_>, regs: &mut UserRegs) -> Poll<Result<Trap, Errno>> {
        let mut spins = policy::spins(policy::RESUME_SPINS, self.handle.cpus);
        if self.phase == Phase::Idle {
            if self.take_kick() {
                return Poll::Ready(Ok(Trap::Kicked));
            }
            let started = match self.host.clone() {
                Some(t) if t.is_lost() => Err(Errno::ESRCH),
                Some(t) => self.resume(&t, regs),
                None => give_birth(&self.stub, &self.places, self.handle.cpus).map(|t| {
                    self.host = Some(t);
                    self.fpu.get_or_insert_with(|| self.handle.layout.initial());
                    self.phase = Phase::Birth;
                }),
            };
            if let Err(e) = started {
                return Poll::Ready(Err(e));
            }
        } else {
            spins = 0;
        }
        let Some(thread) = self.host.clone() else { return Poll::Ready(Err(Errno::ESRCH)) };
        loop {
            if self.await_trap(&thread, cx, spins).is_pending() {
                return Poll::Pending;
            }
            if thread.is_lost() {
                return self.stopped(Err(Errno::ESRCH));
            }
            if self.phase == Phase::Birth {
                if let Err(e) = self.resume(&thread, regs) {
                    return self.stopped(Err(e));
                }
                continue;
            }
            match thread.frame().trap() {
                Ok((Some(trap), now)) => {
                    *regs = now;
                    return self.stopped(Ok(trap));
                }
                Ok((None, now)) if self.take_kick() => {
                    *regs = now;
                    return self.stopped(Ok(Trap::Kicked));
                }
                // A kick that came too late for its own trap.
                Ok((None, _)) => thread.go(STATE_RUN),
                Err(_) => return self.stopped(Err(Errno::ESRCH)),
            }
        }
    }

    fn kicker(&self) -> Arc<dyn Kick> {
        self.kicker.clone()
    }

    fn fpu(&mut self) -> &mut FpuState {
        let handle = &self.handle;
        let host = &self.host;
        self.fpu.get_or_insert_with(|| {
            let current = host.as_ref().and_then(|t| t.frame().fpu(&handle.layout).ok());
            current.unwrap_or_else(|| handle.layout.initial())
        })
    }

    fn set_space(&mut self, space: &Arc<dyn GuestSpace>) -> Result<(), Errno> {
        let space = super::own_space(&self.handle, &**space)?;
        let (stub, places) = (space.stub.clone(), space.places.clone());
        self.release_host();
        self.stub = stub;
        self.places = places;
        self.fpu = None;
        Ok(())
    }
}

impl Drop for SystrapThread {
    fn drop(&mut self) {
        self.release_host();
    }
}
