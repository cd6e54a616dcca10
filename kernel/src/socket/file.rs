//! The file behind a socket's descriptor.

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::ioctl::{FIONREAD, TIOCOUTQ};
use kcore::addr::GuestAddr;
use kcore::io::{IoResult, IoSink, IoSource};
use kcore::user::{UserPtr, Write};
use kcore::wait::{Events, WaitQueue};
use netstack::MsgFlags;
use netstack::unix::{Outgoing, UnixSocket};
use vfs::consts::{O_NONBLOCK, O_RDWR};
use vfs::{FileOps, IoctlContext, OpenFile};

use crate::kernel::Kernel;

/// An open socket.
pub struct SocketFile {
    socket: Arc<UnixSocket>,
}

impl SocketFile {
    /// A file for `socket`, with `O_NONBLOCK` or 0.
    pub(crate) fn open(kernel: &Kernel, socket: Arc<UnixSocket>, flags: u32) -> Arc<OpenFile> {
        let place = kernel.nameless().socket(socket.ino(), &socket.creator().cred);
        OpenFile::new(Arc::new(SocketFile { socket }), flags & O_NONBLOCK | O_RDWR, Some(place))
    }
    /// The socket behind `file`, if it is one.
    pub fn of(file: &OpenFile) -> Option<&SocketFile> {
        file.ops_as()
    }
    /// The unix socket that it is.
    pub fn unix(&self) -> &Arc<UnixSocket> {
        &self.socket
    }
}

fn store(ctx: &IoctlContext<'_>, at: u64, n: usize) -> IoResult<u64> {
    let n = i32::try_from(n).unwrap_or(i32::MAX);
    UserPtr::<i32, Write>::new(GuestAddr(at)).write(ctx.mem, &n)?;
    Ok(0)
}

/// Reads and writes without a system call of the family: `splice(2)`, `sendfile(2)`. Messages sent so come from the socket's creator.
impl FileOps for SocketFile {
    fn takes_nowait(&self) -> bool {
        true
    }
    fn read(&self, f: &OpenFile, _at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let flags = if f.is_nonblocking() { MsgFlags::DONTWAIT } else { MsgFlags::empty() };
        Ok(self.socket.recv(dst, flags)?.stored)
    }
    fn write(&self, _f: &OpenFile, _at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        self.socket.send(&mut Outgoing::new(src, self.socket.creator()))
    }
    fn ready(&self, _f: &OpenFile, want: Events) -> Events {
        self.socket.ready(want)
    }
    fn queue(&self, _f: &OpenFile) -> Option<WaitQueue> {
        Some(self.socket.queue().clone())
    }
    fn ioctl(&self, _f: &OpenFile, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> IoResult<u64> {
        match cmd {
            FIONREAD => store(ctx, arg, self.socket.unread()?),
            TIOCOUTQ => store(ctx, arg, self.socket.unsent()),
            _ => Err(Errno::ENOTTY.into()),
        }
    }
    fn on_close(&self, _f: &OpenFile) {
        self.socket.close();
    }
}
