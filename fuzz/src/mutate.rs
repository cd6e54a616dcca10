//! Inputs near given ones, for machines without libFuzzer. Blind to coverage, but the same for the same seed.

/// Makes inputs.
pub struct Mutator {
    state: u64,
    pool: Vec<Vec<u8>>,
}

/// Longest input.
const MAX: usize = 4096;
/// Numbers at which code tends to go wrong.
const EDGES: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 47, (1 << 63) - 1, 1 << 63, u64::MAX];

impl Mutator {
    /// Inputs near `pool`.
    pub fn new(seed: u64, pool: Vec<Vec<u8>>) -> Mutator {
        Mutator { state: seed, pool }
    }
    /// splitmix64.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    fn below(&mut self, n: usize) -> usize {
        (self.random() % n.max(1) as u64) as usize
    }
    /// The next one.
    pub fn next_input(&mut self) -> Vec<u8> {
        let from = self.below(self.pool.len());
        let mut input = self.pool.get(from).cloned().unwrap_or_default();
        for _ in 0..=self.below(8) {
            self.change(&mut input);
        }
        input.truncate(MAX);
        input
    }
    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        match self.below(7) {
            0 => input.insert(at, self.random() as u8),
            1 => drop(input.drain(at..(at + 1 + self.below(8)).min(input.len()).max(at))),
            2 => {
                let edge = EDGES[self.below(EDGES.len())].to_le_bytes();
                let width = 1 << self.below(4);
                input.splice(at..(at + width).min(input.len()), edge[..width].iter().copied());
            }
            3 => {
                let from = self.below(self.pool.len());
                let other = self.pool.get(from).cloned().unwrap_or_default();
                let start = self.below(other.len() + 1);
                let end = (start + self.below(64)).min(other.len());
                input.splice(at..at, other[start..end].iter().copied());
            }
            4 => {
                let fill = (0..self.below(16)).map(|_| self.random() as u8).collect::<Vec<_>>();
                input.splice(at..at, fill);
            }
            _ => {
                let bit = 1 << self.below(8);
                if let Some(b) = input.get_mut(at) {
                    *b ^= bit;
                }
            }
        }
    }
}
