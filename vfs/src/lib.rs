#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod attr;
pub mod consts;
pub mod dentry;
pub mod file;
pub mod inode;
pub mod locks;
pub mod mount;
pub mod path;
pub mod perm;

pub use abi::Errno;
pub use attr::{AttrChange, FileKind, InodeAttr, StatFs, TimeChange, Timestamp, dev_major, dev_minor, make_dev};
pub use dentry::{Dentry, Superblock};
pub use file::{DirSink, FileOps, IoctlContext, OpenFile, TtyCaller, Whence};
pub use inode::{DirEntry, FileSystem, Inode, InodeCommon, InodeWatcher, MagicLink, NewInode};
pub use mount::{Mount, MountIds, MountNamespace};
pub use path::Path;
