//! File systems, one folder each.

pub mod devfs;
pub mod host;
pub mod pseudo;
pub mod tmpfs;
