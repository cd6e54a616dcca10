//! The list of locks that a thread holds and that are marked when it dies, `set_robust_list(2)`.

/// One lock on a dead thread's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RobustEntry {
    /// Address of its word.
    pub word: u64,
    /// Whether it is a PI lock.
    pub pi: bool,
    /// Whether the thread was about to take or release it.
    pub pending: bool,
}

/// Most entries that are looked at (`ROBUST_LIST_LIMIT`): a guest can make a list that never ends.
const LIMIT: usize = 2048;

/// Walks a dead thread's list. `read` loads 8 bytes; `died` treats one lock ([`OWNER_DIED`](super::OWNER_DIED), wake one waiter)
/// and says whether its word could be reached. The walk ends at a fault.
pub fn walk_robust_list(
    head: u64,
    read: impl Fn(u64) -> Option<u64>,
    mut died: impl FnMut(RobustEntry) -> bool,
) {
    // The low bit of a pointer says that the lock is a PI one.
    let split = |p: u64| (p & !1, p & 1 != 0);
    let Some(first) = read(head) else { return };
    let Some(offset) = head.checked_add(8).and_then(&read) else { return };
    let Some((pending, pending_pi)) = head.checked_add(16).and_then(&read).map(split) else { return };
    let (mut at, mut pi) = split(first);
    for _ in 0..LIMIT {
        if at == head {
            break;
        }
        // Before the lock is given away, after which its memory may go.
        let next = read(at);
        let entry = RobustEntry { word: at.wrapping_add(offset), pi, pending: false };
        if at != pending && !died(entry) {
            return;
        }
        let Some(next) = next else { return };
        (at, pi) = split(next);
    }
    if pending != 0 {
        died(RobustEntry { word: pending.wrapping_add(offset), pi: pending_pi, pending: true });
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::*;

    fn walk(words: &BTreeMap<u64, u64>) -> Vec<(u64, bool, bool)> {
        let mut seen = Vec::new();
        walk_robust_list(
            0x1000,
            |a| words.get(&a).copied(),
            |e| {
                seen.push((e.word, e.pi, e.pending));
                true
            },
        );
        seen
    }

    #[test]
    fn the_pending_lock_comes_last_and_once() {
        let mut words = BTreeMap::from([(0x1000, 0x2000), (0x1008, 16u64.wrapping_neg()), (0x1010, 0x3000)]);
        words.extend([(0x2000, 0x3001), (0x3000, 0x4001), (0x4000, 0x1000)]);
        assert_eq!(walk(&words), [(0x1ff0, false, false), (0x3ff0, true, false), (0x2ff0, false, true)]);
    }
    #[test]
    fn a_list_without_end_ends() {
        let words = BTreeMap::from([(0x1000, 0x2000), (0x1008, 0), (0x1010, 0), (0x2000, 0x2000)]);
        assert_eq!(walk(&words).len(), LIMIT);
    }
    #[test]
    fn a_fault_ends_the_walk() {
        let words = BTreeMap::from([(0x1000, 0x2000), (0x1008, 8), (0x1010, 0x9000), (0x2000, 0x5000)]);
        assert_eq!(walk(&words), [(0x2008, false, false), (0x5008, false, false)]);
    }
}
