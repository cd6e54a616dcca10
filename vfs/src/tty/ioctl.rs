//! `ioctl_tty(2)`: what both sides answer. Settings and the window belong to the slave's side, whichever asks.

use abi::fs::ioctl::*;
use abi::fs::termios::*;
use kcore::addr::GuestAddr;
use kcore::cred::Cap;
use kcore::id::Pid;
use kcore::user::{UserPtr, Write};

use super::modes::{Modes, SetWhen};
use super::terminal::{State, Terminal};
use crate::Errno;
use crate::file::{IoctlContext, OpenFile};

const SIGINT: u64 = 2;
const SIGQUIT: u64 = 3;
const SIGTSTP: u64 = 20;

/// Typed access to the memory behind an argument.
struct Arg<'a> {
    ctx: &'a IoctlContext<'a>,
    at: GuestAddr,
}

impl Arg<'_> {
    fn get<T: zerocopy::FromBytes + zerocopy::IntoBytes>(&self) -> Result<T, Errno> {
        UserPtr::<T>::new(self.at).read(self.ctx.mem)
    }
    fn put<T: zerocopy::IntoBytes + zerocopy::Immutable>(&self, v: &T) -> Result<(), Errno> {
        UserPtr::<T, Write>::new(self.at).write(self.ctx.mem, v)
    }
    fn put_len(&self, n: usize) -> Result<(), Errno> {
        self.put(&i32::try_from(n).unwrap_or(i32::MAX))
    }
}

