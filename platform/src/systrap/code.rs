//! The code that runs in stubs: the mapper's loop, the start of a thread, and the handler of all traps.
//!
//! It is assembled into Picket's own image, copied into a memory file at start and mapped from there. It refers to
//! nothing outside its page but by its distance from the page, so it works at any address.

use super::layout::*;

core::arch::global_asm!(
    ".pushsection .rodata.picket_stub,\"a\",@progbits",
    ".balign 16",
    ".hidden picket_stub_begin", ".globl picket_stub_begin",
    "picket_stub_begin:",

    // The mapper. r12: page of operations, r13d: last batch seen. It has no stack and keeps everything in registers.
    ".hidden picket_stub_mapper", ".globl picket_stub_mapper",
    "picket_stub_mapper:",
    "lea r12, [rip + picket_stub_begin]",
    "lea r15, [r12 + {ack}]",
    "add r12, {ops}",
    "xor r13d, r13d",
    "20:", // idle
    "mov ecx, [r12 + {ops_spin}]",
    "21:",
    "mov eax, [r12 + {ops_seq}]",
    "cmp eax, r13d",
    "jne 23f",
    "pause",
    "sub ecx, 1",
    "jg 21b",
    "lea rdi, [r12 + {ops_seq}]",
    "xor esi, esi", // FUTEX_WAIT
    "mov edx, r13d",
    "xor r10d, r10d",
    "mov eax, 202",
    "syscall",
    "jmp 20b",
    "23:", // a batch
    "mov r13d, eax",
    "lea rbx, [r12 + {ops_first}]",
    "mov r14d, [r12 + {ops_count}]",
    "24:", // the next operation
    "test r14d, r14d",
    "jz 27f",
    "mov rax, [rbx]",
    "mov rdi, [rbx + 8]",
    "mov rsi, [rbx + 16]",
    "mov rdx, [rbx + 24]",
    "mov r10, [rbx + 32]",
    "mov r8, [rbx + 40]",
    "mov r9, [rbx + 48]",
    "syscall",
    "mov ecx, [rbx + 56]",
    "cmp ecx, {then_expect}",
    "je 29f",
    "cmp rax, -4095",
    "jae 28f",
    "test ecx, ecx",
    "jz 25f",
    "test rax, rax",
    "jnz 26f",
    "cmp ecx, {then_thread}",
    "je picket_stub_thread",
    "25:", // done with this one
    "add rbx, {op_len}",
    "sub r14d, 1",
    "jmp 24b",
    "26:", // the parent after making a task
    "cmp ecx, {then_fork}",
    "jne 25b",
    "27:", // all is done; a new process now sees a page of its own
    "mov r13d, [r12 + {ops_seq}]",
    "lea rsi, [r12 + {ops_ok}]",
    "jmp 30f",
    "28:", // failed: the errno as a word of the read-only page
    "neg eax",
    "and eax, 0xff",
    "lea rsi, [r12 + rax * 4 + {ops_errnos}]",
    "jmp 30f",
    "29:",
    "cmp eax, [rbx + 60]",
    "je 25b",
    "mov edi, 1",
    "mov eax, 231",
    "syscall",
    "30:", // answer
    "mov edi, {fd_ack}",
    "mov edx, 4",
    "mov r10, [r12 + {ops_ack_offset}]",
    "mov eax, 18", // pwrite64
    "syscall",
    "mov rdi, r15",
    "mov esi, 1", // FUTEX_WAKE
    "mov edx, 1",
    "mov eax, 202",
    "syscall",
    "jmp 20b",

    // A new thread. rsp: end of its area.
    "picket_stub_thread:",
    "lea rbx, [rsp - {area_len}]",
    "xor edi, edi",
    "mov esi, -1",
    "xor edx, edx",
    "mov eax, 436", // close_range
    "syscall",
    "lea rdi, [rbx + {area_stack_t}]",
    "xor esi, esi",
    "mov eax, 131", // sigaltstack
    "syscall",
    "test eax, eax",
    "jnz 40f",
    "mov edi, 2", // SIG_SETMASK
    "lea rsi, [rbx + {area_no_signals}]",
    "xor edx, edx",
    "mov r10d, 8",
    "mov eax, 14", // rt_sigprocmask
    "syscall",
    "test eax, eax",
    "jnz 40f",
    "mov edi, 1", // SECCOMP_SET_MODE_FILTER
    "xor esi, esi",
    "lea rdx, [rip + picket_stub_guest_fprog]",
    "mov eax, 317", // seccomp
    "syscall",
    "test eax, eax",
    "jnz 40f",
    "xor esp, esp", // so that the signal's frame is at the top of the area
    "ud2",
    "40:",
    "mov edi, 1",
    "mov eax, 60",
    "syscall",

    // The handler of all signals. rdi: number, rsi: information, rdx: context, rsp: in the thread's area.
    ".hidden picket_stub_handler", ".globl picket_stub_handler",
    "picket_stub_handler:",
    "mov r12, rdx",
    "mov rbx, rsp",
    "and rbx, -{area_len}",
    "cld",
    "mov [rbx + {area_signal}], edi",
    "sub rsi, rbx",
    "mov [rbx + {area_siginfo}], rsi",
    "sub rdx, rbx",
    "mov [rbx + {area_ucontext}], rdx",
    "rdfsbase rax",
    "mov [rbx + {area_fs}], rax",
    "rdgsbase rax",
    "mov [rbx + {area_gs}], rax",
    "mov ebp, [rbx + {area_spin}]",
    "mov eax, {trapped}",
    "xchg [rbx + {area_state}], eax", // a full fence, so that the sentry's wishes are read after
    "cmp dword ptr [rbx + {area_exit}], 0",
    "jne 57f",
    "lea r14, [rip + picket_stub_begin]",
    "add r14, {doorbell}",
    "cmp dword ptr [r14 + {bell_wanted}], 0",
    "je 51f",
    "lock inc dword ptr [r14 + {bell_seq}]",
    "lea rdi, [r14 + {bell_seq}]",
    "mov esi, 1", // FUTEX_WAKE
    "mov edx, 1",
    "mov eax, 202",
    "syscall",
    "51:",
    "mov eax, [rbx + {area_state}]",
    "cmp eax, {trapped}",
    "jne 55f",
    "pause",
    "sub ebp, 1",
    "jg 51b",
    "mov eax, {trapped}",
    "mov ecx, {sleeping}",
    "lock cmpxchg [rbx + {area_state}], ecx",
    "jne 55f",
    "52:",
    "lea rdi, [rbx + {area_state}]",
    "xor esi, esi", // FUTEX_WAIT
    "mov edx, {sleeping}",
    "xor r10d, r10d",
    "mov eax, 202",
    "syscall",
    "mov eax, [rbx + {area_state}]",
    "cmp eax, {sleeping}",
    "je 52b",
    "55:",
    "cmp eax, {exit}",
    "je 57f",
    "mov rax, [rbx + {area_fs}]",
    "wrfsbase rax",
    "mov rax, [rbx + {area_gs}]",
    "wrgsbase rax",
    "mov rsp, r12",
    // The restorer, which the handler never returns to.
    ".hidden picket_stub_restorer", ".globl picket_stub_restorer",
    "picket_stub_restorer:",
    "mov eax, 15", // rt_sigreturn
    "syscall",
    "57:",
    "xor edi, edi",
    "mov eax, 60", // exit
    "syscall",
    "ud2",

    // Filled in by the sentry: the filters' descriptors and instructions.
    ".balign 16",
    ".hidden picket_stub_guest_fprog", ".globl picket_stub_guest_fprog",
    "picket_stub_guest_fprog:",
    ".skip 16",
    ".hidden picket_stub_end", ".globl picket_stub_end",
    "picket_stub_end:",
    ".popsection",
    ack = const ACK, ops = const OPS, doorbell = const DOORBELL,
    ops_seq = const OPS_SEQ, ops_count = const OPS_COUNT, ops_ack_offset = const OPS_ACK_OFFSET, ops_ok = const OPS_OK,
    ops_spin = const OPS_SPIN, ops_first = const OPS_FIRST, ops_errnos = const OPS_ERRNOS, op_len = const OP_LEN,
    then_thread = const THEN_THREAD, then_fork = const THEN_FORK, then_expect = const THEN_EXPECT,
    fd_ack = const FD_ACK,
    area_len = const AREA_LEN, area_state = const AREA_STATE, area_spin = const AREA_SPIN, area_signal = const AREA_SIGNAL,
    area_ucontext = const AREA_UCONTEXT, area_siginfo = const AREA_SIGINFO, area_fs = const AREA_FS, area_gs = const AREA_GS,
    area_exit = const AREA_EXIT, area_stack_t = const AREA_STACK_T, area_no_signals = const AREA_NO_SIGNALS,
    trapped = const STATE_TRAPPED, sleeping = const STATE_SLEEPING, exit = const STATE_EXIT,
    bell_seq = const BELL_SEQ, bell_wanted = const BELL_WANTED,
);

