//! Signals: numbers, flags, codes, structures. The machine context of a handler is in [`crate::arch`].

pub mod code;
pub mod info;
pub mod number;

pub use crate::arch::current::signal as frame;
