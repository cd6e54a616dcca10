//! Where the kernel's accesses went lately: most go to the same few pages.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use kcore::addr::PAGE_SIZE;

/// Places remembered, by the page that was asked for.
const PLACES: usize = 8;

const READ: u64 = 1;
const WRITE: u64 = 2;

/// Resident memory in one piece, and how the kernel may access it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Memory-file offset of the first byte.
    pub(crate) at: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// Pieces that were found lately. Who has the address space locked for reading may use and fill it, as others do at the same time; who has it
/// locked for writing makes it forget.
#[derive(Default)]
pub(crate) struct Lookaside {
    generation: u64,
    places: [Place; PLACES],
}

/// A piece, as words that change together: `turn` is odd while they do.
#[derive(Default)]
struct Place {
    turn: AtomicU32,
    /// Generation, start, end, and the offset with what is allowed in its low bits.
    words: [AtomicU64; 4],
}

impl Lookaside {
    fn place(&self, addr: u64) -> &Place {
        &self.places[(addr / PAGE_SIZE) as usize % PLACES]
    }
    /// The piece around `addr`, if it is known.
    pub(crate) fn find(&self, addr: u64) -> Option<Piece> {
        let place = self.place(addr);
        let turn = place.turn.load(Ordering::Acquire);
        let [generation, start, end, at] = place.words.each_ref().map(|w| w.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        // No piece ends at 0, so that places never filled match nothing.
        let fits = generation == self.generation && start <= addr && addr < end;
        let whole = turn & 1 == 0 && place.turn.load(Ordering::Relaxed) == turn;
        (fits && whole).then_some(Piece {
            start,
            end,
            at: at & !(PAGE_SIZE - 1),
            read: at & READ != 0,
            write: at & WRITE != 0,
        })
    }
    /// Remembers the piece around `addr`, unless somebody else is at its place.
    pub(crate) fn note(&self, addr: u64, piece: &Piece) {
        let place = self.place(addr);
        let turn = place.turn.load(Ordering::Relaxed);
        let mine = turn & 1 == 0
            && place
                .turn
                .compare_exchange(turn, turn.wrapping_add(1), Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        if !mine {
            return;
        }
        fence(Ordering::Release);
        let allowed = if piece.read { READ } else { 0 } | if piece.write { WRITE } else { 0 };
        let values = [self.generation, piece.start, piece.end, piece.at | allowed];
        for (word, value) in place.words.iter().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
        place.turn.store(turn.wrapping_add(2), Ordering::Release);
    }
    /// Nothing that is remembered is so any more.
    pub(crate) fn forget(&mut self) {
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_until_they_are_forgotten() {
        let mut l = Lookaside::default();
        assert_eq!(l.find(0), None);
        let piece = Piece { start: 0x1000, end: 0x5000, at: 0x9000, read: true, write: false };
        l.note(0x2345, &piece);
        assert_eq!(l.find(0x2fff), Some(piece));
        assert_eq!(l.find(0x3000), None, "another place");
        l.note(0x3000, &piece);
        assert_eq!(l.find(0x3001), Some(piece));
        assert_eq!(l.find(0x2000 + PLACES as u64 * PAGE_SIZE), None, "the same place, beyond the piece");
        l.forget();
        assert_eq!(l.find(0x2345), None);
    }
    #[test]
    fn nobody_sees_halves() {
        let l = Lookaside::default();
        let piece = |n: u64| Piece {
            start: 0,
            end: n * PAGE_SIZE,
            at: n * PAGE_SIZE,
            read: n.is_multiple_of(2),
            write: true,
        };
        std::thread::scope(|s| {
            for first in 1..3 {
                let l = &l;
                s.spawn(move || (first..2000).for_each(|n| l.note(0, &piece(n))));
            }
            for _ in 0..10_000 {
                if let Some(found) = l.find(1) {
                    assert_eq!(found, piece(found.end / PAGE_SIZE));
                }
            }
        });
    }
}
