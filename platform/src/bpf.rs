//! Pieces of the seccomp filters of stubs. These look at the instruction pointer, which the libraries that compile filters know nothing of;
//! hence these few instructions by hand.

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW, sock_filter};

pub(crate) const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
// Offsets in `struct seccomp_data`.
pub(crate) const OFFSET_NR: u32 = 0;
pub(crate) const OFFSET_ARCH: u32 = 4;
pub(crate) const OFFSET_IP: u32 = 8;

pub(crate) fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

pub(crate) fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

/// Skips `skip` instructions unless the accumulator has the value.
pub(crate) fn unless_equal(k: u32, skip: usize) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: 0, jf: skip as u8, k }
}

/// The end of a filter: permits `calls`, and has `refusal` for all others, which is the last but one instruction.
pub(crate) fn allow_list(calls: &[(i64, &str)], refusal: u32) -> Vec<sock_filter> {
    let mut f = vec![load(OFFSET_NR)];
    for (i, (nr, _)) in calls.iter().enumerate() {
        let to_allow = calls.len() - i;
        f.push(sock_filter {
            code: (BPF_JMP | BPF_JEQ | BPF_K) as u16,
            jt: to_allow as u8,
            jf: 0,
            k: *nr as u32,
        });
    }
    f.push(statement(BPF_RET | BPF_K, refusal));
    f.push(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    f
}
