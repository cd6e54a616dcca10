//! Filters of the host's system calls: of the tasks that run guest code, and of the mapper.
//!
//! They look at the instruction pointer: the same call is the guest's, and traps, or the stub's, and passes, depending on where it is made.

use libc::{BPF_ALU, BPF_JGE, BPF_JMP, BPF_K, SECCOMP_RET_TRAP, sock_filter};

use crate::bpf::{AUDIT_ARCH_X86_64, OFFSET_ARCH, OFFSET_IP, allow_list, load, statement, unless_equal};

/// Host calls that a task which runs guest code may make, from the stub's code only.
pub const GUEST_CALLS: &[(i64, &str)] = &[
    (libc::SYS_futex, "sleep until the sentry has answered; wake it, or who runs next on the processor"),
    (libc::SYS_rt_sigreturn, "go on in guest code"),
    (libc::SYS_exit, "end the thread"),
];

/// Host calls that a mapper may make; a filter of guests is added to it in the threads that it makes.
pub const MAPPER_CALLS: &[(i64, &str)] = &[
    (libc::SYS_mmap, "map guest memory"),
    (libc::SYS_munmap, "unmap guest memory"),
    (libc::SYS_mprotect, "protect guest memory"),
    (libc::SYS_madvise, "advise on guest memory"),
    (libc::SYS_futex, "sleep until there is a batch, and wake who waits for it; also as a guest's task"),
    (libc::SYS_pwrite64, "answer"),
    (libc::SYS_clone, "make guest threads, and stubs from the first one"),
    (libc::SYS_close_range, "give up descriptors at a thread's start"),
    (libc::SYS_sigaltstack, "set up a thread's stack for signals"),
    (libc::SYS_rt_sigprocmask, "unblock signals but the kick at a thread's start"),
    (libc::SYS_seccomp, "take on the filter of guests at a thread's start"),
    (libc::SYS_prctl, "die with the sentry"),
    (
        libc::SYS_unshare,
        "find out whether a thread of an old guest is left; asks for nothing that would have an effect",
    ),
    (libc::SYS_getppid, "find out whether the sentry has died already"),
    (libc::SYS_rt_sigreturn, "go on in guest code, as a guest's task"),
    (libc::SYS_exit, "end the thread, as a guest's task"),
    (libc::SYS_exit_group, "end when the sentry has died"),
];

/// The filter of tasks that run guest code: what is not a call of the stub's own code raises `SIGSYS`.
///
/// `code` is the address of the stub's code, which does not cross a 4 GiB boundary, and `len` its length.
pub(super) fn guest(code: u64, len: u64) -> Vec<sock_filter> {
    let (high, low) = ((code >> 32) as u32, code as u32);
    let rest = allow_list(GUEST_CALLS, SECCOMP_RET_TRAP);
    let trap = rest.len() - 2;
    let mut f = vec![load(OFFSET_ARCH), unless_equal(AUDIT_ARCH_X86_64, 5 + trap), load(OFFSET_IP + 4)];
    f.push(unless_equal(high, 3 + trap));
    f.push(load(OFFSET_IP));
    f.push(statement(BPF_ALU | libc::BPF_SUB | BPF_K, low));
    // Past the end: to the trap.
    f.push(sock_filter { code: (BPF_JMP | BPF_JGE | BPF_K) as u16, jt: trap as u8, jf: 0, k: len as u32 });
    f.extend(rest);
    f
}

/// The filter of mappers. The threads that a mapper makes inherit it, and a guest's call must raise `SIGSYS` in them, so it cannot
/// say more; a mapper itself has no stack for the signal and dies of it, with its stub.
pub(super) fn mapper() -> Vec<sock_filter> {
    let rest = allow_list(MAPPER_CALLS, SECCOMP_RET_TRAP);
    let trap = rest.len() - 2;
    let mut f = vec![load(OFFSET_ARCH), unless_equal(AUDIT_ARCH_X86_64, trap)];
    f.extend(rest);
    f
}

/// The instructions as they lie in memory.
pub(super) fn bytes(filter: &[sock_filter]) -> Vec<u8> {
    let one = |i: &sock_filter| {
        let [a, b] = i.code.to_le_bytes();
        let [w, x, y, z] = i.k.to_le_bytes();
        [a, b, i.jt, i.jf, w, x, y, z]
    };
    filter.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use libc::{BPF_ABS, BPF_JEQ, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW};

    use super::*;
    use crate::bpf::OFFSET_NR;

    /// Runs a filter as the host would.
    fn verdict(filter: &[sock_filter], nr: u32, arch: u32, ip: u64) -> u32 {
        let (mut pc, mut a) = (0, 0u32);
        loop {
            let i = &filter[pc];
            pc += 1;
            let code = u32::from(i.code);
            let jump = |taken: bool| usize::from(if taken { i.jt } else { i.jf });
            if code == BPF_LD | BPF_W | BPF_ABS {
                a = match i.k {
                    OFFSET_NR => nr,
                    OFFSET_ARCH => arch,
                    OFFSET_IP => ip as u32,
                    k if k == OFFSET_IP + 4 => (ip >> 32) as u32,
                    k => panic!("offset {k}"),
                };
            } else if code == BPF_ALU | libc::BPF_SUB | BPF_K {
                a = a.wrapping_sub(i.k);
            } else if code == BPF_JMP | BPF_JEQ | BPF_K {
                pc += jump(a == i.k);
            } else if code == BPF_JMP | BPF_JGE | BPF_K {
                pc += jump(a >= i.k);
            } else {
                assert_eq!(code, BPF_RET | BPF_K);
                return i.k;
            }
        }
    }

    #[test]
    fn guests_pass_only_from_the_stub() {
        let (code, len) = (0x7ffe_1230_0000, 0x300);
        let f = guest(code, len);
        let at = |nr: i64, ip| verdict(&f, nr as u32, AUDIT_ARCH_X86_64, ip);
        for (nr, _) in GUEST_CALLS {
            assert_eq!(at(*nr, code + 2), SECCOMP_RET_ALLOW);
            assert_eq!(at(*nr, code + len), SECCOMP_RET_TRAP);
            assert_eq!(at(*nr, code - 1), SECCOMP_RET_TRAP);
            assert_eq!(at(*nr, code + 2 + (1 << 32)), SECCOMP_RET_TRAP);
            assert_eq!(verdict(&f, *nr as u32, 0x4000_0003, code + 2), SECCOMP_RET_TRAP);
        }
        for nr in (0..600).filter(|n| GUEST_CALLS.iter().all(|(a, _)| a != n)) {
            assert_eq!(at(nr, code + 2), SECCOMP_RET_TRAP, "{nr}");
            assert_eq!(at(nr, 0x40_0000), SECCOMP_RET_TRAP);
        }
    }

    #[test]
    fn mappers_trap_at_anything_else() {
        let f = mapper();
        for nr in 0..600 {
            let want =
                if MAPPER_CALLS.iter().any(|(n, _)| *n == nr) { SECCOMP_RET_ALLOW } else { SECCOMP_RET_TRAP };
            assert_eq!(verdict(&f, nr as u32, AUDIT_ARCH_X86_64, 0), want, "{nr}");
            assert_eq!(verdict(&f, nr as u32, 0x4000_0003, 0), SECCOMP_RET_TRAP);
        }
    }
}
