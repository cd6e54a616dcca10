//! Batches of operations that a stub's mapper carries out.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;

use abi::Errno;

use super::files::{Files, WakeWord};
use super::host_thread::{ThreadShared, served};
use super::layout::*;
use super::policy;
use super::shared::{SharedFile, futex_wait};

/// One host call for a mapper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) nr: i64,
    pub(super) args: [u64; 6],
    pub(super) then: u64,
}

impl Op {
    pub(super) fn new(nr: i64, args: [u64; 6]) -> Op {
        Op { nr, args, then: THEN_GO_ON }
    }
    pub(super) fn then(self, then: u64) -> Op {
        Op { then, ..self }
    }
}

thread_local! {
    static IS_PATIENT: Cell<bool> = const { Cell::new(false) };
}

/// From now on the calling thread sleeps until a batch is done and does not poll: nobody waits for it.
pub(super) fn be_patient() {
    IS_PATIENT.set(true);
}

/// Talks to the mapper of one stub, by a page of operations and a word for its answers. Both belong to the stub's number.
pub(super) struct Mapper {
    ops: Arc<SharedFile>,
    acks: Arc<SharedFile>,
    control: Arc<SharedFile>,
    number: u64,
    /// Where the region of stubs begins.
    base: u64,
    seq: u32,
    /// Whether it is at a batch that nobody has waited for.
    busy: bool,
}

impl Mapper {
    /// The mapper of the stub with this number, whose page is set up for it. `seq` is the number of the last batch that it has seen.
    pub(super) fn new(files: &Files, base: u64, number: u64, seq: u32) -> Mapper {
        let Files { ops, acks, control, .. } = files;
        let (ops, acks, control) = (ops.clone(), acks.clone(), control.clone());
        let m = Mapper { ops, acks, control, number, base, seq, busy: false };
        let (ops, acks, page) = (&m.ops, &m.acks, m.page());
        ops.store(page + OPS_SEQ, seq);
        ops.store(page + OPS_COUNT, 0);
        ops.write(page + OPS_ACK_OFFSET, page);
        ops.store(page + OPS_OK, ANSWER_OK);
        ops.write(page + OPS_WAKE, m.wake_word().address(base));
        ops.write(page + OPS_THEN_WAKE, 0);
        ops.store(page + OPS_SPIN, policy::looks(policy::MAPPER_SPIN));
        for e in 0..134u32 {
            ops.store(page + OPS_ERRNOS + u64::from(e) * 4, e.max(1));
        }
        acks.store(page, 0);
        m
    }

    fn page(&self) -> u64 {
        self.number * PAGE
    }

    pub(super) fn seq(&self) -> u32 {
        self.seq
    }

    /// Has a batch carried out. Errors: the errno of the first operation that failed, after which none is tried; `ESRCH` if the stub
    /// has died.
    ///
    /// The thread whose trap the caller deals with cannot go on before that, and most likely has the processor that the mapper will
    /// have: it hands over.
    pub(super) fn run(&mut self, batch: &[Op], dead: &AtomicBool) -> Result<(), Errno> {
        self.put(batch, dead);
        if !served().is_some_and(|thread| self.take_over(&thread)) {
            self.wake_word().wake(&self.control);
        }
        self.answer(dead)
    }

    /// Waits for the end of a batch that was posted, if there is one.
    pub(super) fn settle(&mut self, dead: &AtomicBool) {
        if core::mem::take(&mut self.busy) {
            let _ = self.answer(dead);
        }
    }

    /// Has a batch carried out, and does not wait for that. The next batch does, and does not ask how it has ended.
    pub(super) fn post(&mut self, batch: &[Op], dead: &AtomicBool) {
        self.put(batch, dead);
        self.wake_word().wake(&self.control);
        self.busy = true;
    }

    /// Has a thread wake the mapper and sleep until that has answered. Returns whether it was told.
    fn take_over(&self, thread: &ThreadShared) -> bool {
        let then_wake = self.page() + OPS_THEN_WAKE;
        self.ops.write(then_wake, thread.wake_word().address(self.base));
        let told = thread.hand_over(self.wake_word());
        if !told {
            self.ops.write(then_wake, 0);
        }
        told
    }

    /// Writes a batch down.
    fn put(&mut self, batch: &[Op], dead: &AtomicBool) {
        self.settle(dead);
        assert!(batch.len() <= OPS_MAX, "batches are split before");
        let page = self.page();
        for (i, op) in batch.iter().enumerate() {
            let at = page + OPS_FIRST + i as u64 * OP_LEN;
            self.ops.write(at, op.nr as u64);
            for (n, a) in op.args.iter().enumerate() {
                self.ops.write(at + 8 + n as u64 * 8, *a);
            }
            self.ops.write(at + 56, op.then);
        }
        self.ops.store(page + OPS_COUNT, batch.len() as u32);
        self.ops.write(page + OPS_THEN_WAKE, 0);
        self.acks.store(page, 0);
        self.seq = self.seq.wrapping_add(1);
        let word = self.ops.atomic(page + OPS_SEQ);
        word.store(self.seq, Ordering::SeqCst);
        self.wake_word().change(&self.control);
    }

    fn wake_word(&self) -> WakeWord {
        WakeWord::of_mapper(self.number)
    }

    /// Waits for an answer. Errors: as [`Mapper::run`].
    pub(super) fn answer(&self, dead: &AtomicBool) -> Result<(), Errno> {
        let word = self.acks.atomic(self.page());
        let mut spins = if IS_PATIENT.get() { 0 } else { policy::looks(policy::ANSWER_SPIN) };
        let late = spins / 2;
        loop {
            match word.load(Ordering::SeqCst) {
                0 => {}
                ANSWER_OK => return Ok(()),
                e => return Err(i32::try_from(e).ok().and_then(Errno::from_raw).unwrap_or(Errno::EIO)),
            }
            if spins > 0 {
                spins -= 1;
                if spins == late {
                    // Whoever was to wake it has not.
                    self.wake_word().wake(&self.control);
                }
                core::hint::spin_loop();
            } else if dead.load(Ordering::SeqCst) {
                return Err(Errno::ESRCH);
            } else {
                futex_wait(word, 0, Some(Duration::from_millis(20)));
            }
        }
    }
}
