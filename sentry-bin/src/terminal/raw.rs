//! The settings of the terminal here: raw while the sandbox has it, and back afterwards.

use std::sync::{Mutex, PoisonError};

use abi::fs::termios::{IUTF8, NCCS};
use platform::host::confine::{Condition, HostCall, HostCalls};
use rustix::stdio::stdin;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use vfs::tty::Modes;

/// The terminal's host calls, besides reading, writing and waiting.
pub(super) const CALLS: HostCalls = HostCalls {
    of: "the terminal",
    list: &[
        HostCall::new(libc::SYS_ioctl, "read its settings").only(1, Condition::Is(libc::TCGETS2)),
        HostCall::new(libc::SYS_ioctl, "change them").only(1, Condition::Is(libc::TCSETSW2)),
        HostCall::new(libc::SYS_ioctl, "its size").only(1, Condition::Is(libc::TIOCGWINSZ)),
    ],
};

/// Raw settings, until they are restored.
pub(crate) struct RawMode {
    /// What to go back to; `None` when that is done.
    saved: Mutex<Option<Termios>>,
    alone: bool,
}

impl RawMode {
    /// Makes the terminal here pass on every key. Output is left to the sandbox's terminal if it writes `alone`. Errors: the host's.
    pub(crate) fn enter(alone: bool) -> rustix::io::Result<RawMode> {
        let raw = RawMode { saved: Mutex::new(None), alone };
        raw.enter_again()?;
        Ok(raw)
    }
    /// The same after [`RawMode::restore`]. Errors: the host's.
    pub(crate) fn enter_again(&self) -> rustix::io::Result<()> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        let output = raw.output_modes;
        raw.make_raw();
        if !self.alone {
            raw.output_modes = output;
        }
        tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        *saved = Some(before);
        Ok(())
    }
    /// Gives the terminal its settings back. Calling it again changes nothing.
    pub(crate) fn restore(&self) {
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = saved {
            // A terminal that is gone needs no settings.
            tcsetattr(stdin(), OptionalActions::Drain, &before).ok();
        }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        self.restore();
    }
}

/// The keys and modes of `here` for a terminal with `base`'s other settings. What this process cannot see, such as a shell's own
/// raw mode, is not copied: a program starts with a terminal that edits lines.
pub(super) fn modes_like(here: &Termios, base: Modes) -> Modes {
    let mut m = base;
    if here.input_modes.contains(InputModes::IUTF8) {
        m.iflag |= IUTF8;
    }
    let cooked = here.local_modes.contains(LocalModes::ICANON | LocalModes::ISIG)
        && here.output_modes.contains(OutputModes::OPOST);
    if !cooked {
        return m;
    }
    let keys = [
        SpecialCodeIndex::VINTR,
        SpecialCodeIndex::VQUIT,
        SpecialCodeIndex::VERASE,
        SpecialCodeIndex::VKILL,
        SpecialCodeIndex::VEOF,
        SpecialCodeIndex::VSTART,
        SpecialCodeIndex::VSTOP,
        SpecialCodeIndex::VSUSP,
        SpecialCodeIndex::VEOL,
        SpecialCodeIndex::VREPRINT,
        SpecialCodeIndex::VDISCARD,
        SpecialCodeIndex::VWERASE,
        SpecialCodeIndex::VLNEXT,
        SpecialCodeIndex::VEOL2,
    ];
    use abi::fs::termios as t;
    let places = [
        t::VINTR,
        t::VQUIT,
        t::VERASE,
        t::VKILL,
        t::VEOF,
        t::VSTART,
        t::VSTOP,
        t::VSUSP,
        t::VEOL,
        t::VREPRINT,
        t::VDISCARD,
        t::VWERASE,
        t::VLNEXT,
        t::VEOL2,
    ];
    for (key, place) in keys.into_iter().zip(places).filter(|(_, p)| *p < NCCS) {
        m.cc[place] = here.special_codes[key];
    }
    m.iflag = here.input_modes.bits();
    m.oflag = here.output_modes.bits();
    m.lflag = here.local_modes.bits();
    m
}
