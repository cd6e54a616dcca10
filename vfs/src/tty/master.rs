//! The master's side: whoever plays the keyboard and the screen.

use alloc::string::String;
use alloc::sync::Arc;

use abi::fs::ioctl::*;
use kcore::addr::GuestAddr;
use kcore::io::{IoResult, IoSink, IoSource};
use kcore::user::{UserPtr, Write};
use kcore::wait::{Events, WaitQueue};

use super::terminal::Terminal;
use crate::Errno;
use crate::context::OpCtx;
use crate::file::{FileOps, IoctlContext, OpenFile};
use crate::path::Path;

/// The open master's side of a terminal. When it is dropped, the terminal hangs up.
pub struct PtyMaster {
    tty: Arc<Terminal>,
    /// The place of the slave's side, if it has one.
    slave: Option<Path>,
    /// Called at the end, so that the number can be given again.
    release: Arc<dyn Fn(u32) + Send + Sync>,
}

impl PtyMaster {
    /// The master's side of `tty`, which is new. `slave` is the place of the other side; `release` is called with the number once
    /// it is free.
    pub fn new(
        tty: Arc<Terminal>,
        slave: Option<Path>,
        release: Arc<dyn Fn(u32) + Send + Sync>,
    ) -> Arc<PtyMaster> {
        Arc::new(PtyMaster { tty, slave, release })
    }
    /// The terminal.
    pub fn terminal(&self) -> &Arc<Terminal> {
        &self.tty
    }
    /// Opens the slave's side where it is, whatever is mounted there (`TIOCGPTPEER`). Errors: as [`Terminal::open_slave`]; `EIO` if
    /// it has no place.
    pub fn open_peer(&self, flags: u32, ctx: &OpCtx<'_>) -> IoResult<Arc<OpenFile>> {
        let path = self.slave.clone().ok_or(Errno::EIO)?;
        Ok(OpenFile::new(self.tty.open_slave(flags, ctx)?, flags, Some(path)))
    }
}

impl FileOps for PtyMaster {
    fn read(&self, _: &OpenFile, _: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        self.tty.master_read(dst)
    }
    fn write(&self, _: &OpenFile, _: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        self.tty.master_write(src)
    }
    fn ready(&self, _: &OpenFile, want: Events) -> Events {
        self.tty.master_ready(want)
    }
    fn queue(&self, _: &OpenFile) -> Option<WaitQueue> {
        Some(self.tty.master_queue.clone())
    }
    fn ioctl(&self, f: &OpenFile, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> IoResult<u64> {
        let at = GuestAddr(arg);
        let put = |v: i32| UserPtr::<i32, Write>::new(at).write(ctx.mem, &v);
        let get = || UserPtr::<i32>::new(at).read(ctx.mem);
        match cmd {
            TIOCGPTN => put(i32::try_from(self.tty.index()).map_err(|_| Errno::EIO)?)?,
            TIOCSPTLCK => {
                let lock = get()? != 0;
                self.tty.with(|s| s.locked = lock);
            }
            TIOCGPTLCK => put(self.tty.with(|s| s.locked).into())?,
            TIOCPKT => {
                let on = get()? != 0;
                self.tty.with(|s| {
                    if on && !s.packet {
                        s.packet_status = 0;
                    }
                    s.packet = on;
                });
            }
            TIOCGPKT => put(self.tty.with(|s| s.packet).into())?,
            TIOCSIG => self.tty.signal_foreground(arg)?,
            FIONREAD => {
                let n = self.tty.with(|s| s.discipline.output_len());
                put(i32::try_from(n).unwrap_or(i32::MAX))?;
            }
            _ => return Ok(self.tty.master_ioctl(f, ctx, cmd, arg)?),
        }
        Ok(0)
    }
    fn name(&self) -> String {
        String::from("/dev/ptmx")
    }
}

impl Drop for PtyMaster {
    fn drop(&mut self) {
        self.tty.close_master();
        (self.release)(self.tty.index());
    }
}
