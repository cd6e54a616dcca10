//! The code of the vDSO: functions that programs call instead of system calls, position-independent, for a page of their own behind
//! a page of data. What goes around it, an ELF image, the kernel builds.
//!
//! The data: a sequence number that is odd while the rest changes, and the words of a [`CounterScale`](kcore::host::CounterScale).
//! Without a scale (`rate` zero), past its limit, or when it changes all the time, the functions make the system call.

use core::arch::global_asm;

/// Offset of the code in its page; before it is room for the image's headers.
pub const CODE: usize = 0x600;
/// Size of the page of data, which lies before the image.
const PAGE: usize = 4096;

/// Offsets in the page of data.
pub mod data {
    /// The sequence number, 32 bits.
    pub const SEQUENCE: usize = 0;
    /// `CounterScale::base`; this and what follows are 64 bits.
    pub const BASE: usize = 8;
    /// `CounterScale::nanos`.
    pub const NANOS: usize = 16;
    /// `CounterScale::rate`.
    pub const RATE: usize = 24;
    /// `CounterScale::limit`.
    pub const LIMIT: usize = 32;
    /// `CounterScale::realtime`.
    pub const REALTIME: usize = 40;
}

// Of the clocks 0 to 11, those that tell real time (realtime, coarse, TAI) and those that tell monotonic time (monotonic, raw, coarse,
// boot time).
const REAL: u32 = 1 << 0 | 1 << 5 | 1 << 11;
const MONOTONIC: u32 = 1 << 1 | 1 << 4 | 1 << 6 | 1 << 7;
const COARSE: u32 = 1 << 5 | 1 << 6;

global_asm!(
    ".pushsection .rodata.picket_vdso, \"a\", @progbits",
    ".balign 16",
    ".globl picket_vdso_start", ".hidden picket_vdso_start",
    "picket_vdso_start:",
    // rax = the monotonic clock, r10 = what the real-time clock is ahead; else to `fallback`. Changes rcx, rdx, r8, r9, r11.
    ".macro picket_vdso_now fallback",
    "lea r8, [rip + picket_vdso_start - {before}]",
    "mov r11d, 1000",
    "10:",
    "mov r9d, [r8 + {sequence}]",
    "test r9d, 1",
    "jnz 11f",
    "mov rcx, [r8 + {rate}]",
    "test rcx, rcx",
    "jz \\fallback",
    "lfence",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "sub rax, [r8 + {base}]",
    "jae 12f",
    // Read before the base was set: nothing has passed.
    "xor eax, eax",
    "12:",
    "cmp rax, [r8 + {limit}]",
    "jae \\fallback",
    "mul rcx",
    "shrd rax, rdx, 32",
    "add rax, [r8 + {nanos}]",
    "mov r10, [r8 + {realtime}]",
    "cmp r9d, [r8 + {sequence}]",
    "je 13f",
    "11:",
    "pause",
    "dec r11d",
    "jnz 10b",
    "jmp \\fallback",
    "13:",
    ".endm",
    // int clock_gettime(clockid_t, struct timespec *)
    ".balign 16",
    ".globl picket_vdso_clock_gettime", ".hidden picket_vdso_clock_gettime",
    "picket_vdso_clock_gettime:",
    "cmp edi, 31",
    "ja 21f",
    "mov ecx, {known}",
    "bt ecx, edi",
    "jnc 21f",
    "picket_vdso_now 21f",
    "mov ecx, {real}",
    "bt ecx, edi",
    "jnc 20f",
    "add rax, r10",
    "20:",
    "xor edx, edx",
    "mov ecx, 1000000000",
    "div rcx",
    "mov [rsi], rax",
    "mov [rsi + 8], rdx",
    "xor eax, eax",
    "ret",
    "21:",
    "mov eax, 228",
    "syscall",
    "ret",
    // int gettimeofday(struct timeval *, struct timezone *)
    ".balign 16",
    ".globl picket_vdso_gettimeofday", ".hidden picket_vdso_gettimeofday",
    "picket_vdso_gettimeofday:",
    "test rdi, rdi",
    "jz 30f",
    "picket_vdso_now 31f",
    "add rax, r10",
    "xor edx, edx",
    "mov ecx, 1000000000",
    "div rcx",
    "mov [rdi], rax",
    "mov eax, edx",
    "xor edx, edx",
    "mov ecx, 1000",
    "div ecx",
    "mov [rdi + 8], rax",
    "30:",
    "test rsi, rsi",
    "jz 32f",
    "mov qword ptr [rsi], 0",
    "32:",
    "xor eax, eax",
    "ret",
    "31:",
    "mov eax, 96",
    "syscall",
    "ret",
    // time_t time(time_t *)
    ".balign 16",
    ".globl picket_vdso_time", ".hidden picket_vdso_time",
    "picket_vdso_time:",
    "picket_vdso_now 41f",
    "add rax, r10",
    "xor edx, edx",
    "mov ecx, 1000000000",
    "div rcx",
    "test rdi, rdi",
    "jz 40f",
    "mov [rdi], rax",
    "40:",
    "ret",
    "41:",
    "mov eax, 201",
    "syscall",
    "ret",
    // int clock_getres(clockid_t, struct timespec *)
    ".balign 16",
    ".globl picket_vdso_clock_getres", ".hidden picket_vdso_clock_getres",
    "picket_vdso_clock_getres:",
    "cmp edi, 31",
    "ja 52f",
    "mov ecx, {known}",
    "bt ecx, edi",
    "jnc 52f",
    "test rsi, rsi",
    "jz 51f",
    "mov eax, 1",
    "mov ecx, {coarse}",
    "bt ecx, edi",
    "jnc 50f",
    "mov eax, 4000000",
    "50:",
    "mov qword ptr [rsi], 0",
    "mov [rsi + 8], rax",
    "51:",
    "xor eax, eax",
    "ret",
    "52:",
    "mov eax, 229",
    "syscall",
    "ret",
    // int getcpu(unsigned *, unsigned *, void *)
    ".balign 16",
    ".globl picket_vdso_getcpu", ".hidden picket_vdso_getcpu",
    "picket_vdso_getcpu:",
    "mov eax, 309",
    "syscall",
    "ret",
    ".globl picket_vdso_end", ".hidden picket_vdso_end",
    "picket_vdso_end:",
    ".popsection",
    before = const CODE + PAGE,
    sequence = const data::SEQUENCE,
    base = const data::BASE,
    nanos = const data::NANOS,
    rate = const data::RATE,
    limit = const data::LIMIT,
    realtime = const data::REALTIME,
    known = const REAL | MONOTONIC,
    real = const REAL,
    coarse = const COARSE,
);

