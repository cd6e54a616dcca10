//! Host threads of stubs, each of which runs one guest thread.

use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::Waker;
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use abi::Errno;

use super::code;
use super::cpus::this_cpu;
use super::files::WakeWord;
use super::frame::Frame;
use super::layout::*;
use super::lock;
use super::mapper::Op;
use super::nursery::Stub;
use super::policy;
use super::shared::{SharedFile, futex_wait};
use super::space::Places;
use crate::FpuState;
use crate::fpu::FpuLayout;

/// A host thread of a stub, which runs one guest thread.
pub(super) struct ThreadShared {
    control: Arc<SharedFile>,
    /// Offset of its area in the control file, and address of the area in the stub.
    pub(super) area: u64,
    address: u64,
    pub(super) place: u64,
    pub(super) stub: Arc<Stub>,
    /// Its number, as the host gave it: the word in the area is the guest's to change.
    tid: i32,
    /// Whether it was kicked and has not trapped since; when, and how often.
    is_kicked: AtomicBool,
    kicks: Mutex<Option<(Instant, u32)>>,
    /// It has made itself deaf to kicks.
    deaf: AtomicBool,
    pub(super) waker: Mutex<Option<Waker>>,
    /// What is in [`AREA_WORKER_CPU`].
    worker_cpu: AtomicU32,
    is_awaited: AtomicBool,
}

/// What a thread that waited did when it was told to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Awake,
    /// Somebody has to wake it.
    Asleep,
    /// It was about to wake somebody, and may not do so now.
    HandingOver,
}

thread_local! {
    /// The thread whose trap the calling worker has found last, and most likely deals with.
    static SERVED: RefCell<Weak<ThreadShared>> = const { RefCell::new(Weak::new()) };
}

/// The calling worker deals with a trap of this thread.
pub(super) fn serve(thread: &Arc<ThreadShared>) {
    SERVED.with_borrow_mut(|served| {
        if !core::ptr::eq(served.as_ptr(), Arc::as_ptr(thread)) {
            *served = Arc::downgrade(thread);
        }
    });
}

/// The thread that the calling worker has served last, which may run again.
pub(super) fn served() -> Option<Arc<ThreadShared>> {
    SERVED.with_borrow(Weak::upgrade)
}

/// How a thread waits for the sentry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trapped {
    /// In the handler of a signal, with a frame.
    Signal,
    /// In the code for system calls of rewritten code.
    Call,
    /// It will never run again.
    Lost,
}

impl ThreadShared {
    /// How it waits for the sentry, if it does.
    pub(super) fn trapped(&self) -> Option<Trapped> {
        match self.control.atomic(self.area + AREA_STATE).load(Ordering::Acquire) {
            STATE_TRAPPED | STATE_SLEEPING | STATE_HAND_OVER => Some(Trapped::Signal),
            STATE_FAST | STATE_FAST_SLEEPING | STATE_FAST_HAND_OVER => Some(Trapped::Call),
            _ => {
                if self.is_kicked.load(Ordering::Relaxed) {
                    self.insist();
                }
                self.is_lost().then_some(Trapped::Lost)
            }
        }
    }

    /// Whether it waits for the sentry, or will never run again.
    pub(super) fn has_trapped(&self) -> bool {
        self.trapped().is_some()
    }

    /// Whether it was on this processor when it trapped last: then it cannot trap while the caller waits for that.
    pub(super) fn shares_cpu(&self) -> bool {
        self.control.load(self.area + AREA_CPU) == this_cpu()
    }

    /// Whether its stub is gone, or itself: the host clears its number when it ends, as it does if the guest jumps to the stub's code
    /// for that.
    pub(super) fn is_lost(&self) -> bool {
        self.stub.dead.load(Ordering::Relaxed)
            || self.deaf.load(Ordering::Relaxed)
            || self.control.load(self.area + AREA_TID) == 0
    }

    /// Kicks a thread again that does not trap. One that never does is deaf, by a signal's frame of its own making: its stub is ended.
    fn insist(&self) {
        let mut kicks = lock(&self.kicks);
        let Some((at, tries)) = kicks.as_mut().filter(|(at, _)| at.elapsed() > policy::KICK_AGAIN) else {
            return;
        };
        (*at, *tries) = (Instant::now(), *tries + 1);
        if *tries > policy::KICKS {
            self.deaf.store(true, Ordering::Relaxed);
            self.stub.nursery.kill(self.stub.pid);
        } else {
            self.stub.nursery.kick(self.stub.pid, self.tid);
        }
    }

    /// Lets it sleep at once, if it has trapped.
    pub(super) fn rest(&self) {
        let word = self.control.atomic(self.area + AREA_STATE);
        let next = |state| match state {
            STATE_TRAPPED => Some(STATE_SLEEPING),
            STATE_FAST => Some(STATE_FAST_SLEEPING),
            STATE_SAVE => Some(STATE_SAVE_REST),
            _ => None,
        };
        let _ = word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
    }

