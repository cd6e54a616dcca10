//! Program files whose entry points are closures.

use alloc::vec::Vec;

use super::code::CODE_START;
use super::{DATA, DATA_LEN};

const HEADER: u16 = 64;
const SEGMENT: u16 = 56;
const ET_EXEC: u16 = 2;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_GNU_STACK: u32 = 0x6474_e551;
const X: u32 = 1;
const W: u32 = 2;
const R: u32 = 4;

/// A static program that starts at `entry`, with a page of code and [`DATA_LEN`] zero bytes of data at [`DATA`].
pub(super) fn program(entry: u64) -> Vec<u8> {
    let mut f = Vec::new();
    f.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    half(&mut f, &[ET_EXEC, EM_X86_64]);
    word(&mut f, &[1]);
    long(&mut f, &[entry, HEADER.into(), 0]);
    word(&mut f, &[0]);
    half(&mut f, &[HEADER, SEGMENT, 3, 0, 0, 0]);
    let size = u64::from(HEADER) + 3 * u64::from(SEGMENT);
    segment(&mut f, PT_LOAD, R | X, CODE_START, size, size);
    segment(&mut f, PT_LOAD, R | W, DATA.0, 0, DATA_LEN);
    segment(&mut f, PT_GNU_STACK, R | W, 0, 0, 0);
    f
}

fn segment(f: &mut Vec<u8>, kind: u32, flags: u32, at: u64, in_file: u64, in_memory: u64) {
    word(f, &[kind, flags]);
    long(f, &[0, at, at, in_file, in_memory, 0x1000]);
}

fn half(f: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|v| f.extend_from_slice(&v.to_le_bytes()));
}
fn word(f: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|v| f.extend_from_slice(&v.to_le_bytes()));
}
fn long(f: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|v| f.extend_from_slice(&v.to_le_bytes()));
}
