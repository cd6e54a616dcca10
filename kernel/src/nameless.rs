//! Where files without a name live: pipes, sockets, and those of epoll, eventfd and their like.

use alloc::format;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::fs::stat::{ANON_INODE_FS_MAGIC, PIPEFS_MAGIC, SOCKFS_MAGIC};
use kcore::cred::Credentials;
use kcore::host::Clock;
use vfs::consts::{S_IFIFO, S_IFSOCK};
use vfs::fs::nameless::{NamelessInode, NamelessMount, NamelessType};
use vfs::{FileOps, InodeAttr, OpenFile, Path, make_dev};

/// The file systems of such files, each with the mount and device number that it often has on Linux.
pub(crate) struct Nameless {
    pipes: NamelessMount,
    sockets: NamelessMount,
    others: NamelessMount,
    /// All anonymous files share an inode, and so its locks and watches.
    shared: Arc<NamelessInode>,
    inos: AtomicU64,
}

impl Nameless {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Nameless {
        let mount = |id, name, magic, minor| {
            NamelessMount::new(id, NamelessType { name, magic, dev: make_dev(0, minor) }, clock)
        };
        let others = mount(15, "anon_inodefs", ANON_INODE_FS_MAGIC, 15);
        let shared = others.now(InodeAttr { mode: 0o600, ino: 1, ..InodeAttr::default() });
        let shared = others.inode(shared, true);
        Nameless {
            pipes: mount(14, "pipefs", PIPEFS_MAGIC, 14),
            sockets: mount(8, "sockfs", SOCKFS_MAGIC, 8),
            others,
            shared,
            inos: AtomicU64::new(2),
        }
    }
    /// A number for an inode.
    pub(crate) fn next_ino(&self) -> u64 {
        self.inos.fetch_add(1, Ordering::Relaxed)
    }
    /// A place for a new pipe of `cred`.
    pub(crate) fn pipe(&self, cred: &Credentials) -> Path {
        let ino = self.next_ino();
        let inode = self.pipes.inode(self.pipes.now(attr(S_IFIFO | 0o600, ino, cred)), false);
        self.pipes.place(format!("pipe:[{ino}]").as_bytes(), inode)
    }
    /// A place for a new socket of `cred`, which has a number already. As on Linux its times are those of the epoch.
    pub(crate) fn socket(&self, ino: u64, cred: &Credentials) -> Path {
        let inode = self.sockets.inode(attr(S_IFSOCK | 0o777, ino, cred), false);
        self.sockets.place(format!("socket:[{ino}]").as_bytes(), inode)
    }
    /// An anonymous file at position 0 with `O_*` flags.
    pub(crate) fn open(&self, ops: Arc<dyn FileOps>, flags: u32) -> Arc<OpenFile> {
        let place = self.others.place(ops.name().as_bytes(), self.shared.clone());
        OpenFile::new(ops, flags, Some(place))
    }
}

fn attr(mode: u32, ino: u64, cred: &Credentials) -> InodeAttr {
    InodeAttr { mode, ino, uid: cred.fsuid, gid: cred.fsgid, ..InodeAttr::default() }
}