    /// Has it wake whoever sleeps at a word, and then sleep itself: then the host can change them on one processor, where a wake-up from
    /// elsewhere would have to interrupt it. Not if it does not poll, or cannot as long as the caller runs. Returns whether it was told;
    /// whether it does it, its guest has a say in.
    pub(super) fn hand_over(&self, to: WakeWord) -> bool {
        if self.shares_cpu() {
            return false;
        }
        self.control.write(self.area + WAKE_OTHER, to.address(self.stub.nursery.base));
        let word = self.control.atomic(self.area + AREA_STATE);
        let tell = |from, to| word.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        tell(STATE_FAST, STATE_FAST_HAND_OVER) || tell(STATE_TRAPPED, STATE_HAND_OVER)
    }

    /// As [`ThreadShared::hand_over`], to another thread, which has been told to go on.
    pub(super) fn hand_over_to(&self, other: &ThreadShared) -> bool {
        let told = self.hand_over(other.wake_word());
        if told {
            other.is_awaited.store(true, Ordering::Relaxed);
        }
        told
    }

    /// Has a thread that waits in [`Trapped::Call`] save its floating-point state. Errors: `ESRCH` if it does not, for which only its
    /// guest can be the cause.
    pub(super) fn save_fpu(&self, layout: &FpuLayout) -> Result<FpuState, Errno> {
        // It may be at it already.
        if self.trapped() == Some(Trapped::Call) {
            self.save();
        }
        let word = self.control.atomic(self.area + AREA_STATE);
        // On one processor the thread can only save while the caller sleeps.
        let mut looks = if self.shares_cpu() { 0 } else { policy::looks(policy::SAVE_SPIN) };
        let mut sleeps = policy::SAVE_SLEEPS;
        while self.trapped() != Some(Trapped::Call) {
            if looks > 0 {
                looks -= 1;
                core::hint::spin_loop();
            } else if self.is_lost() || sleeps == 0 {
                return Err(Errno::ESRCH);
            } else {
                sleeps -= 1;
                self.control.store(self.area + SAVE_WATCHED, 1);
                let state = word.load(Ordering::SeqCst);
                if matches!(state, STATE_SAVE | STATE_SAVE_REST) {
                    futex_wait(word, state, Some(policy::TICK));
                }
                self.control.store(self.area + SAVE_WATCHED, 0);
            }
        }
        Ok(self.frame().saved_fpu(layout))
    }

    /// Tells a thread that waits in [`Trapped::Call`] to save its floating-point state.
    pub(super) fn save(&self) {
        self.go(STATE_SAVE);
    }

    /// As [`ThreadShared::save`], if it polls. Returns whether it does.
    pub(super) fn begin_save(&self) -> bool {
        let word = self.control.atomic(self.area + AREA_STATE);
        word.compare_exchange(STATE_FAST, STATE_SAVE, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Waits a little until it has saved what it was told to, if it was. Returns whether it has.
    pub(super) fn await_saved(&self) -> bool {
        let word = self.control.atomic(self.area + AREA_STATE);
        let mut looks = if self.shares_cpu() { 0 } else { policy::looks(policy::SAVE_SPIN) };
        while matches!(word.load(Ordering::Acquire), STATE_SAVE | STATE_SAVE_REST) {
            if looks == 0 {
                return false;
            }
            looks -= 1;
            core::hint::spin_loop();
        }
        true
    }

    /// Whether it waits and looks for an answer, rather than sleeping.
    pub(super) fn polls(&self) -> bool {
        let state = self.control.atomic(self.area + AREA_STATE).load(Ordering::Acquire);
        matches!(state, STATE_TRAPPED | STATE_FAST | STATE_SAVE)
    }

    /// Wakes the owner.
    pub(super) fn wake(&self) {
        let waker = lock(&self.waker).take();
        if let Some(w) = waker {
            w.wake();
        }
    }

    pub(super) fn frame(&self) -> Frame<'_> {
        Frame { control: &self.control, area: self.area, address: self.address }
    }

    /// Gives it the next state, and wakes it if it sleeps.
    pub(super) fn go(&self, state: u32) {
        if self.tell(state) == Told::Asleep {
            self.wake_host();
        }
    }

    /// Gives it the next state.
    pub(super) fn tell(&self, state: u32) -> Told {
        self.note_awake();
        if self.is_kicked.load(Ordering::Relaxed) {
            self.is_kicked.store(false, Ordering::Relaxed);
            *lock(&self.kicks) = None;
        }
        let cpu = this_cpu();
        if self.worker_cpu.load(Ordering::Relaxed) != cpu {
            self.worker_cpu.store(cpu, Ordering::Relaxed);
            self.control.store(self.area + AREA_WORKER_CPU, cpu);
        }
        let word = self.control.atomic(self.area + AREA_STATE);
        match word.swap(state, Ordering::SeqCst) {
            STATE_SLEEPING | STATE_FAST_SLEEPING => {
                // It has to see the state before it falls asleep again.
                self.wake_word().change(&self.control);
                Told::Asleep
            }
            STATE_HAND_OVER | STATE_FAST_HAND_OVER => Told::HandingOver,
            _ => Told::Awake,
        }
    }

    /// Wakes it from its sleep, if nobody has since it was told the next state.
    pub(super) fn wake_host(&self) {
        self.note_awake();
        self.wake_word().wake(&self.control);
    }

    fn note_awake(&self) {
        if self.is_awaited.load(Ordering::Relaxed) {
            self.is_awaited.store(false, Ordering::Relaxed);
        }
    }

    /// Whether another thread was told to wake it, and it has not been seen awake since.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed) && !self.has_trapped()
    }

