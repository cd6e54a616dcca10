//! Lock classes: a rank for each kind of lock, checked in debug builds with `std`.

/// A kind of lock. A thread may take a lock only if all that it holds have lower ranks.
#[derive(Debug)]
pub struct LockClass {
    name: &'static str,
    rank: u32,
    /// Whether several locks of this class may be held at once (the code orders them itself, by address for example).
    #[cfg_attr(
        not(all(debug_assertions, feature = "std")),
        expect(dead_code, reason = "read where ranks are checked")
    )]
    nests: bool,
}

impl LockClass {
    /// A class named `name` with `rank`.
    pub const fn new(name: &'static str, rank: u32) -> LockClass {
        LockClass { name, rank, nests: false }
    }
    /// A class whose locks may nest in each other, in an order that the code documents.
    pub const fn nesting(name: &'static str, rank: u32) -> LockClass {
        LockClass { name, rank, nests: true }
    }
    /// The name that reports use.
    pub const fn name(&self) -> &'static str {
        self.name
    }
    /// The rank.
    pub const fn rank(&self) -> u32 {
        self.rank
    }
}

#[cfg(all(debug_assertions, feature = "std"))]
mod held {
    use super::LockClass;
    use crate::primitives::thread_local;
    use std::cell::RefCell;
    use std::vec::Vec;

    thread_local! {
        static HELD: RefCell<Vec<&'static LockClass>> = const { RefCell::new(Vec::new()) };
    }

    #[track_caller]
    pub(super) fn acquire(class: &'static LockClass) {
        HELD.with(|held| {
            let mut held = held.borrow_mut();
            let worst = held.iter().max_by_key(|c| c.rank);
            if let Some(top) = worst {
                let same_nests = core::ptr::eq(*top, class) && class.nests;
                assert!(
                    top.rank < class.rank || same_nests || std::thread::panicking(),
                    "lock order: taking \"{}\" (rank {}) while holding \"{}\" (rank {})",
                    class.name,
                    class.rank,
                    top.name,
                    top.rank
                );
            }
            held.push(class);
        });
    }

    pub(super) fn release(class: &'static LockClass) {
        HELD.with(|held| {
            let mut held = held.borrow_mut();
            if let Some(i) = held.iter().rposition(|c| core::ptr::eq(*c, class)) {
                held.remove(i);
            }
        });
    }
}

#[inline]
#[track_caller]
pub(super) fn acquire(class: &'static LockClass) {
    #[cfg(all(debug_assertions, feature = "std"))]
    held::acquire(class);
    #[cfg(not(all(debug_assertions, feature = "std")))]
    let _ = class;
}

#[inline]
pub(super) fn release(class: &'static LockClass) {
    #[cfg(all(debug_assertions, feature = "std"))]
    held::release(class);
    #[cfg(not(all(debug_assertions, feature = "std")))]
    let _ = class;
}
