//! A guest thread as others know it: those who kick it, and those who take the seat that it has left.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::host_thread::ThreadShared;
use super::lock;
use super::space::Space;
use crate::{FpuState, Identity, Kick, RegisterSource, UserRegs};

/// See the module.
pub(super) struct Tenant {
    me: Weak<Tenant>,
    space: Mutex<Weak<Space>>,
    /// A kick has been asked for that nobody was told of.
    owed: AtomicBool,
    /// Whether a kick must reach its seat.
    running: AtomicBool,
    seat: Mutex<Option<Arc<ThreadShared>>>,
    /// Whether it has left its seat, for others to take.
    away: AtomicBool,
    /// The floating-point state that was in its seat when another one took it.
    displaced: Mutex<Option<FpuState>>,
    /// The general registers at its last call, and whether they were read since.
    registers: Mutex<UserRegs>,
    has_registers: AtomicBool,
    identity_epoch: AtomicU64,
}

impl Tenant {
    pub(super) fn new(space: &Arc<Space>) -> Arc<Tenant> {
        Arc::new_cyclic(|me| Tenant {
            me: me.clone(),
            space: Mutex::new(Arc::downgrade(space)),
            owed: AtomicBool::new(false),
            running: AtomicBool::new(false),
            seat: Mutex::default(),
            away: AtomicBool::new(false),
            displaced: Mutex::default(),
            registers: Mutex::default(),
            has_registers: AtomicBool::new(false),
            identity_epoch: AtomicU64::new(0),
        })
    }

    /// Moves to another space, where it has no seat yet.
    pub(super) fn move_to(&self, space: &Arc<Space>) {
        *lock(&self.space) = Arc::downgrade(space);
    }

    /// Where it sits from now on.
    pub(super) fn sit(&self, seat: Option<&Arc<ThreadShared>>) {
        *lock(&self.seat) = seat.cloned();
        self.away.store(false, Ordering::Relaxed);
    }

    /// Whether it has left its seat. Only the thread itself asks, which alone leaves and sits down.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Another one has the seat now, and this was in it.
    pub(super) fn displace(&self, state: FpuState) {
        *lock(&self.displaced) = Some(state);
    }

    /// What was in its seat when it was lost, if it was.
    pub(super) fn take_displaced(&self) -> Option<FpuState> {
        lock(&self.displaced).take()
    }

    /// It makes a call: what was read of the one before is of no use.
    pub(super) fn forget_registers(&self) {
        if self.has_registers.load(Ordering::Relaxed) {
            self.has_registers.store(false, Ordering::Relaxed);
        }
    }

    /// The registers at its last call, if somebody has asked for them.
    pub(super) fn known_registers(&self) -> Option<UserRegs> {
        self.has_registers.load(Ordering::Relaxed).then(|| *lock(&self.registers))
    }

    /// Kicks reach the seat from now on, or they do not. One that came before is still owed: look at that after this.
    pub(super) fn set_running(&self, running: bool) {
        self.running.store(running, if running { Ordering::SeqCst } else { Ordering::Relaxed });
    }

    /// Whether a kick is owed; not any more afterwards.
    pub(super) fn take_kick(&self) -> bool {
        self.owed.load(Ordering::SeqCst) && self.owed.swap(false, Ordering::SeqCst)
    }
}

impl RegisterSource for Tenant {
    /// They are read from the seat once, before another thread gets it.
    fn registers(&self) -> UserRegs {
        let mut registers = lock(&self.registers);
        if !self.has_registers.load(Ordering::Relaxed) {
            let seat = lock(&self.seat).clone();
            *registers = seat.map_or_else(UserRegs::default, |seat| seat.frame().call_registers());
            self.has_registers.store(true, Ordering::Relaxed);
        }
        *registers
    }
}

impl Kick for Tenant {
    fn kick(&self) {
        if !self.owed.swap(true, Ordering::SeqCst)
            && self.running.load(Ordering::SeqCst)
            && let Some(seat) = &*lock(&self.seat)
        {
            seat.kick();
        }
    }

    fn forget_identity(&self) {
        // Who puts an older identity into the seat meanwhile looks at this number afterwards.
        self.identity_epoch.fetch_add(1, Ordering::SeqCst);
        // If another thread has the seat by now, it makes its calls to the sentry for a while.
        if let Some(seat) = &*lock(&self.seat) {
            seat.frame().set_identity(&Identity::default());
        }
    }

    fn identity_epoch(&self) -> u64 {
        self.identity_epoch.load(Ordering::SeqCst)
    }

    fn rest(&self) {
        if self.is_away() || self.running.load(Ordering::Relaxed) {
            return;
        }
        let seat = lock(&self.seat).clone();
        if let (Some(seat), Some(me), Some(space)) = (seat, self.me.upgrade(), lock(&self.space).upgrade()) {
            self.away.store(space.leave(&me, seat), Ordering::Relaxed);
        }
    }
}
