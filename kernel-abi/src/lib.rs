#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[macro_use]
mod macros;

pub mod arch;
pub mod errno;
pub mod fs;
pub mod mm;
pub mod names;
pub mod nr;

pub use errno::Errno;
pub use names::Names;
