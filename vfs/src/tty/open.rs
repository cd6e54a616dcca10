//! Opening and closing the two sides, and hanging up.

use alloc::sync::Arc;

use kcore::cred::Cap;
use kcore::io::IoResult;
use kcore::wait::Events;

use super::discipline::{Effects, LineDiscipline};
use super::file::TtyFile;
use super::terminal::Terminal;
use crate::Errno;
use crate::consts::*;
use crate::context::OpCtx;

impl Terminal {
    /// Opens the slave's side with `O_*` flags. It becomes the controlling terminal of a session's leader that has none, unless
    /// `O_NOCTTY` says otherwise.
    ///
    /// Errors: `EIO` while it is locked, or when the master's side is closed; `EBUSY` after `TIOCEXCL`.
    pub fn open_slave(self: &Arc<Terminal>, flags: u32, ctx: &OpCtx<'_>) -> IoResult<Arc<TtyFile>> {
        let hangups = self.with(|s| {
            if !s.master_open || s.locked {
                return Err(Errno::EIO);
            }
            if s.exclusive && s.slaves > 0 && !ctx.cred.has_cap_everywhere(Cap::SysAdmin) {
                return Err(Errno::EBUSY);
            }
            s.slaves += 1;
            s.was_open = true;
            Ok(s.hangups)
        })?;
        let file = Arc::new(TtyFile::new(self.clone(), hangups));
        if flags & O_NOCTTY == 0
            && flags & O_ACCMODE != O_WRONLY
            && let Some(job) = ctx.job
        {
            self.adopt_caller(job);
        }
        Ok(file)
    }
    /// A file of the slave's side, opened when there had been `hangups`, is closed.
    pub(super) fn close_slave(&self, hangups: u64) {
        let last = self.with(|s| {
            if s.hangups != hangups {
                return false;
            }
            s.slaves = s.slaves.saturating_sub(1);
            s.slaves == 0
        });
        if last {
            self.master_queue.wake(Events::READABLE | Events::HUP);
        }
    }
    /// The master's side is closed: all is over.
    pub(super) fn close_master(&self) {
        self.with(|s| s.master_open = false);
        self.hang_up();
    }
    /// Hangs up, `vhangup(2)`: open files of the slave's side are dead, and its session is told.
    pub fn hang_up(&self) {
        let (session, foreground) = self.with(|s| {
            s.hangups += 1;
            s.slaves = 0;
            s.exclusive = false;
            let mut fx = Effects::default();
            s.discipline.flush_input(&mut fx);
            // Output stays for the master's side; the settings start anew.
            if s.master_open {
                s.discipline.set_modes(*LineDiscipline::default().modes(), &mut fx);
            }
            (s.session.take(), s.foreground.take())
        });
        if let Some(session) = session {
            session.hang_up(foreground.as_deref());
        }
        self.slave_queue.wake_all();
        self.master_queue.wake_all();
    }
}
