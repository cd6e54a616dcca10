//! File systems, one folder each.

pub mod devfs;
pub mod pseudo;
pub mod tmpfs;
