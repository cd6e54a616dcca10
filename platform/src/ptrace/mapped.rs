//! What is mapped in a stub.

use std::collections::BTreeMap;

/// What is mapped in a stub, as ranges that do not touch.
#[derive(Default)]
pub(super) struct Mapped(BTreeMap<u64, u64>);

impl Mapped {
    pub(super) fn remove(&mut self, start: u64, end: u64) {
        let mut put_back = Vec::new();
        while let Some((&a, &b)) = self.0.range(..end).next_back().filter(|(_, b)| **b > start) {
            self.0.remove(&a);
            if a < start {
                put_back.push((a, start));
            }
            if b > end {
                put_back.push((end, b));
            }
        }
        self.0.extend(put_back);
    }
    pub(super) fn insert(&mut self, mut start: u64, mut end: u64) {
        self.remove(start, end);
        if let Some((&a, _)) = self.0.range(..start).next_back().filter(|(_, b)| **b == start) {
            self.0.remove(&a);
            start = a;
        }
        if let Some(b) = self.0.remove(&end) {
            end = b;
        }
        self.0.insert(start, end);
    }
    /// The mapped parts of a range, in no order.
    pub(super) fn parts(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let overlaps = self.0.range(..end).rev().take_while(move |(_, b)| **b > start);
        overlaps.map(move |(a, b)| ((*a).max(start), (*b).min(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_ranges_split_and_join() {
        let mut m = Mapped::default();
        m.insert(10, 20);
        m.insert(20, 30);
        assert_eq!(m.0, BTreeMap::from([(10, 30)]));
        m.remove(15, 18);
        assert_eq!(m.0, BTreeMap::from([(10, 15), (18, 30)]));
        let mut parts: Vec<_> = m.parts(12, 25).collect();
        parts.sort_unstable();
        assert_eq!(parts, [(12, 15), (18, 25)]);
        m.insert(15, 18);
        assert_eq!(m.0, BTreeMap::from([(10, 30)]));
        m.insert(0, 100);
        assert_eq!(m.0, BTreeMap::from([(0, 100)]));
        m.remove(0, 100);
        assert!(m.0.is_empty() && m.parts(0, 9).next().is_none());
    }
}
