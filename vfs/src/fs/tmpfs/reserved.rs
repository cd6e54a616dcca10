//! Pages that `fallocate(2)` set aside and nobody has touched: they are paid for, read as zeroes, and count as a hole.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use kcore::sync::{LockClass, Mutex};

// A fault takes a page with the address space locked.
static RESERVED: LockClass = LockClass::new("tmpfs reserved pages", 590);

/// Ranges of page indexes, apart from each other.
pub(super) struct Reserved(Mutex<BTreeMap<u64, u64>>);

impl Reserved {
    pub(super) fn new() -> Reserved {
        Reserved(Mutex::new(&RESERVED, BTreeMap::new()))
    }
    /// How many pages.
    pub(super) fn len(&self) -> u64 {
        let map = self.0.lock();
        if map.is_empty() { 0 } else { map.iter().map(|(start, end)| end - start).sum() }
    }
    /// How many of `pages` are there.
    pub(super) fn count(&self, pages: Range<u64>) -> u64 {
        let map = self.0.lock();
        let all = map.range(..pages.end).rev().take_while(|(_, end)| **end > pages.start);
        all.map(|(start, end)| end.min(&pages.end) - start.max(&pages.start)).sum()
    }
    /// Adds `pages`, of which some may be there.
    pub(super) fn add(&self, pages: Range<u64>) {
        if pages.is_empty() {
            return;
        }
        let mut map = self.0.lock();
        let touching: Vec<_> = map
            .range(..=pages.end)
            .rev()
            .take_while(|(_, end)| **end >= pages.start)
            .map(|(start, end)| (*start, *end))
            .collect();
        let (mut start, mut end) = (pages.start, pages.end);
        for (s, e) in touching {
            map.remove(&s);
            (start, end) = (start.min(s), end.max(e));
        }
        map.insert(start, end);
    }
    /// Takes `pages` out; says how many there were.
    pub(super) fn remove(&self, pages: Range<u64>) -> u64 {
        if pages.is_empty() {
            return 0;
        }
        let mut map = self.0.lock();
        let hit: Vec<_> = map
            .range(..pages.end)
            .rev()
            .take_while(|(_, end)| **end > pages.start)
            .map(|(start, end)| (*start, *end))
            .collect();
        let mut gone = 0;
        for (start, end) in hit {
            map.remove(&start);
            if start < pages.start {
                map.insert(start, pages.start);
            }
            if end > pages.end {
                map.insert(pages.end, end);
            }
            gone += end.min(pages.end) - start.max(pages.start);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_split() {
        let r = Reserved::new();
        r.add(10..20);
        r.add(30..40);
        r.add(15..30);
        assert_eq!((r.len(), r.count(0..15), r.count(35..99)), (30, 5, 5));
        assert_eq!(r.remove(12..14), 2);
        assert_eq!(r.remove(12..14), 0);
        assert_eq!((r.len(), r.count(0..100)), (28, 28));
        assert_eq!(r.remove(0..u64::MAX), 28);
        assert_eq!(r.len(), 0);
    }
}