unsafe extern "C" {
    static picket_vdso_start: u8;
    static picket_vdso_end: u8;
    static picket_vdso_clock_gettime: u8;
    static picket_vdso_gettimeofday: u8;
    static picket_vdso_time: u8;
    static picket_vdso_clock_getres: u8;
    static picket_vdso_getcpu: u8;
}

/// The functions' code, to be at [`CODE`] in its page.
pub fn code() -> &'static [u8] {
    let (start, end) = (&raw const picket_vdso_start, &raw const picket_vdso_end);
    // SAFETY: the two symbols enclose bytes of this program that never change.
    unsafe { core::slice::from_raw_parts(start, end as usize - start as usize) }
}

/// The functions' names without `__vdso_`, where they begin in the page, and how long they are, in the order of the code.
pub fn functions() -> [(&'static str, usize, usize); 5] {
    let starts = [
        ("clock_gettime", &raw const picket_vdso_clock_gettime),
        ("gettimeofday", &raw const picket_vdso_gettimeofday),
        ("time", &raw const picket_vdso_time),
        ("clock_getres", &raw const picket_vdso_clock_getres),
        ("getcpu", &raw const picket_vdso_getcpu),
    ];
    let offset = |at: *const u8| CODE + (at as usize - &raw const picket_vdso_start as usize);
    let ends = starts.iter().skip(1).map(|(_, at)| *at).chain([&raw const picket_vdso_end]);
    let mut ends = ends.map(offset);
    starts.map(|(name, at)| (name, offset(at), ends.next().unwrap_or(offset(at)) - offset(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_fill_the_code_in_order() {
        let all = functions();
        assert_eq!(all[0].1, CODE);
        assert!(all.windows(2).all(|w| w[0].1 + w[0].2 == w[1].1));
        assert_eq!(all[4].1 + all[4].2, CODE + code().len());
        assert!(CODE + code().len() <= 0xa00, "the image needs the rest of the page");
    }
}
