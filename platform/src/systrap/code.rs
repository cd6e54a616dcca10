//! The code that runs in stubs: the mapper's loop, the start of a thread, and the handler of all traps.
//!
//! It is assembled into Picket's own image, copied into a memory file at start and mapped from there. It refers to
//! nothing outside its page but by its distance from the page, so it works at any address.

use super::cpus::has_rdpid;
use super::frame::UC_RIP;
use super::layout::*;
use super::seed::KICK;

core::arch::global_asm!(
    include_str!("stub.s"),
    ack = const ACK, ops = const OPS, doorbell = const DOORBELL,
    ops_seq = const OPS_SEQ, ops_count = const OPS_COUNT, ops_ack_offset = const OPS_ACK_OFFSET, ops_ok = const OPS_OK,
    ops_spin = const OPS_SPIN, ops_first = const OPS_FIRST, ops_errnos = const OPS_ERRNOS, op_len = const OP_LEN,
    then_thread = const THEN_THREAD, then_fork = const THEN_FORK, then_expect = const THEN_EXPECT,
    fd_ack = const FD_ACK,
    area_len = const AREA_LEN, area_state = const AREA_STATE, area_spin = const AREA_SPIN, area_signal = const AREA_SIGNAL,
    area_ucontext = const AREA_UCONTEXT, area_siginfo = const AREA_SIGINFO, area_fs = const AREA_FS, area_gs = const AREA_GS,
    area_kicked = const AREA_KICKED, area_cpu = const AREA_CPU, worker_cpu = const AREA_WORKER_CPU, area_exit = const AREA_EXIT, area_stack_t = const AREA_STACK_T,
    trapped = const STATE_TRAPPED, sleeping = const STATE_SLEEPING, exit = const STATE_EXIT,
    fast = const STATE_FAST, fast_sleeping = const STATE_FAST_SLEEPING, save = const STATE_SAVE, save_rest = const STATE_SAVE_REST, save_watched = const SAVE_WATCHED,
    hand_over = const STATE_HAND_OVER, fast_hand_over = const STATE_FAST_HAND_OVER, ops_wake = const OPS_WAKE,
    ops_then_wake = const OPS_THEN_WAKE, area_wake = const AREA_WAKE, wake_other = const WAKE_OTHER,
    bell_seq = const BELL_SEQ, bell_wanted = const BELL_WANTED,
    doorbell_seq = const DOORBELL + BELL_SEQ, doorbell_wanted = const DOORBELL + BELL_WANTED,
    reason = const REASON, reason_call = const REASON_CALL, reason_kick = const REASON_KICK,
    cpu_segment = const CPU_SEGMENT,
    kick = const KICK, birth_mask = const 1u64 << (KICK - 1), uc_rip = const UC_RIP,
    c_rax = const C_RAX, c_rdi = const C_RDI, c_rsi = const C_RSI, c_rdx = const C_RDX, c_r10 = const C_R10,
    c_r8 = const C_R8, c_r9 = const C_R9, c_rip = const C_RIP, c_flags = const C_FLAGS, c_rsp = const C_RSP,
    c_rbx = const C_RBX, c_rbp = const C_RBP, c_r12 = const C_R12, c_r13 = const C_R13, c_r14 = const C_R14,
    c_r15 = const C_R15, c_tail = const C_TAIL, c_rcx = const C_RCX, c_fs = const C_FS, c_gs = const C_GS,
    load_fpu = const LOAD_FPU, load_stack = const LOAD_STACK, flags_stack = const FLAGS_STACK, xmask = const XMASK,
    area_fpu = const AREA_FPU,
    asked = const ASKED, identity = const IDENTITY,
);

unsafe extern "C" {
    static picket_stub_begin: u8;
    static picket_stub_mapper: u8;
    static picket_stub_handler: u8;
    static picket_stub_restorer: u8;
    static picket_stub_ask: u8;
    static picket_stub_asked: u8;
    static picket_stub_answered: u8;
    static picket_stub_call: u8;
    static picket_stub_flags: u8;
    static picket_stub_wait: u8;
    static picket_stub_return: u8;
    static picket_stub_load: u8;
    static picket_stub_loaded: u8;
    static picket_stub_places: u8;
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

/// Offset in the code of what trampolines jump to.
pub(super) fn call() -> u64 {
    distance(&raw const picket_stub_call)
}

/// Offset in the code of what trampolines jump to whose call may be answered by the stub.
pub(super) fn ask() -> u64 {
    distance(&raw const picket_stub_ask)
}

/// Where in the code for system calls a signal has struck a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The call has not been made; `rcx` is where it returns to, and the other registers are the guest's.
    Before,
    /// The call has not been made; stack pointer and return address are in the area.
    Posting,
    /// The call has been made, and its result is in the area.
    After,
    /// The call has been made, and its result is in place. Where it returns to is in the area.
    Answered,
    /// The registers that the sentry wishes are being loaded.
    Loading,
}

