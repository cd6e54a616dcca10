//! What the end of a process takes back, `SEM_UNDO` in `semop(2)`.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Names the adjustments of one task, or of several that share them (`CLONE_SYSVSEM`). The adjustments lie with the semaphores.
#[derive(Debug)]
pub struct SemUndo {
    users: AtomicUsize,
    used: AtomicBool,
}

impl SemUndo {
    /// Without adjustments, of no task yet.
    pub fn new() -> Arc<SemUndo> {
        Arc::new(SemUndo { users: AtomicUsize::new(0), used: AtomicBool::new(false) })
    }
    /// For one more task.
    pub fn enter(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }
    /// A task leaves. Returns whether the adjustments are to be made now, with [`super::SemTable::undo`].
    pub fn leave(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == 1 && self.used.load(Ordering::Relaxed)
    }
    /// Whether there is anything to tell it by: it has been used, or tasks share it.
    pub fn exists(&self) -> bool {
        self.used.load(Ordering::Relaxed) || self.users.load(Ordering::Relaxed) > 1
    }
    pub(super) fn note_used(&self) {
        self.used.store(true, Ordering::Relaxed);
    }
    /// Its identity among those that live.
    pub(super) fn key(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}
