//! Job control: whose controlling terminal it is.

use alloc::sync::Arc;

use kcore::cred::Cap;
use kcore::id::Pid;
use kcore::job::{ControllingTty, JobCaller};

use super::terminal::Terminal;
use crate::Errno;
use crate::file::IoctlContext;

const SIGHUP: i32 = 1;
const SIGCONT: i32 = 18;

impl Terminal {
    /// Whether it is the controlling terminal `tty`.
    pub fn is(&self, tty: &ControllingTty) -> bool {
        core::ptr::addr_eq(core::ptr::from_ref(self), Arc::as_ptr(tty))
    }
    /// Whether it is the caller's controlling terminal.
    pub(super) fn controls(&self, job: &dyn JobCaller) -> bool {
        job.controlling_tty().is_some_and(|t| self.is(&t))
    }
    /// Becomes the controlling terminal of a session's leader without one, if it is nobody's.
    pub fn adopt_caller(&self, job: &dyn JobCaller) {
        if job.is_session_leader() && job.controlling_tty().is_none() {
            // A leader that is ending needs no terminal, and one that lost a race for this terminal goes without.
            self.set_session(job, false).ok();
        }
    }
    /// Becomes the caller's controlling terminal, also if it is another session's with `steal`.
    ///
    /// Errors: `EPERM` if it is another session's; `ESRCH`.
    fn set_session(&self, job: &dyn JobCaller, steal: bool) -> Result<(), Errno> {
        let (session, pgrp) = (job.session()?, job.pgrp()?);
        let old = self.with(|s| {
            if s.session.is_some() && !steal {
                return Err(Errno::EPERM);
            }
            s.foreground = Some(pgrp);
            Ok(s.session.replace(session))
        })?;
        if let Some(old) = old {
            old.forget_tty();
        }
        let me: Option<ControllingTty> = self.arc().map(|t| t as ControllingTty);
        job.set_controlling_tty(me);
        Ok(())
    }
    /// `TIOCSCTTY`. Errors: `EPERM` unless the caller leads a session without a terminal; for a terminal of another session, unless
    /// `force` is 1 and the caller may administrate; for a file that cannot be read.
    pub(super) fn take_control(
        &self,
        ctx: &IoctlContext<'_>,
        force: u64,
        readable: bool,
    ) -> Result<(), Errno> {
        let job = ctx.job;
        let mine = job.session()?.id();
        if job.is_session_leader() && self.session().is_some_and(|s| s.id() == mine) {
            return Ok(());
        }
        if !job.is_session_leader() || job.controlling_tty().is_some() {
            return Err(Errno::EPERM);
        }
        let admin = ctx.cred.has_cap_everywhere(Cap::SysAdmin);
        if !readable && !admin {
            return Err(Errno::EPERM);
        }
        self.set_session(job, force == 1 && admin)
    }
    /// `TIOCNOTTY`: the caller has no controlling terminal any more; if it leads its session, nobody in it. Errors: `ENOTTY` if it
    /// is not the caller's.
    pub(super) fn give_up(&self, job: &dyn JobCaller) -> Result<(), Errno> {
        if !self.controls(job) {
            return Err(Errno::ENOTTY);
        }
        if job.is_session_leader() {
            self.disassociate(true);
            job.session()?.forget_tty();
        }
        job.set_controlling_tty(None);
        Ok(())
    }
    /// The leader of its session has ended: the foreground process group gets `SIGHUP`.
    pub fn leader_ended(&self) {
        self.disassociate(false);
    }
    fn disassociate(&self, continue_stopped: bool) {
        let (session, foreground) = self.with(|s| (s.session.take(), s.foreground.take()));
        drop(session);
        if let Some(f) = foreground {
            f.signal(SIGHUP);
            if continue_stopped {
                f.signal(SIGCONT);
            }
        }
    }
    /// `TIOCGPGRP`: the number by which the caller knows the foreground process group; 0 if there is none.
    pub(super) fn foreground_number(&self, job: &dyn JobCaller) -> Pid {
        self.foreground().map_or(Pid(0), |f| job.pgrp_number(&*f))
    }
    /// `TIOCSPGRP`. Errors: `ENOTTY` if it is not the caller's controlling terminal, `EINVAL` for negative numbers, `ESRCH`, and
    /// `EPERM` for a process group of another session.
    pub(super) fn set_foreground(&self, job: &dyn JobCaller, n: Pid) -> Result<(), Errno> {
        if n.0 < 0 {
            return Err(Errno::EINVAL);
        }
        let mine = job.session()?.id();
        if !self.controls(job) || self.session().is_none_or(|s| s.id() != mine) {
            return Err(Errno::ENOTTY);
        }
        let new = job.own_pgrp(n)?;
        let old = self.with(|s| s.foreground.replace(new));
        drop(old);
        Ok(())
    }
    /// `TIOCGSID`. Errors: `ENOTTY` if it is no session's.
    pub(super) fn session_number(&self, job: &dyn JobCaller) -> Result<Pid, Errno> {
        Ok(job.session_number(&*self.session().ok_or(Errno::ENOTTY)?))
    }
}
