//! Where things are in a stub, and in the pages that stubs and sentry share.
//!
//! The top of a stub's address space belongs to Picket, the rest to the guest:
//!
//! ```text
//! base + CODE      r-x  the stub's code and its filters
//! base + OPS       r--  batches of operations for the mapper, written by the sentry only
//! base + ACK       r--  the mapper's answers, which it writes through a descriptor
//! base + DOORBELL  rw-  wakes the sentry; shared by all stubs
//! base + WAKES     r--  a word for each thread and each mapper of any stub, where it sleeps; written by the sentry only
//! base + AREAS     rw-  one area for each host thread: handoff words, floating-point state, the stack for signals
//! ```
//!
//! Whatever is writable there can be written by the guest at any time, so the sentry reads each word once and checks it.

/// Bytes at the top of a stub's address space that are not the guest's.
pub(super) const REGION: u64 = 512 << 20;
pub(super) const CODE: u64 = 0;
pub(super) const CODE_LEN: u64 = 0x1000;
pub(super) const OPS: u64 = 0x2000;
pub(super) const ACK: u64 = 0x3000;
pub(super) const DOORBELL: u64 = 0x4000;
pub(super) const WAKES: u64 = 0x1_0000;
pub(super) const AREAS: u64 = 0x10_0000;
pub(super) const PAGE: u64 = 0x1000;
/// The highest address at which the region may begin; it is moved down by a random amount.
pub(super) const HIGHEST_BASE: u64 = 0x7fff_c000_0000;
/// Alignment of the region's beginning.
pub(super) const BASE_ALIGN: u64 = 2 << 20;
/// End of user space with four-level page tables.
pub(super) const TASK_END: u64 = 0x7fff_ffff_f000;

/// Length of a thread's area, a power of two: the stub's handler finds the area by masking its stack pointer.
pub(super) const AREA_LEN: u64 = 32 << 10;
/// Host threads that one stub can have.
pub(super) const MAX_THREADS: u64 = (REGION - AREAS) / AREA_LEN;

// Words of an area. The first line is what a system call of rewritten code passes and what it gets back, and all that goes to and fro
// between two processors for most calls; the next ones are the rest of its registers (`C_*`), which the sentry reads when it needs them,
// and may replace.
pub(super) const AREA_STATE: u64 = 0;
/// Why a thread is in state [`STATE_FAST`].
pub(super) const REASON: u64 = 4;
pub(super) const C_RAX: u64 = 8;
pub(super) const C_RDI: u64 = 16;
pub(super) const C_RSI: u64 = 24;
pub(super) const C_RDX: u64 = 32;
pub(super) const C_R10: u64 = 40;
pub(super) const C_R8: u64 = 48;
pub(super) const C_R9: u64 = 56;
pub(super) const C_RIP: u64 = 64;
pub(super) const C_FLAGS: u64 = 72;
pub(super) const C_RSP: u64 = 80;
pub(super) const C_RBX: u64 = 88;
pub(super) const C_RBP: u64 = 96;
pub(super) const C_R12: u64 = 104;
pub(super) const C_R13: u64 = 112;
pub(super) const C_R14: u64 = 120;
pub(super) const C_R15: u64 = 128;
/// Where the trampoline goes on after the call.
pub(super) const C_TAIL: u64 = 136;
/// The number of a call that may be answered here.
pub(super) const ASKED: u64 = 168;
// Only for registers that the sentry replaces.
pub(super) const C_RCX: u64 = 144;
pub(super) const C_FS: u64 = 152;
pub(super) const C_GS: u64 = 160;
/// What `pop r11` and `iretq` take: r11, rip, cs, flags, rsp, ss.
pub(super) const C_LOAD: u64 = 192;
/// Whether the state at [`AREA_FPU`] is to be loaded with the registers.
pub(super) const LOAD_FPU: u64 = 240;
// Constants and words that seldom change.
/// The area's address, negated: how a trampoline finds out that GS is the thread's own.
pub(super) const SELF_NEGATED: u64 = 256;
/// Address of the stub's code for system calls.
pub(super) const ENTRY: u64 = 264;
/// Address past [`C_FLAGS`], where flags are pushed.
pub(super) const FLAGS_STACK: u64 = 272;
/// Address of [`C_LOAD`].
pub(super) const LOAD_STACK: u64 = 280;
/// Which parts of the floating-point state are saved and loaded.
pub(super) const XMASK: u64 = 288;
pub(super) const AREA_SPIN: u64 = 296;
pub(super) const AREA_KICKED: u64 = 300;
/// The processor of the worker that resumed the thread last.
pub(super) const AREA_WORKER_CPU: u64 = 304;
/// The processor that the thread trapped on, as [`super::cpus::this_cpu`] numbers them. It is written only when it is another one.
pub(super) const AREA_CPU: u64 = 312;
/// Whether the sentry sleeps until the thread has saved its floating-point state.
pub(super) const SAVE_WATCHED: u64 = 308;
// For traps by signal.
pub(super) const AREA_SIGNAL: u64 = 320;
pub(super) const AREA_TID: u64 = 324;
pub(super) const AREA_UCONTEXT: u64 = 328;
pub(super) const AREA_SIGINFO: u64 = 336;
pub(super) const AREA_FS: u64 = 344;
pub(super) const AREA_GS: u64 = 352;
pub(super) const AREA_EXIT: u64 = 360;
pub(super) const AREA_STACK_T: u64 = 368;
/// Address of the word where the thread sleeps.
pub(super) const AREA_WAKE: u64 = 392;
/// Address of the word where the one sleeps that a thread is to wake which is told to hand over.
pub(super) const WAKE_OTHER: u64 = 400;
/// Who the guest thread is: a word for each call of [`ANSWERED_HERE`], with all bits inverted, or zero for a call that the sentry answers.
pub(super) const IDENTITY: u64 = 448;
/// Address of the stub's code for calls that may be answered here.
pub(super) const ASK_ENTRY: u64 = 480;
/// Where the floating-point state is saved to and loaded from.
pub(super) const AREA_FPU: u64 = PAGE;
/// Longest state that fits there.
pub(super) const AREA_FPU_LEN: u64 = 3 * PAGE;
pub(super) const AREA_STACK: u64 = AREA_FPU + AREA_FPU_LEN;

