//! What a fresh `/dev` holds.

use alloc::sync::Arc;

use kcore::id::{Gid, Uid};

use crate::Errno;
use crate::attr::make_dev;
use crate::consts::*;
use crate::inode::{Inode, NewInode};

/// Makes the usual nodes, links and directories in the directory `dev` (of a tmpfs): those that container engines make. Terminals
/// need a [`DevPts`](crate::fs::devpts::DevPts) at `pts`. Errors: the directory's.
pub fn populate(dev: &Arc<dyn Inode>) -> Result<(), Errno> {
    let new = |mode, rdev| NewInode { mode, uid: Uid::ROOT, gid: Gid::ROOT, rdev };
    let nodes: [(&[u8], u32, u32); 6] = [
        (b"null", 1, 3),
        (b"zero", 1, 5),
        (b"full", 1, 7),
        (b"random", 1, 8),
        (b"urandom", 1, 9),
        (b"tty", 5, 0),
    ];
    for (name, major, minor) in nodes {
        dev.mknod(name, &new(S_IFCHR | 0o666, make_dev(major, minor)))?;
    }
    dev.mknod(b"console", &new(S_IFCHR | 0o600, make_dev(5, 1)))?;
    let links: [(&[u8], &[u8]); 5] = [
        (b"ptmx", b"pts/ptmx"),
        (b"fd", b"/proc/self/fd"),
        (b"stdin", b"/proc/self/fd/0"),
        (b"stdout", b"/proc/self/fd/1"),
        (b"stderr", b"/proc/self/fd/2"),
    ];
    for (name, target) in links {
        dev.symlink(name, target, &new(S_IFLNK | 0o777, 0))?;
    }
    for (name, mode) in [(&b"pts"[..], 0o755), (b"shm", 0o1777), (b"mqueue", 0o1777)] {
        dev.mkdir(name, &new(S_IFDIR | mode, 0))?;
    }
    Ok(())
}