    /// Where it sleeps.
    pub(super) fn wake_word(&self) -> WakeWord {
        WakeWord::of_thread(self.area)
    }

    pub(super) fn kick(&self) {
        lock(&self.kicks).get_or_insert_with(|| (Instant::now(), 0));
        self.is_kicked.store(true, Ordering::Relaxed);
        self.stub.nursery.kick(self.stub.pid, self.tid);
    }

    /// Makes it end, wherever it is.
    pub(super) fn end(&self) {
        self.control.store(self.area + AREA_EXIT, 1);
        self.go(STATE_EXIT);
        self.kick();
    }
}

impl ThreadShared {
    /// Has a thread that waits end.
    pub(super) fn dismiss(&self) {
        self.go(STATE_EXIT);
    }

    /// Waits a little for its end. It says nothing that must be true, as a guest can write what is looked at.
    pub(super) fn await_end(&self) {
        let word = self.control.atomic(self.area + AREA_TID);
        futex_wait(word, word.load(Ordering::SeqCst), Some(policy::END_LOOK));
    }
}

/// Makes a host thread in a stub that keeps these parts of the floating-point state, which traps as soon as it is ready. Errors: `EAGAIN` and what the host refuses.
pub(super) fn give_birth(
    stub: &Arc<Stub>,
    places: &Mutex<Places>,
    cpus: usize,
    xfeatures: u64,
) -> Result<Arc<ThreadShared>, Errno> {
    let nursery = &stub.nursery;
    let control = &nursery.files.control;
    let (place, area) = find_place(stub, &mut lock(places))?;
    let address = nursery.base + AREAS + place * AREA_LEN;
    control.store(area + AREA_STATE, STATE_RUN);
    control.store(area + AREA_EXIT, 0);
    control.store(area + AREA_SPIN, policy::looks(policy::spin(policy::STUB_SPIN, cpus)).max(1));
    control.write(area + AREA_STACK_T, address + AREA_STACK);
    control.write(area + AREA_STACK_T + 8, 0);
    control.write(area + AREA_STACK_T + 16, AREA_LEN - AREA_STACK);
    control.write(area + AREA_WAKE, WakeWord::of_thread(area).address(nursery.base));
    control.store(area + AREA_KICKED, 0);
    control.store(area + AREA_WORKER_CPU, u32::MAX);
    control.store(area + LOAD_FPU, 0);
    control.store(area + SAVE_WATCHED, 0);
    control.write(area + SELF_NEGATED, address.wrapping_neg());
    control.write(area + ENTRY, nursery.base + CODE + code::call());
    control.write(area + ASK_ENTRY, nursery.base + CODE + code::ask());
    control.wipe(area + IDENTITY, ASK_ENTRY - IDENTITY);
    control.write(area + FLAGS_STACK, address + C_FLAGS + 8);
    control.write(area + LOAD_STACK, address + C_LOAD);
    control.write(area + XMASK, xfeatures);
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
    // Its parent has put the number there; a thread that failed at once has ended.
    let tid = control.load(area + AREA_TID).cast_signed();
    Ok(Arc::new(ThreadShared {
        control: control.clone(),
        area,
        address,
        place,
        stub: stub.clone(),
        tid,
        is_kicked: AtomicBool::new(false),
        kicks: Mutex::default(),
        deaf: AtomicBool::new(false),
        waker: Mutex::default(),
        worker_cpu: AtomicU32::new(u32::MAX),
        is_awaited: AtomicBool::new(false),
    }))
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
        give_birth(stub, &Mutex::default(), 1, 0).map(Newborn)
    }
    pub(super) fn has_trapped(&self) -> bool {
        self.0.has_trapped()
    }
    /// What the host says of its `XSAVE` areas. Errors: `ESRCH` if the thread did not come to life, `EINVAL` for what is not known.
    pub(super) fn fpu_sample(&self) -> Result<FpuLayout, Errno> {
        if self.0.is_lost() { Err(Errno::ESRCH) } else { self.0.frame().fpu_sample() }
    }
}
