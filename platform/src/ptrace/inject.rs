//! System calls made by a stopped stub on the tracer's behalf.

use std::collections::VecDeque;

use abi::Errno;

use super::stub::STUB_PAGE;
use super::sys::{self, Event, Pid};
use crate::UserRegs;

/// Waits for events, keeping those of others for later, and injects calls.
#[derive(Default)]
pub(super) struct Injector {
    stash: VecDeque<(Pid, Event)>,
}

const USER_CS: u64 = 0x33;
const USER_SS: u64 = 0x2b;

/// Makes registers that a guest chose acceptable to `PTRACE_SETREGS`, and keeps the host from restarting a call.
pub(super) fn loadable(regs: &UserRegs) -> UserRegs {
    const LIMIT: u64 = 0x7fff_ffff_f000;
    let base = |b: u64| if b < LIMIT { b } else { 0 };
    let data = |s: u64| if s & 3 == 3 { s } else { 0 };
    UserRegs {
        orig_rax: u64::MAX,
        cs: USER_CS,
        ss: USER_SS,
        ds: data(regs.ds),
        es: data(regs.es),
        fs: 0,
        gs: 0,
        fs_base: base(regs.fs_base),
        gs_base: base(regs.gs_base),
        ..*regs
    }
}

fn call_regs(nr: i64, a: [u64; 6]) -> UserRegs {
    UserRegs {
        rip: STUB_PAGE,
        rax: nr as u64,
        rdi: a[0],
        rsi: a[1],
        rdx: a[2],
        r10: a[3],
        r8: a[4],
        r9: a[5],
        eflags: 0x202,
        cs: USER_CS,
        ss: USER_SS,
        orig_rax: u64::MAX,
        ..UserRegs::default()
    }
}

impl Injector {
    /// An event that came while waiting for another.
    pub(super) fn stashed(&mut self) -> Option<(Pid, Event)> {
        self.stash.pop_front()
    }

    /// Blocks until `pid` has an event.
    ///
    /// Waits for any tracee, because a dead leader is reported only after its group's other threads have been reaped.
    /// Errors: `ESRCH`.
    pub(super) fn wait_for(&mut self, pid: Pid) -> Result<Event, Errno> {
        if let Some(i) = self.stash.iter().position(|(p, _)| *p == pid) {
            return self.stash.remove(i).map(|(_, e)| e).ok_or(Errno::ESRCH);
        }
        let mut polls = 0;
        loop {
            let block = polls >= super::tracer::INJECT_POLLS;
            match sys::wait_any(block) {
                Ok(None) => polls += 1,
                Ok(Some((p, e))) if p == pid => return Ok(e),
                Ok(Some(other)) => self.stash.push_back(other),
                Err(_) => return Err(Errno::ESRCH),
            }
        }
    }

    /// Makes a stopped stub thread do a call and stop again; gives the call's result.
    ///
    /// Errors: what the call gives; `ESRCH` if the thread is gone (its exit is then in the stash).
    pub(super) fn call(&mut self, pid: Pid, nr: i64, args: [u64; 6]) -> Result<u64, Errno> {
        self.call_creating(pid, nr, args).map(|(r, _)| r)
    }

    /// As [`Injector::call`], for `clone`: also gives the new stub thread, which is stopped.
    fn call_creating(&mut self, pid: Pid, nr: i64, args: [u64; 6]) -> Result<(u64, Option<Pid>), Errno> {
        let gone = |_| Errno::ESRCH;
        sys::set_regs(pid, &call_regs(nr, args)).map_err(gone)?;
        sys::cont(pid).map_err(gone)?;
        let mut child = None;
        loop {
            match self.wait_for(pid)? {
                Event::Stop(libc::SIGTRAP) => break,
                Event::Ptrace => child = Some(sys::event_message(pid).map_err(gone)?),
                // A signal from outside: not the stub's business.
                Event::Stop(_) => {}
                exit @ Event::Exit(_) => {
                    self.stash.push_back((pid, exit));
                    return Err(Errno::ESRCH);
                }
            }
            sys::cont(pid).map_err(gone)?;
        }
        let result = sys::get_regs(pid).map_err(gone)?.rax;
        let signed = result as i64;
        if (-4095..0).contains(&signed) {
            return Err(Errno::from_raw(-signed as i32).unwrap_or(Errno::EIO));
        }
        Ok((result, child))
    }

    /// Makes `parent` clone itself with `flags`; gives the new thread or process, stopped.
    pub(super) fn clone_of(&mut self, parent: Pid, flags: i32) -> Result<Pid, Errno> {
        let args = [flags as u32 as u64, 0, 0, 0, 0, 0];
        let (_, child) = self.call_creating(parent, libc::SYS_clone, args)?;
        let child = child.ok_or(Errno::EIO)?;
        loop {
            match self.wait_for(child)? {
                Event::Stop(libc::SIGSTOP) => return Ok(child),
                exit @ Event::Exit(_) => {
                    self.stash.push_back((child, exit));
                    return Err(Errno::ESRCH);
                }
                _ => sys::cont(child).map_err(|_| Errno::ESRCH)?,
            }
        }
    }

    /// Starts `exit` in a stopped thread; its end is reported as an event.
    pub(super) fn start_exit(pid: Pid) {
        // Failure means that it is dying already.
        let _ = sys::set_regs(pid, &call_regs(libc::SYS_exit, [0; 6]));
        let _ = sys::cont(pid);
    }
}
