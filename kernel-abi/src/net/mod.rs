//! Sockets and networks.

pub mod addr;
pub mod ip;
pub mod netlink;
pub mod socket;
