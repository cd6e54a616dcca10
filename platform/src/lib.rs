#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "ptrace")]
pub mod ptrace;
mod regs;
#[cfg(feature = "sim")]
pub mod sim;
mod traits;

pub use regs::{FpuState, UserRegs};
pub use traits::{Access, ExceptionInfo, GuestSpace, GuestThread, Kick, MapOp, Platform, PlatformCaps, Trap};
