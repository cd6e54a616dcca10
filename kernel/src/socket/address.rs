//! Unix addresses: in guest memory, and as places in the file system.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;
use abi::net::addr::SOCKADDR_STORAGE;
use kcore::addr::GuestAddr;
use kcore::user::{UserMemory, UserPtr};
use netstack::unix::{NodeId, UnixAddr, UnixSocket};
use vfs::consts::S_IFSOCK;
use vfs::{FileKind, OpCtx, ops};

use crate::current::CurrentTask;

/// Permission to write, for `access(2)`.
const MAY_WRITE: u32 = 2;

fn node(attr: &vfs::InodeAttr) -> NodeId {
    NodeId { dev: attr.dev, ino: attr.ino }
}

impl CurrentTask {
    /// An address argument, as bytes. Errors: `EINVAL` for a bad length, `EFAULT`.
    pub(crate) fn read_sockaddr(&self, at: GuestAddr, len: i32) -> Result<Vec<u8>, Errno> {
        let len = usize::try_from(len).ok().filter(|n| *n <= SOCKADDR_STORAGE).ok_or(Errno::EINVAL)?;
        let mut raw = vec![0; len];
        if self.task.mm().copy_in(at, &mut raw) < len { Err(Errno::EFAULT) } else { Ok(raw) }
    }
    /// Stores an address in a buffer whose length is at `len`, cut to that, and its real length there. Errors: `EINVAL` for a
    /// negative length, `EFAULT`.
    pub(crate) fn write_sockaddr(&self, raw: &[u8], at: GuestAddr, len: GuestAddr) -> Result<(), Errno> {
        let room = UserPtr::<i32>::new(len).read(&**self.task.mm())?;
        let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
        let part = raw.get(..room).unwrap_or(raw);
        if self.task.mm().copy_out(at, part) < part.len() {
            return Err(Errno::EFAULT);
        }
        self.put(len, &i32::try_from(raw.len()).map_err(|_| Errno::EINVAL)?)
    }
}

/// The socket that `addr` names, for one like `socket` to send to or to connect to.
///
/// Errors: `ECONNREFUSED` if there is none, `EPROTOTYPE` for another type, `EINVAL` for no name, those of the path walk, `EACCES`
/// unless the caller may write to the inode.
pub(crate) fn find(cx: &CurrentTask, socket: &UnixSocket, addr: &UnixAddr) -> Result<Arc<UnixSocket>, Errno> {
    let domain = cx.kernel().unix();
    match addr {
        UnixAddr::Unnamed => Err(Errno::EINVAL),
        UnixAddr::Abstract(name) => domain.find_abstract(socket.kind(), name),
        UnixAddr::Path(path) => {
            let (view, cred) = (cx.task.fs().view(), cx.task.cred());
            let ctx = OpCtx::new(cx.kernel().vfs(), &view, &cred);
            let place = ops::lookup(&ctx, path, true)?;
            place.inode().permission(&cred, MAY_WRITE)?;
            if place.inode().kind() != FileKind::Socket {
                return Err(Errno::ECONNREFUSED);
            }
            domain.find_node(socket.kind(), node(&place.inode().attr()?))
        }
    }
}

/// Makes a socket inode at `path` and binds `socket` to it. Errors: `EADDRINUSE` if something is there, `EINVAL` if the socket
/// has an address, those of `mknod(2)`.
pub(crate) fn bind_path(cx: &CurrentTask, socket: &UnixSocket, path: &[u8]) -> Result<(), Errno> {
    let (view, cred) = (cx.task.fs().view(), cx.task.cred());
    let ctx = OpCtx::new(cx.kernel().vfs(), &view, &cred);
    let place = ops::mknod(&ctx, path, S_IFSOCK | 0o777, 0)
        .map_err(|e| if e == Errno::EEXIST { Errno::EADDRINUSE } else { e })?;
    let attr = place.inode().attr()?;
    socket.bind_node(path, node(&attr), Arc::new(place)).inspect_err(|_| {
        // It has an address already, which Linux, too, finds out only now: the inode is nobody's.
        ops::unlink(&ctx, path).ok();
    })
}
