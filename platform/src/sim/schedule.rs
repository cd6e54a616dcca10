//! Who runs next, and who is interrupted.

use alloc::collections::BTreeMap;

use super::rng::Rng;

/// Turns in a row after which a task gives way to all others: it may spin for one of them.
const PATIENCE: u32 = 200;

/// How a simulation chooses. Each seed has one of several ways, as different bugs hide from different ones.
pub(super) struct Schedule {
    rng: Rng,
    policy: Policy,
    /// A thread is interrupted once in so many instructions; 0 for never.
    preempt: u64,
    /// The clock runs ahead once in so many turns although somebody can run; 0 for never.
    hurry: u64,
}

enum Policy {
    /// First come, first served.
    Queue,
    /// Everybody has the same chance.
    Lottery,
    /// The one of the highest priority, drawn for each task, and drawn again once in so many turns: finds what needs a few
    /// unlucky switches and otherwise one task running far ahead of another.
    Priorities { of: BTreeMap<u64, u64>, change: u64, last: (u64, u32) },
}

impl Schedule {
    pub(super) fn new(mut rng: Rng) -> Schedule {
        let policy = match rng.below(8) {
            0 => Policy::Queue,
            1..4 => Policy::Lottery,
            _ => Policy::Priorities { of: BTreeMap::new(), change: *rng.pick(&[8, 32, 128]), last: (0, 0) },
        };
        let preempt = *rng.pick(&[0, 2, 4, 16, 64]);
        let hurry = *rng.pick(&[0, 0, 16, 128]);
        Schedule { rng, policy, preempt, hurry }
    }
    /// The place in `names` of the task that runs next.
    pub(super) fn choose(&mut self, names: &[u64]) -> usize {
        let rng = &mut self.rng;
        match &mut self.policy {
            Policy::Queue => 0,
            Policy::Lottery => usize::try_from(rng.below(names.len() as u64)).unwrap_or(0),
            Policy::Priorities { of, change, last } => {
                for name in names {
                    of.entry(*name).or_insert_with(|| 1 + rng.below(1 << 32));
                }
                let best = names.iter().enumerate().max_by_key(|(_, name)| of.get(name).copied());
                let (place, name) = best.map_or((0, 0), |(place, name)| (place, *name));
                *last = if last.0 == name { (name, last.1 + 1) } else { (name, 0) };
                if last.1 > PATIENCE {
                    of.insert(name, 0);
                } else if rng.one_in(*change) {
                    of.insert(name, 1 + rng.below(1 << 32));
                }
                place
            }
        }
    }
    pub(super) fn preempts(&mut self) -> bool {
        self.rng.one_in(self.preempt)
    }
    pub(super) fn hurries(&mut self) -> bool {
        self.rng.one_in(self.hurry)
    }
    /// How long an instruction or a trap takes.
    pub(super) fn duration(&mut self) -> u64 {
        1 + self.rng.below(1000)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn everybody_runs_at_last() {
        for seed in 0..50 {
            let mut s = Schedule::new(Rng::new(seed));
            let mut queue: Vec<u64> = (0..5).collect();
            let mut runs = [0; 5];
            for _ in 0..5000 {
                let place = s.choose(&queue);
                let name = queue.remove(place);
                runs[usize::try_from(name).unwrap()] += 1;
                queue.push(name);
            }
            assert!(runs.iter().all(|n| *n > 0), "seed {seed}: {runs:?}");
        }
    }
}
