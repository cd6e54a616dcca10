#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod addr;
pub mod cred;
pub mod frame;
pub mod host;
pub mod id;
pub mod io;
pub mod job;
pub mod machine;
pub mod mappable;
pub mod pages;
mod primitives;
pub mod raw;
pub mod sync;
pub mod timer;
pub mod user;
pub mod user_ns;
pub mod wait;

pub use abi::Errno;
