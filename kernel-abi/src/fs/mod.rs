//! Files, descriptors, file systems, terminals.

pub mod fcntl;
pub mod ioctl;
pub mod mount;
pub mod open;
pub mod poll;
pub mod stat;
pub mod termios;