unsafe extern "C" {
    static picket_stub_begin: u8;
    static picket_stub_mapper: u8;
    static picket_stub_handler: u8;
    static picket_stub_restorer: u8;
    static picket_stub_guest_fprog: u8;
    static picket_stub_end: u8;
}

fn distance(symbol: *const u8) -> u64 {
    symbol as u64 - &raw const picket_stub_begin as u64
}

/// Offset in the code at which the mapper starts.
pub(super) fn mapper() -> u64 {
    distance(&raw const picket_stub_mapper)
}

/// Offset in the code of the handler of signals.
pub(super) fn handler() -> u64 {
    distance(&raw const picket_stub_handler)
}

/// Offset in the code of the signals' restorer.
pub(super) fn restorer() -> u64 {
    distance(&raw const picket_stub_restorer)
}

/// Offset in the code of the descriptor (`struct sock_fprog`) of the guests' filter.
pub(super) fn guest_fprog() -> u64 {
    distance(&raw const picket_stub_guest_fprog)
}

/// The code, without filters.
pub(super) fn image() -> Vec<u8> {
    let len = distance(&raw const picket_stub_end) as usize;
    // SAFETY: the assembly above lies between the two symbols, is never written and lives as long as the program.
    unsafe { core::slice::from_raw_parts(&raw const picket_stub_begin, len) }.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_its_page_with_room_for_filters() {
        assert!(image().len() < 2048, "{}", image().len());
        assert_eq!(mapper(), 0);
        assert!(handler() < restorer() && restorer() < guest_fprog());
    }
}
