//! The state of a tracee, which its group's signal lock guards.

use abi::task::ptrace::PTRACE_EVENT_STOP;

use super::{Resume, StopKind, Stopped};
use crate::signal::{SigInfo, Signal, Stop};

#[derive(Default)]
pub(crate) struct Trace {
    pub(super) seized: bool,
    pub(super) options: u32,
    pub(super) stop: Option<Stopped>,
    /// The tracee's registers are where the tracer finds them, so that the tracer may know of the stop.
    pub(super) announced: bool,
    /// `wait` has reported the stop.
    pub(super) reported: bool,
    /// It must stop soon: it was interrupted, or its group stopped or went on.
    pub(super) trap: bool,
    pub(super) listening: bool,
    /// The stop is the last, which a death that is under way does not end.
    pub(super) last: bool,
    pub(super) resume: Resume,
    pub(super) inject: Option<SigInfo>,
}

impl Trace {
    pub(crate) fn wants_dequeue(&self) -> bool {
        self.trap || self.inject.is_some() || self.stop.is_some()
    }
    pub(crate) fn in_stop(&self) -> bool {
        self.stop.is_some()
    }
    /// It is about to stand still where its tracer finds it.
    pub(crate) fn is_moving(&self) -> bool {
        self.trap || self.stop.is_some() && !self.announced
    }
    pub(crate) fn in_last_stop(&self) -> bool {
        self.stop.is_some() && self.last
    }
    pub(crate) fn wake_for_kill(&mut self) {
        self.stop = None;
    }
    /// The group stopped or goes on: a seized tracee traps to say so, also out of a stop in which it listens.
    pub(crate) fn group_changed(&mut self) {
        if self.seized {
            self.trap = true;
            if self.listening {
                self.leave_listening();
            }
        }
    }
    pub(super) fn leave_listening(&mut self) {
        self.listening = false;
        self.stop = None;
    }
    pub(crate) fn take_injected(&mut self) -> Option<SigInfo> {
        self.inject.take()
    }
    pub(crate) fn take_trap(&mut self, stop: Stop) -> bool {
        if !core::mem::take(&mut self.trap) {
            return false;
        }
        match stop {
            Stop::Running => {
                let code = Signal::TRAP.number().cast_unsigned() | PTRACE_EVENT_STOP << 8;
                self.enter_stop(Stopped { code, kind: StopKind::Event, info: None, message: 0 });
            }
            Stop::Stopping(s) | Stop::Stopped(s) => self.enter_group_stop(s),
        }
        true
    }
    pub(crate) fn enter_group_stop(&mut self, s: Signal) {
        let event = if self.seized { PTRACE_EVENT_STOP << 8 } else { 0 };
        self.trap = false;
        let code = s.number().cast_unsigned() | event;
        self.enter_stop(Stopped { code, kind: StopKind::Group, info: None, message: 0 });
    }
    pub(crate) fn enter_signal_stop(&mut self, info: SigInfo) {
        let code = info.signal.number().cast_unsigned();
        self.enter_stop(Stopped { code, kind: StopKind::Signal, info: Some(info), message: 0 });
    }
    pub(super) fn enter_stop(&mut self, stop: Stopped) {
        self.stop = Some(stop);
        self.announced = false;
        self.reported = false;
        self.listening = false;
        self.last = false;
    }
    /// What the tracer may see of the stop.
    pub(super) fn visible(&self) -> Option<&Stopped> {
        self.stop.as_ref().filter(|_| self.announced)
    }
    /// What `wait` reports of a stop that it has not reported yet.
    pub(crate) fn report(&mut self, take: bool) -> Option<u32> {
        let code = self.visible()?.code;
        if self.reported {
            return None;
        }
        self.reported = take;
        Some(code)
    }
    /// What the tracee gets of the `signal` that its tracer gave when it let it go on from `stop`: in place of a signal that
    /// waited, otherwise nothing.
    pub(super) fn injected(stop: Option<Stopped>, signal: Option<SigInfo>) -> Option<SigInfo> {
        let stop = stop?;
        let signal = signal.filter(|_| stop.kind == StopKind::Signal)?;
        Some(stop.info.filter(|info| info.signal == signal.signal).unwrap_or(signal))
    }
}
