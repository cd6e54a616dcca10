//! Seccomp, `seccomp(2)`: classic BPF over `seccomp_data`, chains of filters, strict mode.

mod bpf;
mod install;

use alloc::sync::Arc;

use abi::Errno;

pub use bpf::{Insn, MAX_INSNS, Program, SeccompData};
pub use install::{FilterScope, Unsynchronized};

/// `SECCOMP_RET_*` actions, without data.
#[expect(missing_docs, reason = "the names are those of seccomp(2)")]
pub mod ret {
    pub const KILL_PROCESS: u32 = 0x8000_0000;
    pub const KILL_THREAD: u32 = 0;
    pub const TRAP: u32 = 0x0003_0000;
    pub const ERRNO: u32 = 0x0005_0000;
    pub const USER_NOTIF: u32 = 0x7fc0_0000;
    pub const TRACE: u32 = 0x7ff0_0000;
    pub const LOG: u32 = 0x7ffc_0000;
    pub const ALLOW: u32 = 0x7fff_0000;
    pub const ACTION_FULL: u32 = 0xffff_0000;
}

/// Most instructions of a chain, where each filter below the newest counts as four more.
pub const MAX_CHAIN: usize = 32768;
const PENALTY: usize = 4;

/// A filter on top of older ones.
#[derive(Debug)]
pub struct Filter {
    program: Program,
    prev: Option<Arc<Filter>>,
    total: usize,
}

impl Filter {
    /// `program` on top of `prev`.
    ///
    /// Errors: `ENOMEM` if the chain gets too long.
    pub fn push(prev: Option<Arc<Filter>>, program: Program) -> Result<Arc<Filter>, Errno> {
        let below = prev.as_ref().map_or(0, |p| p.total + PENALTY);
        let total = program.translated_len() + below;
        if total > MAX_CHAIN {
            return Err(Errno::ENOMEM);
        }
        Ok(Arc::new(Filter { program, prev, total }))
    }
    /// Runs all filters, the newest first; the most severe result wins, and of equal ones the newest.
    pub fn run(&self, data: &SeccompData) -> u32 {
        let mut result = ret::ALLOW;
        let mut at = Some(self);
        while let Some(f) = at {
            let r = f.program.run(data);
            // As signed numbers the actions are ordered by severity.
            if ((r & ret::ACTION_FULL) as i32) < (result & ret::ACTION_FULL) as i32 {
                result = r;
            }
            at = f.prev.as_deref();
        }
        result
    }
    /// Whether `other` is this filter or below it, as `SECCOMP_FILTER_FLAG_TSYNC` asks of the other threads.
    pub fn descends_from(&self, other: &Filter) -> bool {
        let mut at = Some(self);
        while let Some(f) = at {
            if core::ptr::eq(f, other) {
                return true;
            }
            at = f.prev.as_deref();
        }
        false
    }
}

impl Drop for Filter {
    /// A chain that ends here is taken apart link by link: it may be too long to do that from within each other.
    fn drop(&mut self) {
        let mut next = self.prev.take();
        while let Some(filter) = next {
            next = Arc::try_unwrap(filter).ok().and_then(|mut f| f.prev.take());
        }
    }
}

/// The seccomp state of a thread.
#[derive(Clone, Debug, Default)]
pub enum Seccomp {
    /// Off.
    #[default]
    Disabled,
    /// Only `read`, `write`, `_exit`, `sigreturn`.
    Strict,
    /// Filters.
    Filter(Arc<Filter>),
}

impl Seccomp {
    /// What to do with a call (`SECCOMP_RET_*` with its data). The numbers of strict mode are those of x86-64.
    pub fn check(&self, data: &SeccompData) -> u32 {
        match self {
            Seccomp::Disabled => ret::ALLOW,
            Seccomp::Strict if matches!(data.nr, 0 | 1 | 15 | 60) => ret::ALLOW,
            Seccomp::Strict => ret::KILL_THREAD,
            Seccomp::Filter(f) => f.run(data),
        }
    }
    /// How many filters there are.
    pub fn filters(&self) -> usize {
        let mut at = match self {
            Seccomp::Filter(f) => Some(&**f),
            _ => None,
        };
        let mut n = 0;
        while let Some(f) = at {
            n += 1;
            at = f.prev.as_deref();
        }
        n
    }
    /// `PR_GET_SECCOMP`: 0, 1 or 2.
    pub fn mode(&self) -> u32 {
        match self {
            Seccomp::Disabled => 0,
            Seccomp::Strict => 1,
            Seccomp::Filter(_) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn insn(code: u16, jt: u8, jf: u8, k: u32) -> Insn {
        Insn { code, jt, jf, k }
    }
    #[test]
    fn the_most_severe_result_wins() {
        let deny = Program::new(alloc::vec![
            insn(0x20, 0, 0, 0),
            insn(0x15, 0, 1, 39),
            insn(6, 0, 0, ret::ERRNO | 1),
            insn(6, 0, 0, ret::ALLOW),
        ])
        .unwrap();
        let allow = Program::new(alloc::vec![insn(6, 0, 0, ret::ALLOW)]).unwrap();
        let f = Filter::push(Some(Filter::push(None, deny).unwrap()), allow).unwrap();
        let data = SeccompData { nr: 39, ..Default::default() };
        assert_eq!(f.run(&data), ret::ERRNO | 1);
        assert_eq!(f.run(&SeccompData::default()), ret::ALLOW);
    }
    proptest! {
        #[test]
        fn checked_programs_end(raw in proptest::collection::vec((0u16..0xb0, 0u8..4, 0u8..4, 0u32..64), 1..40)) {
            let insns = raw.into_iter().map(|(c, jt, jf, k)| insn(c, jt, jf, k)).collect();
            if let Ok(p) = Program::new(insns) {
                p.run(&SeccompData::default());
            }
        }
    }
}
