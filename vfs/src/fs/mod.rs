//! File systems, one folder each.

pub mod devfs;
pub mod devpts;
pub mod host;
pub mod mqueue;
pub mod nameless;
pub mod overlay;
pub mod pseudo;
pub mod tmpfs;
