//! Sleeping for `kcore`'s locks.

use core::sync::atomic::AtomicU32;

use kcore::sync::Parker;

/// Parks threads on host futexes.
#[derive(Clone, Copy, Debug, Default)]
pub struct FutexParker;

impl Parker for FutexParker {
    fn wait(&self, word: &AtomicU32, expected: u32) {
        futex(word, libc::FUTEX_WAIT, expected);
    }
    fn wake_one(&self, word: &AtomicU32) {
        futex(word, libc::FUTEX_WAKE, 1);
    }
    fn wake_all(&self, word: &AtomicU32) {
        futex(word, libc::FUTEX_WAKE, u32::MAX >> 1);
    }
}

// Errors mean that the word has changed or a signal came: the caller looks again in both cases.
fn futex(word: &AtomicU32, op: i32, val: u32) {
    let timeout = core::ptr::null::<libc::timespec>();
    // SAFETY: `word` is a live aligned 32-bit word, and the private operations used touch nothing else.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), op | libc::FUTEX_PRIVATE_FLAG, val, timeout) };
}

/// Makes the locks of `kcore` in this process sleep on futexes. Calling it again changes nothing.
pub fn install_parker() {
    static PARKER: FutexParker = FutexParker;
    static DYN: &dyn Parker = &PARKER;
    kcore::sync::set_parker(&DYN);
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::Ordering;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn wakes_a_sleeper() {
        install_parker();
        let word = Arc::new(AtomicU32::new(0));
        FutexParker.wait(&word, 1); // differs: returns at once
        let sleeper = std::thread::spawn({
            let word = word.clone();
            move || {
                while word.load(Ordering::Acquire) == 0 {
                    FutexParker.wait(&word, 0);
                }
            }
        });
        word.store(1, Ordering::Release);
        FutexParker.wake_all(&word);
        sleeper.join().unwrap();
    }
}
