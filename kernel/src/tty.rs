//! Job control for those who use terminals: who may read, write and change a terminal, and how long reads wait.

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::ioctl::TIOCSPGRP;
use abi::fs::termios::TOSTOP;
use kcore::host::Nanos;
use kcore::id::Pid;
use kcore::io::{IoError, IoResult, IoSink};
use kcore::wait::{Events, WaitSet};
use mm::{Iovec, UserSink};
use task::signal::{SigInfo, Signal};
use task::{Task, ThreadGroup};
use vfs::OpenFile;
use vfs::tty::{PtyMaster, Terminal, TtyFile};

use crate::current::{CurrentTask, WaitEnd};
use crate::kernel::Kernel;
use crate::restart::Restart;

impl Kernel {
    /// Device number of the controlling terminal of a process, and the number of its foreground process group as `viewer` knows it,
    /// as `/proc/PID/stat` shows them: 0 and -1 without a terminal.
    pub fn tty_of(&self, group: &ThreadGroup, viewer: &Task) -> (u64, Pid) {
        let tty = self.processes().controlling_tty(group).and_then(Terminal::of);
        match tty {
            None => (0, Pid(-1)),
            Some(tty) => {
                let number = |f: Arc<_>| crate::job::number_in(&*f, &viewer.pid_ns());
                (tty.rdev(), tty.foreground().map_or(Pid(-1), number))
            }
        }
    }
    /// The leader of a session has ended: its terminal is nobody's any more.
    pub(crate) fn leave_tty(&self, tty: kcore::job::ControllingTty) {
        if let Some(tty) = Terminal::of(tty) {
            tty.leader_ended();
        }
    }
}

impl CurrentTask {
    /// Hangs up the caller's controlling terminal, if it has one.
    pub(crate) fn hang_up_tty(&self) {
        let tty = self.kernel.processes().controlling_tty(self.task.core.group());
        if let Some(tty) = tty.and_then(Terminal::of) {
            tty.hang_up();
        }
    }
    /// Stops the caller's process group by `signal` if it is in the background of `tty`, its controlling terminal.
    ///
    /// Errors: `EIO` for a group that nobody could continue, and for a reader that does not want the signal; after the signal `EINTR`
    /// with the rule `ERESTARTSYS`.
    fn stop_in_background(&self, tty: &Terminal, signal: Signal) -> Result<(), Errno> {
        let (processes, core) = (self.kernel.processes(), &self.task.core);
        if !processes.controlling_tty(core.group()).is_some_and(|t| tty.is(&t)) {
            return Ok(());
        }
        let pgrp = processes.pgrp(core.group()).ok_or(Errno::ESRCH)?;
        if tty.foreground().is_none_or(|f| f.id() == pgrp.id()) {
            return Ok(());
        }
        if core.sigmask().has(signal) || core.group().handlers().get(signal).is_ignore() {
            return if signal == Signal::TTIN { Err(Errno::EIO) } else { Ok(()) };
        }
        if processes.is_orphaned_pgrp(&pgrp) {
            return Err(Errno::EIO);
        }
        // The caller is in the group, so somebody gets it.
        processes.send_to_pgrp(&pgrp, SigInfo::kernel(signal)).ok();
        Err(self.interrupted(Restart::Sys))
    }
    /// Errors: as the caller's process group is in the background of the terminal that `file` is, and the terminal stops such output
    /// (`TOSTOP`).
    pub(crate) fn may_write_tty(&self, file: &OpenFile) -> Result<(), Errno> {
        match file.ops_as::<TtyFile>() {
            Some(f) if f.terminal().modes().l(TOSTOP) => self.stop_in_background(f.terminal(), Signal::TTOU),
            _ => Ok(()),
        }
    }
    /// Errors: as the caller's process group is in the background of the terminal that `file` is, and `request` changes it.
    pub(crate) fn may_control_tty(&self, file: &OpenFile, request: u32) -> Result<(), Errno> {
        let Some(f) = file.ops_as::<TtyFile>().filter(|_| Terminal::is_change(request)) else {
            return Ok(());
        };
        self.stop_in_background(f.terminal(), Signal::TTOU).map_err(|e| match e {
            Errno::EIO if request == TIOCSPGRP => Errno::ENOTTY,
            e => e,
        })
    }
    /// Opens the other side of a terminal's master (`TIOCGPTPEER`). Errors: `ENOTTY` for other files; as
    /// [`PtyMaster::open_peer`].
    pub(crate) fn open_tty_peer(&self, master: &OpenFile, flags: u32) -> IoResult<Arc<OpenFile>> {
        let master = master.ops_as::<PtyMaster>().ok_or(Errno::ENOTTY)?;
        let (view, cred) = (self.task.fs().view(), self.task.cred());
        let ctx = vfs::OpCtx::new(self.kernel.vfs(), &view, &cred).for_job(self);
        master.open_peer(flags, &ctx)
    }
    /// Reads from the terminal `tty`, which `file` is, by its rules: a line, or `VMIN` bytes, or what comes within `VTIME`.
    ///
    /// Errors: `EAGAIN`, `EIO`; when interrupted `EINTR` with the rule `ERESTARTSYS`.
    pub(crate) async fn read_tty(
        &self,
        file: &OpenFile,
        tty: &TtyFile,
        iov: &[Iovec],
    ) -> Result<usize, Errno> {
        self.stop_in_background(tty.terminal(), Signal::TTIN)?;
        let rule = tty.read_rule();
        let mut sink = UserSink::new(self.task.mm(), iov);
        let mut done = 0;
        let mut patience = rule.first;
        loop {
            match self.read_tty_once(file, &sink, patience).await {
                Ok(0) => break,
                Ok(n) => {
                    done += n;
                    sink.skip(n);
                    if done >= rule.min || sink.remaining() == 0 {
                        break;
                    }
                    patience = rule.next;
                }
                Err(WaitEnd::TimedOut) => break,
                Err(_) if done > 0 => break,
                Err(WaitEnd::Interrupted) => return Err(self.interrupted(Restart::Sys)),
                Err(WaitEnd::Failed(e)) => return Err(e),
            }
        }
        Ok(done)
    }
    async fn read_tty_once(
        &self,
        file: &OpenFile,
        sink: &UserSink<'_>,
        patience: Option<Nanos>,
    ) -> Result<usize, WaitEnd> {
        let attempt = || file.read(&mut sink.clone());
        match attempt() {
            Ok(n) => Ok(n),
            Err(IoError::Errno(e)) => Err(WaitEnd::Failed(e)),
            Err(IoError::Again) if file.is_nonblocking() => Err(WaitEnd::Failed(Errno::EAGAIN)),
            Err(IoError::Again) => {
                let queue = file.queue().ok_or(WaitEnd::Failed(Errno::EAGAIN))?;
                let now = self.kernel.host().clock.monotonic();
                let deadline = patience.map(|p| now.saturating_add(p));
                self.wait(&WaitSet::one(&queue, Events::READABLE), deadline, attempt).await
            }
        }
    }
}
