//! The filter of the host's system calls that stubs have, beside being traced: should a stub ever run without its tracer watching, guest
//! code can make no call, and the tracer's own calls are few.
//!
//! The host looks whether a call is to be emulated before it asks filters, so they see the calls that the tracer injects only. Those
//! are all made by one instruction.

use libc::{SECCOMP_RET_KILL_PROCESS, sock_filter};

use crate::bpf::{AUDIT_ARCH_X86_64, OFFSET_ARCH, OFFSET_IP, allow_list, load, unless_equal};

/// The host calls that the tracer makes in stubs.
pub const STUB_CALLS: &[(i64, &str)] = &[
    (libc::SYS_mmap, "map guest memory"),
    (libc::SYS_munmap, "unmap guest memory"),
    (libc::SYS_mprotect, "protect guest memory"),
    (libc::SYS_clone, "make guest threads, and stubs from the first one"),
    (libc::SYS_exit, "end a thread"),
];

/// Permits [`STUB_CALLS`] by the instruction that returns to `ret`. Any other call ends the stub.
pub(super) fn filter(ret: u64) -> Vec<sock_filter> {
    let rest = allow_list(STUB_CALLS, SECCOMP_RET_KILL_PROCESS);
    let end = rest.len() - 2;
    let words =
        [(OFFSET_ARCH, AUDIT_ARCH_X86_64), (OFFSET_IP + 4, (ret >> 32) as u32), (OFFSET_IP, ret as u32)];
    let mut f = Vec::new();
    for (i, (offset, value)) in words.into_iter().enumerate() {
        f.extend([load(offset), unless_equal(value, 2 * (words.len() - 1 - i) + end)]);
    }
    f.extend(rest);
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
