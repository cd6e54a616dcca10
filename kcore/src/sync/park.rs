//! How locks sleep.

use core::sync::atomic::{AtomicPtr, Ordering};

use crate::primitives::{AtomicU32, spin_loop};

/// Sleeps on and wakes a word, like `FUTEX_WAIT_PRIVATE` and `FUTEX_WAKE_PRIVATE`.
pub trait Parker: Sync {
    /// Sleeps while `*word == expected`; may return early.
    fn wait(&self, word: &AtomicU32, expected: u32);
    /// Wakes one sleeper on `word`.
    fn wake_one(&self, word: &AtomicU32);
    /// Wakes all sleepers on `word`.
    fn wake_all(&self, word: &AtomicU32);
}

// A process has one way to sleep, as it has one allocator; kernels in one process share it and nothing else. The pointer is to a
// leaked-by-construction `&'static &'static dyn Parker`.
static PARKER: AtomicPtr<&'static dyn Parker> = AtomicPtr::new(core::ptr::null_mut());

/// Sets how this process's locks sleep. Until then they yield or spin.
pub fn set_parker(parker: &'static &'static dyn Parker) {
    PARKER.store(core::ptr::from_ref(parker).cast_mut(), Ordering::Release);
}

fn parker() -> Option<&'static dyn Parker> {
    let p = PARKER.load(Ordering::Acquire);
    // SAFETY: the pointer is null or came from a `&'static` reference in `set_parker`, and nothing writes through it.
    unsafe { p.as_ref() }.copied()
}

pub(super) fn wait(word: &AtomicU32, expected: u32) {
    match parker() {
        Some(p) => p.wait(word, expected),
        None => {
            #[cfg(feature = "std")]
            std::thread::yield_now();
            spin_loop();
        }
    }
}

pub(super) fn wake_one(word: &AtomicU32) {
    if let Some(p) = parker() {
        p.wake_one(word);
    }
}

pub(super) fn wake_all(word: &AtomicU32) {
    if let Some(p) = parker() {
        p.wake_all(word);
    }
}
