#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![deny(unsafe_code)]

extern crate alloc;

mod access;
mod anon;
mod density;
mod frames;
mod info;
mod lookaside;
mod ops;
mod raw;
mod resident;
mod space;
mod types;
mod usage;
mod user_io;
mod vma;

#[cfg(test)]
mod tests;

pub use access::FutexKey;
pub use frames::FrameAllocator;
pub use info::{SpaceStats, VmaInfo};
pub use ops::{MAX_MAPPINGS, RemoveTarget};
pub use raw::VecMemory;
pub use space::AddressSpace;
pub use types::{
    FaultAccess, FaultOutcome, FileMapping, Layout, Limits, MapOp, MmapRequest, Owner, Prot, SpaceBackend,
    VmFlags,
};
pub use usage::{PageState, VmaUsage};
pub use user_io::{Iovec, IovecList, UserSink, UserSource};
