#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod anon;
pub mod attr;
pub mod consts;
pub mod context;
pub mod dentry;
pub mod dir;
pub mod fdtable;
pub mod file;
pub mod fs;
pub mod inode;
pub mod leases;
pub mod locks;
pub mod mount;
pub mod open_file;
pub mod ops;
pub mod path;
pub mod perm;
pub mod tty;
pub mod walk;

pub use abi::Errno;
pub use attr::{
    AttrChange, FileKind, InodeAttr, StatFs, TimeChange, Timestamp, dev_major, dev_minor, make_dev,
};
pub use context::{Caller, FsContext, FsView, OpCtx, SpecialOpener, Vfs};
pub use dentry::{Dentry, Superblock};
pub use fdtable::FdTable;
pub use file::{DirSink, FileOps, IoctlContext, Whence};
pub use inode::{DirEntry, FileSystem, Happened, Inode, InodeCommon, InodeWatcher, MagicLink, NewInode};
pub use mount::{Mount, MountIds, MountNamespace, Unmount};
pub use open_file::{AsyncState, OpenFile, WriteOptions};
pub use path::Path;
