//! Control messages of any form on unix sockets: sent, received into buffers of any size, and left behind.

use crate::guest::{self, ARENA, ARENA_LEN, Call};
use crate::input::Input;

const SENDMSG: u64 = 46;
const RECVMSG: u64 = 47;
const SOCKETPAIR: u64 = 53;
const SETSOCKOPT: u64 = 54;
const CLOSE: u64 = 3;
const PIPE: u64 = 22;
const SO_PASSCRED: u64 = 16;

/// Places in the guest's memory.
const FDS: u64 = ARENA;
const ONE: u64 = ARENA + 0x20;
const IOV: u64 = ARENA + 0x40;
const HEADERS: u64 = ARENA + 0x100;
const CONTROL: u64 = ARENA + 0x1000;
const RECEIVED: u64 = ARENA + 0x8000;

/// One control message: well-formed in part.
fn message(input: &mut Input<'_>, out: &mut Vec<u8>) {
    let shape = input.u8();
    let data = input.piece();
    let declared = match shape & 3 {
        0..=2 => 16 + data.len() as u64,
        _ => input.u64(),
    };
    let level: u32 = if shape & 0x30 == 0x30 { input.u32() } else { 1 };
    // SCM_RIGHTS, SCM_CREDENTIALS, or anything.
    let kind: u32 = if shape & 0xc0 == 0xc0 { input.u32() } else { 1 + u32::from(shape >> 2 & 1) };
    out.extend_from_slice(&declared.to_le_bytes());
    out.extend_from_slice(&level.to_le_bytes());
    out.extend_from_slice(&kind.to_le_bytes());
    if shape & 8 != 0 {
        // Descriptors that exist, more likely.
        data.iter().for_each(|d| out.extend_from_slice(&u32::from(d % 8).to_le_bytes()));
    } else {
        out.extend_from_slice(data);
    }
    out.resize(out.len().next_multiple_of(8), 0);
}

struct Plan {
    memory: Vec<u8>,
    calls: Vec<Call>,
}

impl Plan {
    fn put(&mut self, at: u64, words: &[u64]) {
        let at = (at - ARENA) as usize;
        for (to, word) in self.memory[at..].chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    }
    fn call(&mut self, nr: u64, args: &[u64]) {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        self.calls.push(Call { nr, args: all });
    }
    /// A message header of its own for each call.
    fn header(&mut self, n: u64, control: u64, len: u64) -> u64 {
        let at = HEADERS + n * 64;
        self.put(at, &[0, 0, IOV, 1, control, len, 0]);
        at
    }
}

/// Sends and receives what the input says.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut plan = Plan { memory: vec![0; ARENA_LEN], calls: Vec::new() };
    let kind = [1, 2, 5][usize::from(input.u8()) % 3];
    plan.put(IOV, &[ARENA + 0x60, 8]);
    plan.put(ONE, &[1]);
    plan.call(SOCKETPAIR, &[1, kind, 0, FDS]);
    plan.call(PIPE, &[FDS + 8]);
    let mut at = CONTROL;
    for n in 0..16 {
        let op = input.u8();
        let side = u64::from(op & 1);
        match op >> 1 & 7 {
            0..=2 => {
                let mut control = Vec::new();
                (0..=op >> 6).for_each(|_| message(&mut input, &mut control));
                control.truncate((RECEIVED - at) as usize);
                let start = (at - ARENA) as usize;
                plan.memory[start..start + control.len()].copy_from_slice(&control);
                let len = if op & 16 != 0 { u64::from(input.u16()) } else { control.len() as u64 };
                let header = plan.header(n, at, len);
                at += control.len() as u64;
                // MSG_DONTWAIT | MSG_NOSIGNAL
                plan.call(SENDMSG, &[side, header, 0x4040]);
            }
            3 | 4 => {
                let len = u64::from(input.u16()) & 0x1ff;
                let flags = u64::from(op >> 4 & 2) | u64::from(input.u8() & 1) << 30;
                let header = plan.header(n, RECEIVED, len);
                plan.call(RECVMSG, &[side, header, 0x40 | flags]);
            }
            5 => plan.call(SETSOCKOPT, &[side, 1, SO_PASSCRED, ONE, 4]),
            _ => plan.call(CLOSE, &[u64::from(input.u8() & 15)]),
        }
        if input.is_empty() {
            break;
        }
    }
    let mut calls = plan.calls.into_iter();
    guest::run(&plan.memory, Box::new(move |_| calls.next()));
}
