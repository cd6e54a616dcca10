//! Loads programs: ELF executables and their interpreters, `#!` scripts, and the initial stack.

mod elf;
mod image;
mod script;
mod stack;

pub use elf::{ElfFile, ReadAt, Segment};
pub(crate) use image::{load, read_head};
pub use script::Script;
pub(crate) use stack::{StackInfo, build as build_stack};