/// The stage of the instruction at this offset in the code, which is not yet executed; `None` for other code.
pub(super) fn stage(offset: u64) -> Option<Stage> {
    let before = |symbol: *const u8| offset < distance(symbol);
    if before(&raw const picket_stub_ask) {
        None
    } else if before(&raw const picket_stub_asked) {
        Some(Stage::Before)
    } else if before(&raw const picket_stub_answered) {
        Some(Stage::Posting)
    } else if before(&raw const picket_stub_call) {
        Some(Stage::Answered)
    } else if before(&raw const picket_stub_flags) {
        Some(Stage::Before)
    } else if before(&raw const picket_stub_wait) {
        Some(Stage::Posting)
    } else if before(&raw const picket_stub_return) {
        None
    } else if before(&raw const picket_stub_load) {
        Some(Stage::After)
    } else if before(&raw const picket_stub_loaded) {
        Some(Stage::Loading)
    } else {
        None
    }
}

/// Offset in the code of the descriptor (`struct sock_fprog`) of the guests' filter.
pub(super) fn guest_fprog() -> u64 {
    distance(&raw const picket_stub_guest_fprog)
}

/// How the code asks for its processor: `mov ecx, CPU_SEGMENT; lsl ecx, ecx`.
const CPU_BY_SEGMENT: [u8; 8] = [0xb9, CPU_SEGMENT as u8, 0, 0, 0, 0x0f, 0x03, 0xc9];
/// The quicker way, `rdpid rcx`, and a `nop` in the place of the rest.
const CPU_BY_RDPID: [u8; 8] = [0xf3, 0x0f, 0xc7, 0xf9, 0x0f, 0x1f, 0x40, 0x00];

/// The code, without filters, for this processor.
pub(super) fn image() -> Vec<u8> {
    let mut code = assembled();
    if has_rdpid() {
        for at in cpu_places(&code) {
            code[at..at + CPU_BY_RDPID.len()].copy_from_slice(&CPU_BY_RDPID);
        }
    }
    let places = distance(&raw const picket_stub_places) as usize;
    for (place, number) in (1..).zip(ANSWERED_HERE) {
        code[places + usize::from(number)] = place;
    }
    code
}

fn cpu_places(code: &[u8]) -> Vec<usize> {
    let windows = code.windows(CPU_BY_SEGMENT.len()).enumerate();
    windows.filter(|(_, bytes)| *bytes == CPU_BY_SEGMENT).map(|(at, _)| at).collect()
}

fn assembled() -> Vec<u8> {
    let len = distance(&raw const picket_stub_end) as usize;
    // SAFETY: the assembly above lies between the two symbols, is never written and lives as long as the program.
    unsafe { core::slice::from_raw_parts(&raw const picket_stub_begin, len) }.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_its_page_with_room_for_filters() {
        assert!(image().len() < 2560, "{}", image().len());
        assert_eq!(mapper(), 0);
        assert!(handler() < restorer() && restorer() < guest_fprog());
    }

    #[test]
    fn asks_for_its_processor_by_the_quickest_way() {
        // At traps by signals, and at calls.
        assert_eq!(cpu_places(&assembled()).len(), 2);
        assert_eq!(cpu_places(&image()).is_empty(), has_rdpid());
        assert_eq!(image().len(), assembled().len());
    }

    #[test]
    fn stages_follow_each_other() {
        let stages: Vec<_> = (0..guest_fprog()).map(stage).collect();
        let mut seen: Vec<_> = stages.clone();
        seen.dedup();
        let [before, posting] = [Stage::Before, Stage::Posting].map(Some);
        let expected = [
            None,
            before,
            posting,
            Some(Stage::Answered),
            before,
            posting,
            None,
            Some(Stage::After),
            Some(Stage::Loading),
            None,
        ];
        assert_eq!(seen, expected);
        assert_eq!((stages[call() as usize], stages[ask() as usize]), (before, before));
    }
}
