//! Whether a program uses all of the memory that it starts to use.
//!
//! Pages that a host makes at first touch, one by one, cost three times as much as pages that are made together, but a program that
//! touches one page here and there must not get megabytes for each. So now and then a window is left to first touches, and looked at
//! when the next one comes: if the memory file has grown by as much since, the next windows are supplied whole.

use kcore::addr::PAGE_SIZE;

/// Pages of a window from which on it matters: 256 KiB.
const LARGE: u64 = 64;
/// Most windows between two that are left to first touches. Bounds what is supplied in vain: 32 MiB.
const CREDIT_MAX: u32 = 16;

/// What the last windows of an address space have shown.
#[derive(Default)]
pub(crate) struct Density {
    /// Windows that are still to be supplied whole.
    credit: u32,
    /// How many the next window that is used as a whole is good for.
    next: u32,
    /// The last window that was left to first touches: its pages, and what the memory file held before them.
    watched: Option<(u64, u64)>,
}

impl Density {
    /// Whether a new window of so many pages should be supplied whole. `committed` is what the memory file holds, 0 if that is unknown.
    pub(crate) fn expects_use_of(&mut self, pages: u64, committed: impl FnOnce() -> u64) -> bool {
        if pages < LARGE {
            return false;
        }
        if let Some(credit) = self.credit.checked_sub(1) {
            self.credit = credit;
            return true;
        }
        let now = committed();
        if let Some((pages, before)) = self.watched.take() {
            // Others use memory, too, and give it back: this is a guess.
            let grown = now.saturating_sub(before) / PAGE_SIZE;
            if grown >= pages - pages / 8 {
                self.next = (self.next * 2).clamp(2, CREDIT_MAX);
                self.credit = self.next - 1;
                return true;
            }
            self.next = 0;
        }
        if now > 0 {
            self.watched = Some((pages, now));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(touched: &[u64]) -> alloc::vec::Vec<bool> {
        let (mut d, mut now) = (Density::default(), 1 << 20);
        let window = |pages: &u64| {
            let whole = d.expects_use_of(512, || now);
            now += if whole { 512 } else { *pages } * PAGE_SIZE;
            whole
        };
        touched.iter().map(window).collect()
    }

    #[test]
    fn what_is_used_as_a_whole_is_supplied_so() {
        let all = windows(&[512; 40]);
        let left: alloc::vec::Vec<usize> = (0..40).filter(|i| !all[*i]).collect();
        assert_eq!(left, [0, 3, 8, 17, 34]);
    }
    #[test]
    fn sparse_use_costs_nothing() {
        assert!(!windows(&[1; 40]).contains(&true));
        // It ends what was expected before.
        let mut touched = [1; 20];
        touched[0] = 512;
        assert_eq!(windows(&touched).iter().filter(|w| **w).count(), 2);
    }
    #[test]
    fn small_and_unknown_ones_are_left() {
        let mut d = Density::default();
        assert!(!d.expects_use_of(512, || 0) && !d.expects_use_of(512, || 0));
        assert!(!d.expects_use_of(8, || panic!("nobody asks")));
    }
}
