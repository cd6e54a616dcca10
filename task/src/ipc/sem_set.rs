//! One set of semaphores: its values, who waits, and what is to be taken back.

use abi::Errno;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use kcore::sync::{LockClass, Mutex};
use kcore::wait::WaitQueue;

use super::ids::Object;
use super::perm::Perm;
use super::sem_undo::SemUndo;
use crate::PidNode;

static OUTCOME: LockClass = LockClass::new("outcome of a semaphore wait", 282);

/// Largest value of a semaphore.
pub const SEMVMX: i32 = 32767;
/// Largest adjustment.
pub const SEMAEM: i32 = SEMVMX;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct SemOp {
    /// Which semaphore of the set.
    pub num: u16,
    /// What to add; 0 waits for zero.
    pub op: i16,
    /// `IPC_NOWAIT`.
    pub nowait: bool,
    /// `SEM_UNDO`.
    pub undo: bool,
}

#[derive(Clone, Default)]
pub(super) struct Semaphore {
    pub(super) value: i32,
    pub(super) pid: Option<Arc<PidNode>>,
}

/// Waits for its operations to be made.
pub struct SemWaiter {
    id: i32,
    queue: WaitQueue,
    outcome: Mutex<Option<Result<(), Errno>>>,
}

impl SemWaiter {
    pub(super) fn new(id: i32) -> Arc<SemWaiter> {
        Arc::new(SemWaiter { id, queue: WaitQueue::new(), outcome: Mutex::new(&OUTCOME, None) })
    }
    pub(super) fn id(&self) -> i32 {
        self.id
    }
    /// Woken when there is an outcome.
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }
    /// What became of the operations; `None` while they wait. Errors: `EIDRM`, `ERANGE`.
    pub fn outcome(&self) -> Option<Result<(), Errno>> {
        *self.outcome.lock()
    }
    pub(super) fn finish(&self, outcome: Result<(), Errno>) {
        *self.outcome.lock() = Some(outcome);
    }
}

pub(super) struct Pending {
    pub(super) waiter: Arc<SemWaiter>,
    pub(super) ops: Vec<SemOp>,
    pub(super) pid: Arc<PidNode>,
    pub(super) undo: Option<Arc<SemUndo>>,
    /// The operation that cannot be made yet.
    pub(super) blocking: usize,
}

pub(super) struct Set {
    pub(super) perm: Perm,
    pub(super) sems: Vec<Semaphore>,
    pub(super) otime: i64,
    pub(super) ctime: i64,
    pub(super) pending: VecDeque<Pending>,
    pub(super) undo: BTreeMap<usize, Vec<i32>>,
}

impl Object for Set {
    fn perm(&self) -> &Perm {
        &self.perm
    }
    fn perm_mut(&mut self) -> &mut Perm {
        &mut self.perm
    }
    fn weight(&self) -> u64 {
        self.sems.len() as u64
    }
}

/// How an attempt ended.
pub(super) enum Attempt {
    Done,
    Blocked(usize),
}

impl Set {
    /// Makes all operations or none. Errors: `ERANGE`.
    pub(super) fn attempt(
        &mut self,
        ops: &[SemOp],
        undo: Option<&Arc<SemUndo>>,
        pid: &Arc<PidNode>,
    ) -> Result<Attempt, Errno> {
        let undo = undo.filter(|_| ops.iter().any(|o| o.undo)).map(SemUndo::key);
        if let Some(key) = undo {
            self.undo.entry(key).or_insert_with(|| vec![0; self.sems.len()]);
        }
        let mut made = 0;
        let end = loop {
            let Some(op) = ops.get(made) else { break Ok(Attempt::Done) };
            match self.step(op, undo) {
                Ok(true) => made += 1,
                Ok(false) => break Ok(Attempt::Blocked(made)),
                Err(e) => break Err(e),
            }
        };
        if matches!(end, Ok(Attempt::Done)) {
            for op in ops {
                if let Some(sem) = self.sems.get_mut(usize::from(op.num)) {
                    sem.pid = Some(pid.clone());
                }
            }
        } else {
            for op in ops.iter().take(made).rev() {
                self.take_back(op, undo);
            }
        }
        end
    }
    /// Makes one operation. Returns whether it can be made now. Errors: `ERANGE`.
    fn step(&mut self, op: &SemOp, undo: Option<usize>) -> Result<bool, Errno> {
        let n = usize::from(op.num);
        let sem = self.sems.get_mut(n).ok_or(Errno::EFBIG)?;
        let value = sem.value + i32::from(op.op);
        if value < 0 || op.op == 0 && sem.value != 0 {
            return Ok(false);
        }
        if value > SEMVMX {
            return Err(Errno::ERANGE);
        }
        if op.undo
            && let Some(a) = undo.and_then(|key| self.undo.get_mut(&key)?.get_mut(n))
        {
            let adjusted = *a - i32::from(op.op);
            if !(-SEMAEM - 1..=SEMAEM).contains(&adjusted) {
                return Err(Errno::ERANGE);
            }
            *a = adjusted;
        }
        sem.value = value;
        Ok(true)
    }
    fn take_back(&mut self, op: &SemOp, undo: Option<usize>) {
        let n = usize::from(op.num);
        if let Some(sem) = self.sems.get_mut(n) {
            sem.value -= i32::from(op.op);
        }
        if op.undo
            && let Some(a) = undo.and_then(|key| self.undo.get_mut(&key)?.get_mut(n))
        {
            *a += i32::from(op.op);
        }
    }
    /// Makes what waits and can be made now, in order of arrival. Returns whom to wake.
    pub(super) fn serve(&mut self, now: i64) -> Vec<Arc<SemWaiter>> {
        let mut woken = Vec::new();
        let mut i = 0;
        while let Some(mut p) = self.pending.remove(i) {
            match self.attempt(&p.ops, p.undo.as_ref(), &p.pid) {
                Ok(Attempt::Blocked(at)) => {
                    p.blocking = at;
                    self.pending.insert(i, p);
                    i += 1;
                }
                done => {
                    if done.is_ok() {
                        self.otime = now;
                    }
                    let changed = done.is_ok() && p.ops.iter().any(|o| o.op != 0);
                    p.waiter.finish(done.map(|_| ()));
                    woken.push(p.waiter);
                    if changed {
                        // Those before it may go on now.
                        i = 0;
                    }
                }
            }
        }
        woken
    }
}

pub(super) fn wake(woken: Vec<Arc<SemWaiter>>) {
    for w in woken {
        w.queue.wake_all();
    }
}
