//! Mutual exclusion and parking of [`Mutex`] and [`RwLock`].

use std::sync::Arc;

use shuttle::thread;

use crate::explore;
use crate::primitives::{AtomicU32, Ordering};
use crate::sync::{LockClass, Mutex, RwLock};

static CLASS: LockClass = LockClass::new("tested", 1);

/// Adds one in two steps, with a chance for others in between.
fn increment(n: &mut u32) {
    let old = *n;
    thread::yield_now();
    *n = old + 1;
}

#[test]
fn a_mutex_excludes_and_wakes_each_sleeper() {
    explore(600, || {
        let m = Arc::new(Mutex::new(&CLASS, 0));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let m = m.clone();
                thread::spawn(move || {
                    for _ in 0..2 {
                        increment(&mut m.lock());
                    }
                })
            })
            .collect();
        for t in threads {
            t.join().unwrap();
        }
        assert_eq!(*m.lock(), 6);
    });
}

#[test]
fn a_rwlock_excludes_writers_and_wakes_all_sleepers() {
    explore(600, || {
        let l = Arc::new(RwLock::new(&CLASS, 0));
        let writers = (0..2).map(|_| {
            let l = l.clone();
            thread::spawn(move || increment(&mut l.write()))
        });
        let readers = (0..2).map(|_| {
            let l = l.clone();
            thread::spawn(move || {
                let n = l.read();
                let before = *n;
                thread::yield_now();
                assert_eq!(*n, before, "written while read");
            })
        });
        let threads: Vec<_> = writers.chain(readers).collect();
        for t in threads {
            t.join().unwrap();
        }
        assert_eq!(*l.read(), 2);
    });
}

#[test]
fn readers_share() {
    explore(300, || {
        let l = Arc::new(RwLock::new(&CLASS, ()));
        let inside = Arc::new(AtomicU32::new(0));
        let other = {
            let (l, inside) = (l.clone(), inside.clone());
            thread::spawn(move || meet(&l, &inside))
        };
        meet(&l, &inside);
        other.join().unwrap();
    });
}

/// Holds the lock for reading until two are inside.
fn meet(l: &RwLock<()>, inside: &AtomicU32) {
    let _guard = l.read();
    inside.fetch_add(1, Ordering::SeqCst);
    while inside.load(Ordering::SeqCst) < 2 {
        thread::yield_now();
    }
}
