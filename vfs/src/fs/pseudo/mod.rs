//! File systems whose files are made up when they are read: what procfs and sysfs are built from.
//!
//! A file system is a tree of [`PseudoNode`]s. Nodes are asked anew at each lookup, so a node can stand for something that comes and
//! goes; [`PseudoDir::alive`] and its like say whether it is still there.

mod file;
mod fixed;
mod inode;
mod node;

pub use file::{Snapshot, snapshot};
pub use fixed::{FixedDir, FixedLink, FnFile};
pub use inode::{PseudoFs, dir_as};
pub use node::{PseudoAttr, PseudoDir, PseudoFile, PseudoLink, PseudoNode};

#[cfg(test)]
mod tests;
