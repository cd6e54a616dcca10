//! Cases: how they are made, written, read and shrunk.

use std::fmt;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::ops::{self, Op};
use crate::run::{Difference, Runner};

/// Most operations of a generated case.
const LENGTH: usize = 24;
/// How many runs the search for a smaller case may take.
const SHRINK_RUNS: usize = 120;

/// A program of operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case(pub(crate) Vec<Op>);

impl Case {
    /// The cases of a file: one operation a line, cases separated by empty lines, `#` starts a comment.
    pub(crate) fn parse_all(text: &str) -> Vec<Case> {
        let mut cases = vec![Case::default()];
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or("").trim();
            let last = cases.last_mut().expect("there is always one");
            if !line.is_empty() {
                last.0.push(Op::parse(line));
            } else if !last.0.is_empty() {
                cases.push(Case::default());
            }
        }
        cases.retain(|c| !c.0.is_empty());
        cases
    }
}

/// As `regressions.txt` has it, with what each operation means as a comment.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, op) in self.0.iter().enumerate() {
            let plain = op.to_string();
            writeln!(f, "{plain:<40} # {i} {}", op.readable())?;
        }
        Ok(())
    }
}

/// A case made from a seed, which can become smaller.
pub(crate) struct Generated {
    tree: Box<dyn ValueTree<Value = Vec<Op>>>,
}

impl Generated {
    pub(crate) fn new(seed: u64) -> Generated {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let tree = strategy().new_tree(&mut runner).expect("nothing is filtered out");
        Generated { tree: Box::new(tree) }
    }

    pub(crate) fn case(&self) -> Case {
        Case(self.tree.current())
    }

    /// The smallest case found that still differs, and how it does.
    pub(crate) fn shrink(&mut self, runner: &Runner, first: Difference) -> (Case, Difference) {
        let mut best = (self.case(), first);
        let mut runs = 0;
        let mut more = self.tree.simplify();
        while more && runs < SHRINK_RUNS {
            runs += 1;
            let case = self.case();
            more = match runner.differences(std::slice::from_ref(&case)).into_iter().next() {
                Some(difference) => {
                    best = (case, difference);
                    self.tree.simplify()
                }
                None => self.tree.complicate(),
            };
        }
        best
    }
}

/// A few operations that make something to work with, then others, most of them of one family.
fn strategy() -> BoxedStrategy<Vec<Op>> {
    let mixed = ops::any();
    let of_family = ops::families().into_iter().map(|(weight, family)| {
        let op = prop_oneof![4 => family, 1 => mixed.clone()];
        let setup = prop::collection::vec(ops::setup(), 0..=5);
        let rest = prop::collection::vec(op, 1..=LENGTH);
        let case = (setup, rest).prop_map(|(mut setup, rest)| {
            setup.extend(rest);
            setup
        });
        (weight, case.boxed())
    });
    prop::strategy::Union::new_weighted(of_family.collect()).boxed()
}