/// The calls that a stub answers by itself, in the order of their words: `getpid`, `gettid`, `getppid`, `getuid`, `geteuid`, `getgid`,
/// `getegid`.
pub(super) const ANSWERED_HERE: [u8; 7] = [39, 186, 110, 102, 107, 104, 108];

/// The segment whose limit tells the number of the processor, `__CPUNODE_SEG` in `arch/x86/include/asm/segment.h`.
pub(super) const CPU_SEGMENT: u32 = 0x7b;

/// The guest runs, or is to run.
pub(super) const STATE_RUN: u32 = 0;
/// The thread has trapped and spins.
pub(super) const STATE_TRAPPED: u32 = 1;
/// The thread has trapped and sleeps.
pub(super) const STATE_SLEEPING: u32 = 2;
/// The thread is to end.
pub(super) const STATE_EXIT: u32 = 3;
/// The thread has trapped in rewritten code, without a signal, and spins.
pub(super) const STATE_FAST: u32 = 4;
/// As [`STATE_FAST`], and it sleeps.
pub(super) const STATE_FAST_SLEEPING: u32 = 5;
/// The thread, which was in one of these two states, is to save its floating-point state.
pub(super) const STATE_SAVE: u32 = 6;
/// The thread, which was in one of these two states, is to load all registers.
pub(super) const STATE_LOAD: u32 = 7;
/// As [`STATE_SAVE`], and then to sleep.
pub(super) const STATE_SAVE_REST: u32 = 8;
/// The thread, which was in state [`STATE_FAST`], is to wake somebody and then to sleep.
pub(super) const STATE_FAST_HAND_OVER: u32 = 9;
/// The same for one that was in state [`STATE_TRAPPED`].
pub(super) const STATE_HAND_OVER: u32 = 10;

/// It makes a system call.
pub(super) const REASON_CALL: u32 = 0;
/// It was kicked after the answer.
pub(super) const REASON_KICK: u32 = 1;

// Words of the page of operations.
pub(super) const OPS_SEQ: u64 = 0;
pub(super) const OPS_COUNT: u64 = 4;
pub(super) const OPS_ACK_OFFSET: u64 = 8;
pub(super) const OPS_OK: u64 = 16;
pub(super) const OPS_SPIN: u64 = 20;
/// Address of the word where the mapper sleeps.
pub(super) const OPS_WAKE: u64 = 24;
/// Address of the word where a thread sleeps that has handed over to the mapper, or zero.
pub(super) const OPS_THEN_WAKE: u64 = 32;
pub(super) const OPS_FIRST: u64 = 64;
pub(super) const OPS_ERRNOS: u64 = 3200;
/// Length of one operation: number, six arguments, what to do with the result.
pub(super) const OP_LEN: u64 = 64;
/// Operations that one page takes.
pub(super) const OPS_MAX: usize = 48;
/// The answer of a batch that was carried out. Another answer is an errno.
pub(super) const ANSWER_OK: u32 = 0x1_0000;

/// The result says nothing beyond success.
pub(super) const THEN_GO_ON: u64 = 0;
/// The operation makes a thread, which starts elsewhere.
pub(super) const THEN_THREAD: u64 = 1;
/// The operation makes a process, which carries out the rest of the batch; this one leaves the rest out.
pub(super) const THEN_FORK: u64 = 2;
/// The result must be the number in the upper half of this word, or the process ends.
pub(super) const THEN_EXPECT: u64 = 3;

// Words of the doorbell's page.
pub(super) const BELL_SEQ: u64 = 0;
pub(super) const BELL_WANTED: u64 = 4;

// Descriptors of a mapper.
pub(super) const FD_MEMORY: i32 = 0;
pub(super) const FD_CONTROL: i32 = 1;
pub(super) const FD_OPS: i32 = 2;
pub(super) const FD_ACK: i32 = 3;
pub(super) const FD_PATCHES: i32 = 4;
pub(super) const FD_CODE: i32 = 5;

const _: () = assert!(IDENTITY + 4 * ANSWERED_HERE.len() as u64 <= ASK_ENTRY);
const _: () = assert!(OPS_FIRST + OPS_MAX as u64 * OP_LEN <= OPS_ERRNOS && OPS_ERRNOS + 4 * 134 <= PAGE);
const _: () = assert!(
    AREA_LEN.is_power_of_two() && AREAS.is_multiple_of(AREA_LEN) && BASE_ALIGN.is_multiple_of(AREA_LEN)
);
