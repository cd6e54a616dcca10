#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod current;
mod dnotify;
mod exec;
mod file_signal;
mod identity;
mod image;
mod ipc;
mod job;
mod kernel;
pub mod loader;
mod lock_waits;
mod log;
mod memfds;
mod memory_use;
mod nameless;
mod namespace;
mod personality;
mod pidfd;
pub mod procfs;
mod ptrace_access;
mod restart;
mod run;
pub mod sched;
mod shm;
mod signal;
pub mod socket;
mod space;
mod strace;
pub mod syscall;
pub mod sysfs;
mod task;
mod timebase;
mod traced;
mod trim;
mod tty;
mod usage;
mod usermem;
mod uts;
mod vdso;
mod waits;
mod watch;

pub use self::task::{Resources, Task};
pub use ::task::ExitStatus;
pub use current::{CurrentTask, WaitEnd};
pub use exec::{ExecRequest, exec};
pub use kernel::{Host, Kernel};
pub use strace::TraceSink;
pub use uts::UtsNamespace;
pub use waits::Waiting;
