//! Processes and threads.

pub mod cap;
pub mod clone;
pub mod futex;
pub mod limits;
pub mod personality;
pub mod prctl;
pub mod ptrace;
pub mod sched;
pub mod seccomp;
