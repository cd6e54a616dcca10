//! Classic BPF over `seccomp_data`: checking and running of programs.

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

const DATA_SIZE: u32 = 64;
impl Insn {
    fn translated_len(&self) -> usize {
        const JSET: u16 = 0x40;
        match self.code {
            0x06 => 2,
            // Division by X looks for zero first.
            0x3c => 5,
            c if c & 7 == 5 && c != 0x05 => {
                let to_the_next = self.jf == 0 || self.jt == 0 && c & 0xf0 != JSET;
                // A constant with the highest bit set goes through a register.
                let constant = c & 8 == 0 && self.k > i32::MAX.cast_unsigned();
                usize::from(constant) + if to_the_next { 1 } else { 2 }
            }
            _ => 1,
        }
    }
}

/// Longest program.
pub const MAX_INSNS: usize = 4096;

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
    /// How many instructions it has once Linux has translated it, which is what counts for the length of chains.
    pub(super) fn translated_len(&self) -> usize {
        const PROLOGUE: usize = 3;
        PROLOGUE + self.0.iter().map(Insn::translated_len).sum::<usize>()
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
        super::ret::KILL_PROCESS
    }
}