impl Terminal {
    /// Whether request `cmd` of a background process on its controlling terminal stops it (`SIGTTOU`).
    pub fn is_change(cmd: u32) -> bool {
        matches!(
            cmd,
            TCSETS
                | TCSETSW
                | TCSETSF
                | TCSETS2
                | TCSETSW2
                | TCSETSF2
                | TCSETA
                | TCSETAW
                | TCSETAF
                | TCSBRK
                | TCSBRKP
                | TCXONC
                | TCFLSH
                | TIOCSPGRP
                | TIOCSETD
                | TIOCSBRK
                | TIOCCBRK
        )
    }
    /// A request on a file of the slave's side. Errors: `ENOTTY` for unknown ones, and `ioctl_tty(2)`'s.
    pub(super) fn slave_ioctl(
        &self,
        f: &OpenFile,
        ctx: &IoctlContext<'_>,
        cmd: u32,
        arg: u64,
    ) -> Result<u64, Errno> {
        let to = Arg { ctx, at: GuestAddr(arg) };
        match cmd {
            FIONREAD => to.put_len(self.with(|s| s.discipline.input_len()))?,
            TIOCNOTTY => self.give_up(ctx.job)?,
            TIOCGPGRP | TIOCGSID if !self.controls(ctx.job) => return Err(Errno::ENOTTY),
            TCXONC => self.flow(arg)?,
            TCFLSH => self.flush(arg)?,
            TIOCSTI => self.simulate(ctx, &to)?,
            TIOCVHANGUP => {
                admin(ctx)?;
                self.hang_up();
            }
            TCSETS | TCSETSW | TCSETSF | TCSETS2 | TCSETSW2 | TCSETSF2 | TCSETA | TCSETAW | TCSETAF => {
                self.set(&to, cmd)?;
            }
            _ => return self.common_ioctl(f, ctx, cmd, arg),
        }
        Ok(0)
    }
    /// A request on a file of the master's side. Errors: as there.
    pub(super) fn master_ioctl(
        &self,
        f: &OpenFile,
        ctx: &IoctlContext<'_>,
        cmd: u32,
        arg: u64,
    ) -> Result<u64, Errno> {
        let to = Arg { ctx, at: GuestAddr(arg) };
        match cmd {
            // The master's side is nobody's controlling terminal.
            TIOCNOTTY => return Err(Errno::ENOTTY),
            TIOCSTI => self.simulate_output(ctx, &to)?,
            TCXONC => self.flow_from_master(arg)?,
            TCFLSH => self.flush_from_master(arg)?,
            TCSETS | TCSETSW | TCSETSF | TCSETS2 | TCSETSW2 | TCSETSF2 | TCSETA | TCSETAW | TCSETAF => {
                self.set(&to, cmd)?;
            }
            _ => return self.common_ioctl(f, ctx, cmd, arg),
        }
        Ok(0)
    }
    fn common_ioctl(&self, f: &OpenFile, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> Result<u64, Errno> {
        let to = Arg { ctx, at: GuestAddr(arg) };
        match cmd {
            TCGETS => to.put(&self.modes().termios())?,
            TCGETS2 => to.put(&self.modes().termios2())?,
            TCGETA => to.put(&self.modes().termio())?,
            TIOCGWINSZ => to.put(&self.window())?,
            TIOCSWINSZ => self.set_window(to.get()?),
            TIOCSCTTY => self.take_control(ctx, arg, f.readable())?,
            TIOCGPGRP => to.put(&self.foreground_number(ctx.job).0)?,
            TIOCSPGRP => self.set_foreground(ctx.job, Pid(to.get()?))?,
            TIOCGSID => to.put(&self.session_number(ctx.job)?.0)?,
            // Output is the other side's as soon as it is accepted.
            TIOCOUTQ => to.put_len(0)?,
            TCSBRK | TCSBRKP | TIOCSBRK | TIOCCBRK => {}
            TIOCEXCL => self.with(|s| s.exclusive = true),
            TIOCNXCL => self.with(|s| s.exclusive = false),
            TIOCGEXCL => to.put(&i32::from(self.with(|s| s.exclusive)))?,
            TIOCGETD => to.put(&0i32)?,
            TIOCSETD => {
                if to.get::<i32>()? != 0 {
                    return Err(Errno::EINVAL);
                }
            }
            TIOCGSOFTCAR => to.put(&i32::from(self.modes().cflag & CLOCAL != 0))?,
            TIOCSSOFTCAR => {
                let on = to.get::<i32>()? != 0;
                let m = self.modes();
                let cflag = if on { m.cflag | CLOCAL } else { m.cflag & !CLOCAL };
                self.apply(Modes { cflag, ..m }, SetWhen::Now);
            }
            TIOCGDEV => {
                let dev = u32::try_from(self.rdev()).map_err(|_| Errno::EIO)?;
                to.put(&dev)?;
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
    fn set(&self, to: &Arg<'_>, cmd: u32) -> Result<(), Errno> {
        let old = self.modes();
        let new = match cmd {
            TCSETS | TCSETSW | TCSETSF => old.with_termios(&to.get()?),
            TCSETS2 | TCSETSW2 | TCSETSF2 => old.with_termios2(&to.get()?),
            _ => old.with_termio(&to.get()?),
        };
        let flush = matches!(cmd, TCSETSF | TCSETSF2 | TCSETAF);
        self.apply(new, if flush { SetWhen::Flush } else { SetWhen::Now });
        Ok(())
    }
    /// Changes the settings, `tcsetattr(3)`.
    pub fn apply(&self, new: Modes, when: SetWhen) {
        // A pseudoterminal has no line whose bits could be set otherwise.
        let new = Modes { cflag: new.cflag & !(CSIZE | PARENB) | CS8 | CREAD, line: 0, ..new };
        self.update(|s, fx| {
            if when == SetWhen::Flush {
                s.discipline.flush_input(fx);
            }
            let old = *s.discipline.modes();
            s.discipline.set_modes(new, fx);
            s.note_flow_change(&old, &new);
        });
    }
    /// `TCXONC`. Errors: `EINVAL`.
    fn flow(&self, action: u64) -> Result<(), Errno> {
        let action = u32::try_from(action).map_err(|_| Errno::EINVAL)?;
        self.update(|s, fx| {
            let cc = s.discipline.modes().cc;
            match action {
                TCOOFF => s.discipline.hold(fx),
                TCOON => s.discipline.resume(fx),
                TCIOFF => s.discipline.send(cc[VSTOP]),
                TCION => s.discipline.send(cc[VSTART]),
                _ => return Err(Errno::EINVAL),
            }
            Ok(())
        })
    }
    /// `TCXONC` from the master's side: stops typing, or types the keys that stop output. Errors: `EINVAL`.
    fn flow_from_master(&self, action: u64) -> Result<(), Errno> {
        let action = u32::try_from(action).map_err(|_| Errno::EINVAL)?;
        self.update(|s, _| {
            let cc = s.discipline.modes().cc;
            match action {
                TCOOFF => s.master_held = true,
                TCOON => s.master_held = false,
                TCIOFF => s.type_key(cc[VSTOP]),
                TCION => s.type_key(cc[VSTART]),
                _ => return Err(Errno::EINVAL),
            }
            Ok(())
        })
    }
    /// `TCFLSH`. Errors: `EINVAL`.
    fn flush(&self, queue: u64) -> Result<(), Errno> {
        let (input, output) = queues(queue)?;
        self.update(|s, fx| {
            if input {
                s.discipline.flush_input(fx);
            }
            if output {
                s.discipline.flush_output(fx);
            }
        });
        Ok(())
    }
    /// `TCFLSH` from the master's side, whose input is the slave's output. Errors: `EINVAL`.
    fn flush_from_master(&self, queue: u64) -> Result<(), Errno> {
        let (input, output) = queues(queue)?;
        self.update(|s, _| {
            if input {
                s.discipline.drop_taken();
            }
            if output {
                s.pending.clear();
            }
        });
        Ok(())
    }
    /// `TIOCSTI`. Errors: `EIO` without `CAP_SYS_ADMIN`, as where `dev.tty.legacy_tiocsti` is off.
    fn simulate(&self, ctx: &IoctlContext<'_>, from: &Arg<'_>) -> Result<(), Errno> {
        if !ctx.cred.has_cap_everywhere(Cap::SysAdmin) {
            return Err(Errno::EIO);
        }
        let c: u8 = from.get()?;
        self.update(|s, fx| s.discipline.receive(&[c], fx));
        Ok(())
    }
    /// `TIOCSTI` on the master's side, whose input is the slave's output. Errors: as for the slave's.
    fn simulate_output(&self, ctx: &IoctlContext<'_>, from: &Arg<'_>) -> Result<(), Errno> {
        if !ctx.cred.has_cap_everywhere(Cap::SysAdmin) {
            return Err(Errno::EIO);
        }
        let c: u8 = from.get()?;
        self.update(|s, _| s.discipline.send(c));
        Ok(())
    }
    /// `TIOCSIG`. Errors: `EINVAL` but for the signals that keys send.
    pub(super) fn signal_foreground(&self, sig: u64) -> Result<(), Errno> {
        if !matches!(sig, SIGINT | SIGQUIT | SIGTSTP) {
            return Err(Errno::EINVAL);
        }
        let sig = i32::try_from(sig).map_err(|_| Errno::EINVAL)?;
        self.update(|s, fx| {
            fx.signals.push(sig);
            if !s.discipline.modes().l(NOFLSH) {
                s.discipline.flush_output(fx);
                s.discipline.flush_input(fx);
            }
        });
        Ok(())
    }
}

fn admin(ctx: &IoctlContext<'_>) -> Result<(), Errno> {
    if ctx.cred.has_cap_everywhere(Cap::SysAdmin) { Ok(()) } else { Err(Errno::EPERM) }
}

/// Whether `TCFLSH` means input, and whether output.
fn queues(arg: u64) -> Result<(bool, bool), Errno> {
    match u32::try_from(arg) {
        Ok(TCIFLUSH) => Ok((true, false)),
        Ok(TCOFLUSH) => Ok((false, true)),
        Ok(TCIOFLUSH) => Ok((true, true)),
        _ => Err(Errno::EINVAL),
    }
}

impl State {
    /// Tells the master's side whether it can do the flow control itself (`TIOCPKT_DOSTOP`), and of settings under `EXTPROC`.
    fn note_flow_change(&mut self, old: &Modes, new: &Modes) {
        let usual = |m: &Modes| m.i(IXON) && m.cc[VSTOP] == 0o23 && m.cc[VSTART] == 0o21;
        let mut bits = 0;
        if usual(old) != usual(new) {
            bits |= if usual(new) { TIOCPKT_DOSTOP } else { TIOCPKT_NOSTOP };
        }
        if old.l(EXTPROC) || new.l(EXTPROC) {
            bits |= TIOCPKT_IOCTL;
        }
        self.note_packet(bits);
    }
}
