//! What differs between architectures. All of them are always compiled; [`current`] is that of the machine.

pub mod aarch64;
pub mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64 as current;
#[cfg(not(target_arch = "aarch64"))]
pub use x86_64 as current;
