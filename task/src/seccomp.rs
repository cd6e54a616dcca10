//! Seccomp, `seccomp(2)`: classic BPF over `seccomp_data`, chains of filters, strict mode.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;

/// What a filter looks at, `struct seccomp_data`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SeccompData {
    /// The call's number.
    pub nr: i32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Where it was made.
    pub ip: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

impl SeccompData {
    fn word(&self, at: u32) -> u32 {
        let i = at as usize;
        let half = |v: u64| if i.is_multiple_of(8) { v as u32 } else { (v >> 32) as u32 };
        match i {
            0 => self.nr as u32,
            4 => self.arch,
            8 | 12 => half(self.ip),
            _ => half(self.args[(i - 16) / 8]),
        }
    }
}

/// One instruction, `struct sock_filter`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// Jump if true.
    pub jt: u8,
    /// Jump if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

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

const DATA_SIZE: u32 = 64;
/// Longest program.
pub const MAX_INSNS: usize = 4096;
/// Most instructions of a chain, with four more for each filter.
pub const MAX_CHAIN: usize = 32768;

/// A program that passed the checks: it ends, and touches nothing but its input and its own memory.
#[derive(Clone, Debug)]
pub struct Program(Vec<Insn>);

impl Program {
    /// Checks a program.
    ///
    /// Errors: `EINVAL`.
    pub fn new(insns: Vec<Insn>) -> Result<Program, Errno> {
        let n = insns.len();
        if n == 0 || n > MAX_INSNS {
            return Err(Errno::EINVAL);
        }
        // Which memory words are written on every path so far.
        let mut masks = alloc::vec![!0u16; n];
        let mut valid = 0u16;
        for (pc, i) in insns.iter().enumerate() {
            valid &= masks[pc];
            let rest = (n - pc - 1) as u64;
            let ok = match i.code {
                // ld/ldx: abs word, len, imm, mem
                0x20 => i.k < DATA_SIZE && i.k.is_multiple_of(4),
                0x00 | 0x01 | 0x80 | 0x81 => true,
                0x60 | 0x61 => i.k < 16 && valid & 1 << i.k != 0,
                0x02 | 0x03 => {
                    if i.k < 16 {
                        valid |= 1 << i.k;
                    }
                    i.k < 16
                }
                // alu: add sub mul div or and lsh rsh xor, by constant and by X; neg
                0x04 | 0x14 | 0x24 | 0x44 | 0x54 | 0xa4 | 0x0c | 0x1c | 0x2c | 0x3c | 0x4c | 0x5c | 0x6c
                | 0x7c | 0xac | 0x84 => true,
                0x34 => i.k != 0,
                0x64 | 0x74 => i.k < 32,
                0x05 => {
                    let ok = u64::from(i.k) < rest;
                    if ok {
                        masks[pc + 1 + i.k as usize] &= valid;
                    }
                    valid = !0;
                    ok
                }
                0x15 | 0x25 | 0x35 | 0x45 | 0x1d | 0x2d | 0x3d | 0x4d => {
                    let ok = u64::from(i.jt) < rest && u64::from(i.jf) < rest;
                    if ok {
                        masks[pc + 1 + i.jt as usize] &= valid;
                        masks[pc + 1 + i.jf as usize] &= valid;
                    }
                    valid = !0;
                    ok
                }
                0x06 | 0x16 => {
                    valid = !0;
                    true
                }
                0x07 | 0x87 => true,
                _ => false,
            };
            if !ok {
                return Err(Errno::EINVAL);
            }
        }
        if !matches!(insns[n - 1].code, 0x06 | 0x16) {
            return Err(Errno::EINVAL);
        }
        Ok(Program(insns))
    }
    /// Runs the program.
    pub fn run(&self, data: &SeccompData) -> u32 {
        let (mut a, mut x, mut mem, mut pc) = (0u32, 0u32, [0u32; 16], 0usize);
        while let Some(i) = self.0.get(pc) {
            pc += 1;
            let by = if i.code & 8 != 0 { x } else { i.k };
            match i.code {
                0x20 => a = data.word(i.k),
                0x00 => a = i.k,
                0x01 => x = i.k,
                0x80 => a = DATA_SIZE,
                0x81 => x = DATA_SIZE,
                0x60 => a = mem[i.k as usize],
                0x61 => x = mem[i.k as usize],
                0x02 => mem[i.k as usize] = a,
                0x03 => mem[i.k as usize] = x,
                0x04 | 0x0c => a = a.wrapping_add(by),
                0x14 | 0x1c => a = a.wrapping_sub(by),
                0x24 | 0x2c => a = a.wrapping_mul(by),
                0x34 | 0x3c => match a.checked_div(by) {
                    Some(v) => a = v,
                    None => return 0,
                },
                0x44 | 0x4c => a |= by,
                0x54 | 0x5c => a &= by,
                0x64 | 0x6c => a = a.wrapping_shl(by),
                0x74 | 0x7c => a = a.wrapping_shr(by),
                0xa4 | 0xac => a ^= by,
                0x84 => a = a.wrapping_neg(),
                0x05 => pc += i.k as usize,
                0x06 => return i.k,
                0x16 => return a,
                0x07 => x = a,
                0x87 => a = x,
                c => {
                    let yes = match c & 0xf0 {
                        0x10 => a == by,
                        0x20 => a > by,
                        0x30 => a >= by,
                        _ => a & by != 0,
                    };
                    pc += usize::from(if yes { i.jt } else { i.jf });
                }
            }
        }
        ret::KILL_PROCESS
    }
}

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
        let total = program.0.len() + 4 + prev.as_ref().map_or(0, |p| p.total);
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
