//! The operations that cases are made of: for each its arguments, the system call that it needs, and how often it is wanted.

use std::fmt;

use abi::Names;
use abi::nr::x86_64 as call;
use proptest::prelude::*;
use proptest::strategy::Union;

mod files;
mod memory;
mod process;
mod sockets;
mod tree;

/// One operation with its arguments as the guest reads them.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    spec: &'static Spec,
    args: Vec<String>,
}

/// What an argument may be.
#[derive(Debug)]
pub(crate) enum Arg {
    /// A slot for a descriptor.
    Slot,
    /// A path in the case's directory.
    Path,
    /// One of these.
    Of(&'static [i64]),
    /// One of these, which have names.
    Named(&'static [i64], Names),
    /// Any of these bits.
    Bits(&'static [i64], Names),
    /// Up to this, inclusive.
    UpTo(i64),
    /// Permissions.
    Mode,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// An operation of the guest.
#[derive(Debug)]
pub(crate) struct Spec {
    name: &'static str,
    /// The system call without which it is not generated.
    needs: u32,
    weight: u32,
    args: &'static [Arg],
}

const fn op(name: &'static str, needs: u32, weight: u32, args: &'static [Arg]) -> Spec {
    Spec { name, needs, weight, args }
}

const PATHS: &[&str] = &[
    "a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "l", "l/a", "d/..", "d/../a", "./a", "d/", "a/", "d/.",
    ".", "..", "a/b", "''", "LONG", "DEEP", "none/x",
];
const MODES: &[i64] = &[0o644, 0o600, 0o755, 0o700, 0o777, 0o444, 0o000, 0o4755, 0o2775, 0o1777];

fn families_with_weights() -> [(u32, &'static [Spec]); 6] {
    [
        (4, files::OPS),
        (4, tree::OPS),
        (3, memory::OPS),
        (3, process::SIGNALS),
        (3, process::OPS),
        (2, sockets::OPS),
    ]
}

impl Arg {
    fn strategy(&self) -> BoxedStrategy<String> {
        fn one(values: &'static [i64]) -> BoxedStrategy<String> {
            prop::sample::select(values).prop_map(|v| v.to_string()).boxed()
        }
        match self {
            // The first slots are where something is.
            Arg::Slot => prop_oneof![8 => 0..4u8, 2 => 4..8u8].prop_map(|n| n.to_string()).boxed(),
            Arg::Path => {
                let often = prop::sample::select(&PATHS[..9]);
                prop_oneof![5 => often, 2 => prop::sample::select(PATHS)].prop_map(str::to_owned).boxed()
            }
            Arg::Of(values) | Arg::Named(values, _) => one(values),
            Arg::Bits(bits, _) => prop::sample::subsequence(*bits, 0..=bits.len().min(3))
                .prop_map(|set| set.into_iter().fold(0, |all, b| all | b).to_string())
                .boxed(),
            Arg::UpTo(last) => (0..=*last).prop_map(|n| n.to_string()).boxed(),
            Arg::Mode => one(MODES),
            Arg::Word(words) => prop::sample::select(*words).prop_map(str::to_owned).boxed(),
        }
    }

    fn readable(&self, text: &str) -> String {
        let bits = || text.parse::<i64>().unwrap_or(0).cast_unsigned();
        match self {
            Arg::Slot => format!("slot {text}"),
            Arg::Mode => format!("{:#o}", bits()),
            Arg::Named(_, names) => names.show(bits()).to_string(),
            Arg::Bits(_, names) => names.flags(bits()).to_string(),
            Arg::Path | Arg::Of(_) | Arg::UpTo(_) | Arg::Word(_) => text.to_owned(),
        }
    }
}

impl Spec {
    /// Whether the sandbox has the system call at all. Those to come are tested from the day they come.
    fn is_there(&self) -> bool {
        kernel::syscall::entry(self.needs).is_some()
    }

    fn strategy(&'static self) -> BoxedStrategy<Op> {
        let args: Vec<_> = self.args.iter().map(Arg::strategy).collect();
        args.prop_map(move |args| Op { spec: self, args }).boxed()
    }
}

impl Op {
    /// Reads one line. Panics on an operation that there is not.
    pub(crate) fn parse(line: &str) -> Op {
        let mut words = line.split_whitespace().map(str::to_owned);
        let name = words.next().unwrap_or_default();
        let spec = families_with_weights()
            .into_iter()
            .flat_map(|(_, specs)| specs)
            .find(|s| s.name == name)
            .unwrap_or_else(|| panic!("there is no operation {name}"));
        Op { spec, args: words.collect() }
    }

    /// With names instead of numbers.
    pub(crate) fn readable(&self) -> String {
        let args: Vec<_> = self.spec.args.iter().zip(&self.args).map(|(a, t)| a.readable(t)).collect();
        format!("{}({})", self.spec.name, args.join(", "))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.spec.name)?;
        self.args.iter().try_for_each(|a| write!(f, " {a}"))
    }
}

fn one_of(specs: impl Iterator<Item = &'static Spec>) -> BoxedStrategy<Op> {
    let there = specs.filter(|s| s.is_there()).map(|s| (s.weight, s.strategy()));
    Union::new_weighted(there.collect()).boxed()
}

/// Any operation.
pub(crate) fn any() -> BoxedStrategy<Op> {
    one_of(families_with_weights().into_iter().flat_map(|(_, specs)| specs))
}

/// Each family's operations, with how often a case is about it.
pub(crate) fn families() -> Vec<(u32, BoxedStrategy<Op>)> {
    families_with_weights().into_iter().map(|(w, specs)| (w, one_of(specs.iter()))).collect()
}

/// Operations that make something for others to work with.
pub(crate) fn setup() -> BoxedStrategy<Op> {
    let lines = [
        "open 0 a 66 420",
        "write 0 100 3",
        "mkdir d 493",
        "open 1 d/a 66 384",
        "write 1 5000 9",
        "open 2 d 65536 0",
        "pipe 2 3 0",
        "symlink d l",
        "mkdir d/e 448",
        "map 0 4 3 34 7 0",
        "map 1 2 3 1 0 0",
        "action 10 2 0 0",
        "action 17 2 0 0",
        "socketpair 0 1 1",
        "setresuid 1000 1000 1000",
        "map 0 4 3 1 0 0",
    ];
    let setup: Vec<_> = lines.into_iter().map(Op::parse).filter(|op| op.spec.is_there()).collect();
    prop::sample::select(setup).boxed()
}
