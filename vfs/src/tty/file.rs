//! Open files of the slave's side: what programs call their terminal.

use alloc::string::String;
use alloc::sync::Arc;

use abi::fs::ioctl::*;
use abi::fs::termios::*;
use kcore::host::Nanos;
use kcore::io::{IoError, IoResult, IoSink, IoSource};
use kcore::wait::{Events, WaitQueue};

use super::terminal::Terminal;
use crate::Errno;
use crate::file::{FileOps, IoctlContext, OpenFile};

/// Nanoseconds in a unit of `VTIME`.
const DECISECOND: Nanos = 100_000_000;

/// When a read is complete, `termios(3)`: "Canonical and noncanonical mode".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRule {
    /// Bytes that complete it (`VMIN`); 1 where input comes in lines.
    pub min: usize,
    /// Longest wait for the first byte (`VTIME` without `VMIN`); zero does not wait.
    pub first: Option<Nanos>,
    /// Longest wait for each further byte (`VTIME` with `VMIN`).
    pub next: Option<Nanos>,
}

/// An open file of the slave's side. A read gives what is there: whoever can wait goes by [`TtyFile::read_rule`].
pub struct TtyFile {
    tty: Arc<Terminal>,
    /// How often the terminal had hung up when it was opened.
    hangups: u64,
}

impl TtyFile {
    pub(super) fn new(tty: Arc<Terminal>, hangups: u64) -> TtyFile {
        TtyFile { tty, hangups }
    }
    /// The terminal.
    pub fn terminal(&self) -> &Arc<Terminal> {
        &self.tty
    }
    /// When a read is complete.
    pub fn read_rule(&self) -> ReadRule {
        self.tty.with(|s| {
            let m = s.discipline.modes();
            if s.discipline.is_canonical() {
                return ReadRule { min: 1, first: None, next: None };
            }
            let time = Some(Nanos::from(m.cc[VTIME]) * DECISECOND);
            match usize::from(m.cc[VMIN]) {
                0 => ReadRule { min: 1, first: time, next: None },
                min => ReadRule { min, first: None, next: time.filter(|t| *t > 0) },
            }
        })
    }
    fn is_hung_up(&self) -> bool {
        self.tty.with(|s| s.hangups != self.hangups)
    }
}

impl FileOps for TtyFile {
    fn read(&self, _: &OpenFile, _: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        if self.is_hung_up() {
            return Ok(0);
        }
        self.tty.update(|s, _| match s.discipline.read(dst) {
            Err(IoError::Again) if !s.discipline.is_canonical() => {
                let cc = &s.discipline.modes().cc;
                if cc[VMIN] == 0 && cc[VTIME] == 0 { Ok(0) } else { Err(IoError::Again) }
            }
            other => other,
        })
    }
    fn write(&self, _: &OpenFile, _: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        if self.is_hung_up() {
            return Err(Errno::EIO.into());
        }
        let n = self.tty.with(|s| s.discipline.write(src))?;
        self.tty.master_queue.wake(Events::READABLE);
        Ok(n)
    }
    fn ready(&self, _: &OpenFile, want: Events) -> Events {
        if self.is_hung_up() {
            return (Events::READABLE | Events::WRITABLE) & want | Events::HUP | Events::ERR;
        }
        let now = self.tty.with(|s| {
            let cc = &s.discipline.modes().cc;
            let min = if cc[VTIME] == 0 { usize::from(cc[VMIN]).max(1) } else { 1 };
            let mut now = Events::empty();
            if s.discipline.has_input(min) {
                now |= Events::READABLE;
            }
            if s.discipline.can_write() {
                now |= Events::WRITABLE;
            }
            now
        });
        now & want
    }
    fn queue(&self, _: &OpenFile) -> Option<WaitQueue> {
        Some(self.tty.slave_queue.clone())
    }
    fn ioctl(&self, f: &OpenFile, ctx: &IoctlContext<'_>, cmd: u32, arg: u64) -> IoResult<u64> {
        if self.is_hung_up() {
            return Err(if cmd == TIOCSPGRP { Errno::ENOTTY } else { Errno::EIO }.into());
        }
        Ok(self.tty.slave_ioctl(f, ctx, cmd, arg)?)
    }
    fn on_close(&self, _: &OpenFile) {
        self.tty.close_slave(self.hangups);
    }
    fn name(&self) -> String {
        alloc::format!("/dev/pts/{}", self.tty.index())
    }
}
