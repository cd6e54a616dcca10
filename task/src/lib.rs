#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cred_ops;
mod exec;
pub mod exit;
pub mod fork;
pub mod futex;
pub mod group;
pub mod ipc;
mod job;
pub mod pid;
pub mod prctl;
pub mod ptrace;
pub mod rlimit;
pub mod rusage;
pub mod seccomp;
pub mod signal;
mod table;
pub mod task;
pub mod timers;
mod tty;
pub mod wait;

pub use exit::{ExitEffects, ExitStatus};
pub use fork::{CloneFlags, CloneSpec, InitSpec};
pub use group::{GroupId, ThreadGroup};
pub use pid::{PidNamespace, PidNode};
pub use table::ProcessTable;
pub use task::{Task, TaskId};
pub use wait::{WaitEvent, WaitOptions, WaitSpec, WaitWhich};
