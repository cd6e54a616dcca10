//! File systems, one folder each.

pub mod tmpfs;
