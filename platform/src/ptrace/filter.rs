//! The filter of the host's system calls that stubs have, beside being traced: should a stub ever run without its tracer watching, guest
//! code can make no call, and the tracer's own calls are few.
//!
//! The host looks whether a call is to be emulated before it asks filters, so they see the calls that the tracer injects only. Those
//! are all made by one instruction.

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS,
    sock_filter,
};

/// The host calls that the tracer makes in stubs.
pub const STUB_CALLS: &[(i64, &str)] = &[
    (libc::SYS_mmap, "map guest memory"),
    (libc::SYS_munmap, "unmap guest memory"),
    (libc::SYS_mprotect, "protect guest memory"),
    (libc::SYS_clone, "make guest threads, and stubs from the first one"),
    (libc::SYS_exit, "end a thread"),
];

const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_IP: u32 = 8;

/// Permits [`STUB_CALLS`] by the instruction that returns to `ret`. Any other call ends the stub.
pub(super) fn filter(ret: u64) -> Vec<sock_filter> {
    let statement = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let load = |offset: u32| statement(BPF_LD | BPF_W | BPF_ABS, offset);
    let jump = |k: u32, jt: usize, jf: usize| sock_filter {
        code: (BPF_JMP | BPF_JEQ | BPF_K) as u16,
        jt: jt as u8,
        jf: jf as u8,
        k,
    };
    let n = STUB_CALLS.len();
    // What stands between the comparison and the end of the stub.
    let words =
        [(OFFSET_ARCH, AUDIT_ARCH_X86_64), (OFFSET_IP + 4, (ret >> 32) as u32), (OFFSET_IP, ret as u32)];
    let mut f = Vec::new();
    for (i, (offset, value)) in words.into_iter().enumerate() {
        f.extend([load(offset), jump(value, 0, 2 * (words.len() - 1 - i) + 1 + n)]);
    }
    f.push(load(OFFSET_NR));
    f.extend(STUB_CALLS.iter().enumerate().map(|(i, (nr, _))| jump(*nr as u32, n - i, 0)));
    f.push(statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    f.push(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    f
}

/// The program as it lies at `address`: its description, then its instructions.
pub(super) fn image(filter: &[sock_filter], address: u64) -> Vec<u8> {
    let description = [filter.len() as u64, address + 16].into_iter().flat_map(u64::to_le_bytes);
    let instruction = |i: &sock_filter| {
        let ([a, b], [w, x, y, z]) = (i.code.to_le_bytes(), i.k.to_le_bytes());
        [a, b, i.jt, i.jf, w, x, y, z]
    };
    description.chain(filter.iter().flat_map(instruction)).collect()
}
