//! Runs a kernel to its end, one step at a time.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use kcore::host::{Clock, Nanos};

use super::Sim;

/// A kernel that runs on a simulated machine, as [`drive`] sees it.
pub trait Machine {
    /// Runs one task until it waits or gives up its turn; `choose` gets the names of all that can run and returns a place among them.
    /// Returns the name of the one that ran, `None` if none can.
    fn step(&self, choose: &mut dyn FnMut(&[u64]) -> usize) -> Option<u64>;
    /// Fires the timers that are due.
    fn fire_timers(&self);
    /// When the next timer is due.
    fn next_deadline(&self) -> Option<Nanos>;
    /// Whether the first program has ended.
    fn has_ended(&self) -> bool;
    /// Lets each task that waits look again and say what it waits for, when it gets its turn.
    fn ask(&self);
    /// The answers.
    fn answers(&self) -> Vec<Waiter>;
}

/// A task that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Its name.
    pub name: u64,
    /// What it waits for, in words.
    pub what: String,
}

/// How a simulation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The first program ended, and nobody is left who can run.
    Ended {
        /// Who still waits.
        left: Vec<String>,
    },
    /// Nobody can run, and no timer will change that.
    Deadlock {
        /// Who waits for what.
        waiting: Vec<String>,
    },
    /// Tasks slept although what they waited for was there: nobody had woken them.
    LostWakeup {
        /// Their names.
        missed: Vec<u64>,
        /// Who waited rightly, for what.
        waiting: Vec<String>,
    },
    /// There was no end to it.
    Endless,
}

/// Runs `machine` on `sim` until its first program has ended, or nothing more can happen, or that did not come in `steps` steps.
///
/// When nobody can run, all are asked what they wait for before time goes on: whoever does not go back to sleep then had missed
/// a wake-up, even if a timeout would have hidden that.
pub fn drive(sim: &Sim, machine: &dyn Machine, steps: u64) -> End {
    for _ in 0..steps {
        machine.fire_timers();
        if machine.step(&mut |names| sim.choose(names)).is_some() {
            // Whoever waits for a time may find that it has come while others run.
            if let Some(at) = machine.next_deadline().filter(|_| sim.hurries()) {
                sim.advance_to(at);
            }
            continue;
        }
        let (missed, waiting) = look_again(machine);
        if !missed.is_empty() {
            return End::LostWakeup { missed, waiting };
        }
        if machine.has_ended() {
            return End::Ended { left: waiting };
        }
        match machine.next_deadline() {
            Some(at) => sim.advance_to(at.max(sim.monotonic())),
            None => return End::Deadlock { waiting },
        }
    }
    End::Endless
}

/// Lets everybody look again. Returns who had missed a wake-up, and what the others wait for.
fn look_again(machine: &dyn Machine) -> (Vec<u64>, Vec<String>) {
    machine.ask();
    // Those who can run now are those who were asked. One that goes on may wake others, which does not matter any more.
    let mut asked: Option<BTreeSet<u64>> = None;
    let mut ran = BTreeSet::new();
    while asked.as_ref().is_none_or(|a| !a.is_subset(&ran)) {
        let polled = machine.step(&mut |names| {
            let asked = asked.get_or_insert_with(|| names.iter().copied().collect());
            names.iter().position(|n| asked.contains(n) && !ran.contains(n)).unwrap_or(0)
        });
        match polled {
            Some(name) => ran.insert(name),
            None => break,
        };
    }
    let answers = machine.answers();
    for answer in &answers {
        ran.remove(&answer.name);
    }
    (ran.into_iter().collect(), answers.into_iter().map(|a| a.what).collect())
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};
    use core::cell::{Cell, RefCell};

    use super::*;

    /// Tasks 1 and 2 wait for a flag each and for the end of the world, if that has a time. Nobody wakes them for the flags.
    struct Toy {
        sim: Sim,
        ready: RefCell<Vec<u64>>,
        asked: Cell<bool>,
        answers: RefCell<Vec<Waiter>>,
        flag: [bool; 2],
        end: Cell<Option<Nanos>>,
        ended: Cell<bool>,
    }

    impl Toy {
        fn new(flag: [bool; 2], end: Option<Nanos>) -> Toy {
            Toy {
                sim: Sim::new(1).unwrap(),
                ready: RefCell::default(),
                asked: Cell::default(),
                answers: RefCell::default(),
                flag,
                end: Cell::new(end),
                ended: Cell::default(),
            }
        }
        fn run(&self) -> End {
            drive(&self.sim, self, 10)
        }
    }

    impl Machine for Toy {
        fn step(&self, choose: &mut dyn FnMut(&[u64]) -> usize) -> Option<u64> {
            let mut ready = self.ready.borrow_mut();
            if ready.is_empty() {
                return None;
            }
            let place = choose(&ready);
            let name = ready.remove(place);
            let goes_on = name == 1 && self.flag[0] || name == 2 && self.flag[1];
            if self.asked.get() && !goes_on {
                self.answers.borrow_mut().push(Waiter { name, what: format!("task {name}") });
            }
            Some(name)
        }
        fn fire_timers(&self) {
            if self.end.get().is_some_and(|at| at <= self.sim.monotonic()) {
                self.end.set(None);
                self.ended.set(true);
            }
        }
        fn next_deadline(&self) -> Option<Nanos> {
            self.end.get()
        }
        fn has_ended(&self) -> bool {
            self.ended.get()
        }
        fn ask(&self) {
            self.asked.set(true);
            self.ready.borrow_mut().extend([1, 2]);
        }
        fn answers(&self) -> Vec<Waiter> {
            self.asked.set(false);
            self.answers.take()
        }
    }

    fn both() -> Vec<String> {
        vec!["task 1".into(), "task 2".into()]
    }

    #[test]
    fn a_deadlock_names_everybody() {
        assert_eq!(Toy::new([false; 2], None).run(), End::Deadlock { waiting: both() });
    }

    #[test]
    fn a_missed_wake_up_is_found_though_a_timer_would_hide_it() {
        let toy = Toy::new([false, true], Some(5_000_000_000));
        assert_eq!(toy.run(), End::LostWakeup { missed: vec![2], waiting: vec!["task 1".into()] });
    }

    #[test]
    fn time_jumps_when_nobody_can_run() {
        let toy = Toy::new([false; 2], Some(5_000_000_000));
        assert_eq!(toy.run(), End::Ended { left: both() });
        assert_eq!(toy.sim.monotonic(), 5_000_000_000);
    }
}
