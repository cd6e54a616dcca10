//! Sleeping on a word, with shuttle's threads; never wakes early, so that a missing wake shows.

use core::ptr::from_ref;

use shuttle::sync::{Condvar, Mutex};

use crate::primitives::{AtomicU32, Ordering};
use crate::sync::{Parker, set_parker};

struct Sleepers {
    next: u64,
    /// Ticket and word of each.
    asleep: Vec<(u64, usize)>,
}

shuttle::lazy_static! {
    static ref SLEEPERS: Mutex<Sleepers> = Mutex::new(Sleepers { next: 0, asleep: Vec::new() });
    static ref WOKEN: Condvar = Condvar::new();
}

struct ShuttleParker;
static PARKER: &dyn Parker = &ShuttleParker;

pub(crate) fn install() {
    set_parker(&PARKER);
}

impl Parker for ShuttleParker {
    fn wait(&self, word: &AtomicU32, expected: u32) {
        let mut s = SLEEPERS.lock().unwrap();
        if word.load(Ordering::SeqCst) != expected {
            return;
        }
        let ticket = s.next;
        s.next += 1;
        s.asleep.push((ticket, from_ref(word).addr()));
        while s.asleep.iter().any(|(t, _)| *t == ticket) {
            s = WOKEN.wait(s).unwrap();
        }
    }
    fn wake_one(&self, word: &AtomicU32) {
        let mut s = SLEEPERS.lock().unwrap();
        if let Some(i) = s.asleep.iter().position(|(_, w)| *w == from_ref(word).addr()) {
            s.asleep.remove(i);
            WOKEN.notify_all();
        }
    }
    fn wake_all(&self, word: &AtomicU32) {
        SLEEPERS.lock().unwrap().asleep.retain(|(_, w)| *w != from_ref(word).addr());
        WOKEN.notify_all();
    }
}
