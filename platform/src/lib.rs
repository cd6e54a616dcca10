#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod regs;
mod traits;

pub use regs::{FpuState, UserRegs};
pub use traits::{Access, ExceptionInfo, GuestSpace, GuestThread, Kick, MapOp, Platform, PlatformCaps, Trap};
