//! What is particular to arm64.

pub mod epoll;
pub mod open;
pub mod ptrace;
pub mod signal;
pub mod stat;
