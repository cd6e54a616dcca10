//! Flag values of Linux's file system calls, as `open(2)`, `inode(7)` and `mount(2)` name them.

pub use abi::fs::fcntl::*;
pub use abi::fs::mount::*;
pub use abi::fs::open::*;
pub use abi::fs::poll::*;
pub use abi::fs::stat::*;

/// Largest file size and offset.
pub const MAX_FILE_SIZE: u64 = i64::MAX as u64;
