//! Sequences of system calls of all that the table declares, with arguments of the declared types.

use std::collections::HashMap;

use kernel::syscall::{ArgInfo, Entry, entries};

use crate::guest::{self, ARENA, ARENA_LEN, Call};
use crate::input::Input;

/// Paths that arguments point to, in slots of 32 bytes.
const PATHS: &[&[u8]] = &[
    b"/f",
    b"/d",
    b"/d/g",
    b"/s",
    b"/new",
    b"new2",
    b".",
    b"..",
    b"/init",
    b"/script",
    b"/dev/null",
    b"/dev/zero",
    b"/dev/ptmx",
    b"/dev/pts/0",
    b"/dev/tty",
    b"/proc/self/maps",
    b"/proc/self/fd/3",
    b"/proc/self/mem",
    b"/proc/self/status",
    b"/proc/self/task",
    b"/proc/self/exe",
    b"/proc/self/cwd",
    b"/proc/sys/kernel/hostname",
    b"/proc/2/fdinfo/4",
    b"/proc/stat",
    b"/proc/mounts",
    b"/proc/self/ns/uts",
    b"user.x",
    b"tmpfs",
    b"/d/sub",
    b"",
    b"proc",
];
/// Where the structures are, in slots of 32 bytes, and where the input's own bytes are.
const STRUCTURES: u64 = 0x400;
const DATA: u64 = 0x800;
const BUFFERS: u64 = 0x2000;
/// Most calls of one input.
const MAX_CALLS: usize = 48;

/// The beginning of the guest's memory.
fn arena(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; ARENA_LEN];
    for (slot, path) in out.chunks_exact_mut(32).zip(PATHS) {
        slot[..path.len()].copy_from_slice(path);
    }
    let at = |offset: u64| ARENA + offset;
    let structures: &[&[u64]] = &[
        // Buffers of vectored calls.
        &[at(DATA), 16, at(BUFFERS), 600],
        &[at(ARENA_LEN as u64 - 8), 32, 0, 0],
        // Times: a microsecond, a second, none; as interval and value.
        &[0, 1000, 0, 1000],
        &[1, 0, 0, 0],
        &[0, 0, 2, 0],
        // Arguments of a program.
        &[at(0), at(32), 0, 0],
        // A message with the buffers above and control messages from `DATA`.
        &[0, 0, at(STRUCTURES), 2],
        &[at(DATA), 24, 0, 0],
        // Files to poll.
        &[0x0005_0000_0003, 0x0005_0000_0004, 0x0001_0000_0005, 0],
        // A signal's action: handler, SA_RESTORER | SA_SIGINFO, restorer, mask.
        &[ARENA, 0x0400_0004, ARENA, 0],
        &[1, 0x1400_0000, ARENA, 0],
        // Sets of signals.
        &[0, u64::MAX, 1 << 9, 1 << 16],
        // An event to wait for, and how to open.
        &[0x0000_0001_0000_0001, 0, 0x8000_0001, 7],
        &[0o100 | 2, 0o644, 0, 0],
        // Locks: kind and whence, start, length.
        &[1, 0, 10, 0],
        &[0, 5, 0, 0],
        // An alternate stack.
        &[at(BUFFERS), 0, 8192, 0],
        // What to clone: flags, pidfd, child_tid, parent_tid, exit_signal.
        &[0, 0, 0, 0],
        &[17, 0, 0, 0],
        &[0x8000_0f00 & 0x7fff_ffff, 0, at(BUFFERS), at(BUFFERS)],
        &[0, at(BUFFERS), 4096, 0],
        // An address of a socket: family and name.
        &[0x0078_2f00_0001, 0, 0, 0],
        // A filter: one instruction, which allows.
        &[1, at(STRUCTURES + 24 * 32), 0, 0],
        &[0, 0, 0, 0],
        &[0x7fff_0000_0000_0006, 0, 0, 0],
        // Words to wait on.
        &[at(BUFFERS), 0x2 << 32, at(BUFFERS + 8), 2 << 32],
        // How to notify of a timer: value, signal and kind.
        &[7, 0x0000_0000_0000_000e, 0, 0],
    ];
    for (slot, words) in out[STRUCTURES as usize..].chunks_exact_mut(32).zip(structures) {
        for (to, word) in slot.chunks_exact_mut(8).zip(*words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    }
    out[DATA as usize..][..data.len()].copy_from_slice(data);
    out
}

fn pointer(input: &mut Input<'_>, results: &[u64; 8]) -> u64 {
    let code = u64::from(input.u8());
    match code {
        0..64 => ARENA + code * 32,
        64..128 => ARENA + DATA + (code - 64) * 8,
        128..192 => ARENA + BUFFERS + (code - 128) * 256,
        192..208 => 0,
        208..224 => results[code as usize % 8],
        224..232 => results[code as usize % 8].wrapping_add(4096),
        232 => 0x1000,
        233 => ARENA + ARENA_LEN as u64 - 8,
        234 => ARENA + ARENA_LEN as u64,
        235 => 0x7fff_ffff_e000,
        236 => 0xffff_8000_0000_0000,
        237 => u64::MAX,
        _ => input.u64(),
    }
}

fn number(input: &mut Input<'_>, results: &[u64; 8]) -> u64 {
    let code = u64::from(input.u8());
    match code {
        0..128 => code,
        128..192 => 1 << (code - 128),
        192..200 => results[code as usize % 8],
        200 => u64::MAX,
        201 => u64::MAX - 99,
        202 => 0x7fff_ffff,
        203 => 0xffff_ffff,
        204 => i64::MAX.cast_unsigned(),
        205..212 => 4096 * (code - 204),
        212..224 => u64::from(input.u16()),
        224..240 => u64::from(input.u32()),
        _ => input.u64(),
    }
}

fn argument(info: &ArgInfo, input: &mut Input<'_>, results: &[u64; 8]) -> u64 {
    match info.kind {
        "ptr" | "addr" => pointer(input, results),
        "fd" => match input.u8() {
            n @ 0..16 => u64::from(n),
            n @ 16..32 => results[usize::from(n) % 8],
            32..48 => (-100i64).cast_unsigned(),
            n => u64::from(n % 8),
        },
        "pid" => match input.u8() {
            n @ 0..8 => u64::from(n),
            8..16 => 0,
            16 => u64::MAX,
            17 => u64::MAX - 1,
            n @ 18..32 => results[usize::from(n) % 8],
            _ => 2,
        },
        _ => number(input, results),
    }
}

/// Makes the calls that the input describes.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let memory = arena(input.piece());
    let table: HashMap<u32, &Entry> = entries().iter().map(|e| (e.number, e)).collect();
    let mut rest = input.rest().to_vec();
    let mut calls = 0;
    guest::run(
        &memory,
        Box::new(move |results| {
            calls += 1;
            if rest.is_empty() || calls > MAX_CALLS {
                return None;
            }
            let mut input = Input::new(&rest);
            let nr = u32::from(input.u16() % 512);
            let mut args = [0; 6];
            for (to, info) in args.iter_mut().zip(table.get(&nr).map_or(&[][..], |e| e.args)) {
                *to = argument(info, &mut input, results);
            }
            rest = input.rest().to_vec();
            Some(Call { nr: u64::from(nr), args })
        }),
    );
}
