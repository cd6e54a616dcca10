//! A terminal for the sandbox, when this process has one: a pseudoterminal inside, whose other side is the terminal here.

mod bridge;
mod parked;
mod raw;

use std::os::fd::AsFd;
use std::sync::Arc;

use abi::fs::termios::Winsize;
use anyhow::{Context, Result, anyhow};
use kcore::cred::Credentials;
use kcore::io::IoError;
use rustix::stdio::{stderr, stdin, stdout};
use vfs::consts::O_RDWR;
use vfs::fs::devpts::{DevPts, DevPtsOptions};
use vfs::tty::{PtyMaster, SetWhen, Terminal};
use vfs::{FsContext, Mount, OpCtx, OpenFile, Vfs, ops};

use bridge::Bridge;
pub(crate) use raw::RawMode;

pub(crate) const CALLS: platform::host::confine::HostCalls = raw::CALLS;

/// Whether this process's standard input is a terminal.
pub(crate) fn is_wanted() -> bool {
    rustix::termios::isatty(stdin())
}

/// The pseudoterminal of the sandbox's first process, not yet joined to the terminal here.
pub(crate) struct Console {
    master: Arc<PtyMaster>,
    slave: Arc<OpenFile>,
}

/// A console that is joined to the terminal here. Dropping it shows what is left to show and gives the terminal back.
pub(crate) struct Joined {
    bridge: Bridge,
    raw: Arc<RawMode>,
}

impl Console {
    /// Makes a terminal in the sandbox's `/dev/pts`, or one without a name if there is none, with the settings and size of the one
    /// here. Errors: one line that says why there can be none.
    pub(crate) fn new(vfs: &Vfs, fs: &FsContext, cred: &Credentials) -> Result<Console> {
        let view = fs.view();
        let ctx = OpCtx::new(vfs, &view, cred);
        let mount = ops::lookup(&ctx, b"/dev/pts", true).map(|p| p.mount).ok();
        let mount = mount.filter(|m| DevPts::of_mount(m).is_some()).unwrap_or_else(|| {
            let fs = DevPts::new(view.ns.ids().next_dev(), vfs.clock.clone(), DevPtsOptions::default());
            Mount::detached(view.ns.ids().next_mount(), fs, 0, "devpts")
        });
        let pts = DevPts::of_mount(&mount).context("there is no devpts")?;
        let master = pts.open_master(&mount, cred)?;
        let tty = master.terminal();
        tty.unlock();
        if let Ok(here) = rustix::termios::tcgetattr(stdin()) {
            tty.apply(raw::modes_like(&here, tty.modes()), SetWhen::Now);
        }
        copy_window(tty);
        let slave = master
            .open_peer(O_RDWR, &ctx)
            .map_err(|e| anyhow!("cannot open the sandbox's terminal: {}", IoError::errno(e).text()))?;
        Ok(Console { master, slave })
    }
    /// The terminal.
    pub(crate) fn terminal(&self) -> &Arc<Terminal> {
        self.master.terminal()
    }
    /// Which of the standard streams it is to be: those that are terminals here.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (i32, Arc<OpenFile>)> + '_ {
        let here = [
            rustix::termios::isatty(stdin()),
            rustix::termios::isatty(stdout()),
            rustix::termios::isatty(stderr()),
        ];
        (0..).zip(here).filter(|(_, tty)| *tty).map(|(n, _)| (n, self.slave.clone()))
    }
    /// Joins it to the terminal here, which passes on all keys from now on. Errors: the host's.
    pub(crate) fn join(self) -> Result<Joined> {
        // Other programs write to the screen beside us if a stream goes elsewhere: they need its output processing.
        let alone = rustix::termios::isatty(stdout()) && rustix::termios::isatty(stderr());
        let screen = if rustix::termios::isatty(stdout()) { stdout() } else { stdin() };
        let screen = rustix::io::fcntl_dupfd_cloexec(screen.as_fd(), 3)?;
        let keyboard = rustix::io::fcntl_dupfd_cloexec(stdin(), 3)?;
        let raw = Arc::new(RawMode::enter(alone).context("cannot change the settings of the terminal")?);
        let bridge = Bridge::start(self.master, keyboard, screen)?;
        Ok(Joined { bridge, raw })
    }
}

impl Joined {
    /// The settings of the terminal here.
    pub(crate) fn raw(&self) -> &Arc<RawMode> {
        &self.raw
    }
    /// Ends it: shows what is left to show, and gives the terminal back.
    pub(crate) fn finish(self) {
        self.bridge.finish();
        self.raw.restore();
    }
}

/// Gives the sandbox's terminal the size of the one here.
pub(crate) fn copy_window(tty: &Terminal) {
    if let Ok(w) = rustix::termios::tcgetwinsize(stdin()) {
        tty.set_window(Winsize {
            ws_row: w.ws_row,
            ws_col: w.ws_col,
            ws_xpixel: w.ws_xpixel,
            ws_ypixel: w.ws_ypixel,
        });
    }
}
