//! What is particular to arm64.

pub mod epoll;
pub mod open;
pub mod stat;
