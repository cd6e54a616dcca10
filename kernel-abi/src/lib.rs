#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[macro_use]
mod macros;

pub mod arch;
pub mod auxv;
pub mod errno;
pub mod fs;
pub mod ipc;
pub mod mm;
pub mod names;
pub mod net;
pub mod nr;
pub mod signal;
pub mod system;
pub mod task;
pub mod time;

pub use errno::Errno;
pub use names::Names;
