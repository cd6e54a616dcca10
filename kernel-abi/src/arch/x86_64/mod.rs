//! What is particular to x86-64.

pub mod epoll;
pub mod open;
pub mod ptrace;
pub mod signal;
pub mod stat;
