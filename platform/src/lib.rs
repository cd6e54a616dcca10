#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(any(feature = "ptrace", feature = "systrap"))]
mod bpf;
#[cfg(any(feature = "ptrace", feature = "systrap"))]
mod fpu;
#[cfg(feature = "host")]
pub mod host;
#[cfg(any(feature = "ptrace", feature = "systrap"))]
mod map_op;
#[cfg(feature = "ptrace")]
pub mod ptrace;
mod regs;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "systrap")]
pub mod systrap;
mod traits;
#[cfg(target_arch = "x86_64")]
pub mod vdso;

pub use regs::{FpuState, RegisterSource, Registers, UserRegs};
pub use traits::{
    Access, ExceptionInfo, GuestSpace, GuestThread, Identity, Kick, Landlord, MapOp, Platform, PlatformCaps,
    Sleeper, Trap,
};
