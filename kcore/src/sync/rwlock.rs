//! A lock that many may read or one may write.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::{LockClass, class, park};
use crate::primitives::{AtomicU32, Ordering, SPINS, spin_loop};

/// `state` when a writer holds the lock; below it, the number of readers.
const WRITER: u32 = u32::MAX;

/// A reader-writer lock around a value, of a [`LockClass`]. Readers may starve a writer: use it where writes are rare.
pub struct RwLock<T: ?Sized> {
    class: &'static LockClass,
    state: AtomicU32,
    sleepers: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock lets threads reach the value one at a time or all for reading.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: readers share `&T`, so the value must be Sync as well as Send.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// A free lock.
    pub const fn new(class: &'static LockClass, value: T) -> RwLock<T> {
        RwLock { class, state: AtomicU32::new(0), sleepers: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock for reading.
    #[track_caller]
    #[inline]
    pub fn read(&self) -> ReadGuard<'_, T> {
        class::acquire(self.class);
        self.acquire(|s| (s < WRITER - 1).then(|| s + 1));
        ReadGuard { lock: self, not_send: PhantomData }
    }
    /// Takes the lock for writing.
    #[track_caller]
    pub fn write(&self) -> WriteGuard<'_, T> {
        class::acquire(self.class);
        self.acquire(|s| (s == 0).then_some(WRITER));
        WriteGuard { lock: self, not_send: PhantomData }
    }
    /// Whether somebody has waited for the lock so long that it sleeps: a hint, for who would else hold it for long.
    pub fn is_awaited(&self) -> bool {
        self.sleepers.load(Ordering::Relaxed) > 0
    }
    fn acquire(&self, next: impl Fn(u32) -> Option<u32>) {
        let mut spins = 0;
        loop {
            let s = self.state.load(Ordering::Relaxed);
            match next(s) {
                Some(n) => {
                    if self.state.compare_exchange_weak(s, n, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                        return;
                    }
                }
                None if spins < SPINS => {
                    spins += 1;
                    spin_loop();
                }
                None => {
                    self.sleepers.fetch_add(1, Ordering::SeqCst);
                    if next(self.state.load(Ordering::SeqCst)).is_none() {
                        park::wait(&self.state, s);
                    }
                    self.sleepers.fetch_sub(1, Ordering::SeqCst);
                }
            }
        }
    }
    fn released(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            park::wake_all(&self.state);
        }
    }
}

/// The right to read the value, until dropped.
#[must_use = "dropping the guard frees the lock"]
pub struct ReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    not_send: PhantomData<*const ()>,
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: a reader holds the lock, so nobody writes the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        class::release(self.lock.class);
        if self.lock.state.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.lock.released();
        }
    }
}

/// The right to write the value, until dropped.
#[must_use = "dropping the guard frees the lock"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    not_send: PhantomData<*const ()>,
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock for writing.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this thread holds the lock for writing, and the guard is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        class::release(self.lock.class);
        self.lock.state.store(0, Ordering::SeqCst);
        self.lock.released();
    }
}
