//! The settings of a terminal, and the three forms in which programs see them.

use abi::fs::termios::*;

/// When new settings take effect. Output to a pseudoterminal is done as soon as it is accepted, so `Drain` means `Now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetWhen {
    /// `TCSANOW`, `TCSADRAIN`.
    Now,
    /// `TCSAFLUSH`: unread input is thrown away.
    Flush,
}

/// Settings, the kernel's `struct ktermios`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Input modes.
    pub iflag: u32,
    /// Output modes.
    pub oflag: u32,
    /// Control modes.
    pub cflag: u32,
    /// Local modes.
    pub lflag: u32,
    /// Number of the line discipline.
    pub line: u8,
    /// Control characters.
    pub cc: [u8; NCCS],
    /// Speed of input, in bits per second.
    pub ispeed: u32,
    /// Speed of output, in bits per second.
    pub ospeed: u32,
}

const fn control(c: u8) -> u8 {
    c & 0x1f
}

/// Control characters of a new terminal.
const fn default_cc() -> [u8; NCCS] {
    let mut cc = [0; NCCS];
    cc[VINTR] = control(b'C');
    cc[VQUIT] = control(b'\\');
    cc[VERASE] = 0x7f;
    cc[VKILL] = control(b'U');
    cc[VEOF] = control(b'D');
    cc[VMIN] = 1;
    cc[VSTART] = control(b'Q');
    cc[VSTOP] = control(b'S');
    cc[VSUSP] = control(b'Z');
    cc[VREPRINT] = control(b'R');
    cc[VDISCARD] = control(b'O');
    cc[VWERASE] = control(b'W');
    cc[VLNEXT] = control(b'V');
    cc
}

impl Default for Modes {
    /// Those of a new terminal (`tty_std_termios`).
    fn default() -> Modes {
        Modes {
            iflag: ICRNL | IXON,
            oflag: OPOST | ONLCR,
            cflag: B38400 | CS8 | CREAD,
            lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
            line: 0,
            cc: default_cc(),
            ispeed: 38400,
            ospeed: 38400,
        }
    }
}

/// Speeds by their code under `CBAUD`: those without `CBAUDEX`, then those with it from `B57600` on.
const SLOW: [u32; 16] = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
const FAST: [u32; 15] = [
    57_600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000,
    2_500_000, 3_000_000, 3_500_000, 4_000_000,
];
/// Bits by which `CIBAUD` is `CBAUD` shifted.
const IBSHIFT: u32 = 16;

/// The speed that a code means; `None` for `BOTHER`, which takes it from the structure.
fn speed(code: u32) -> Option<u32> {
    let low = usize::try_from(code & 0o17).ok()?;
    if code & CBAUDEX == 0 { SLOW.get(low).copied() } else { FAST.get(low.checked_sub(1)?).copied() }
}

impl Modes {
    /// Whether an input mode is on.
    pub fn i(&self, flag: u32) -> bool {
        self.iflag & flag != 0
    }
    /// Whether an output mode is on.
    pub fn o(&self, flag: u32) -> bool {
        self.oflag & flag != 0
    }
    /// Whether a local mode is on.
    pub fn l(&self, flag: u32) -> bool {
        self.lflag & flag != 0
    }
    /// For `TCGETS`.
    pub fn termios(&self) -> Termios {
        Termios {
            c_iflag: self.iflag,
            c_oflag: self.oflag,
            c_cflag: self.cflag,
            c_lflag: self.lflag,
            c_line: self.line,
            c_cc: self.cc,
        }
    }
    /// For `TCGETS2`.
    pub fn termios2(&self) -> Termios2 {
        Termios2 {
            c_iflag: self.iflag,
            c_oflag: self.oflag,
            c_cflag: self.cflag,
            c_lflag: self.lflag,
            c_line: self.line,
            c_cc: self.cc,
            c_ispeed: self.ispeed,
            c_ospeed: self.ospeed,
        }
    }
    /// For `TCGETA`: the low halves, and the first control characters.
    pub fn termio(&self) -> Termio {
        let low = |v: u32| {
            let [a, b, ..] = v.to_le_bytes();
            u16::from_le_bytes([a, b])
        };
        let mut c_cc = [0; 8];
        c_cc.copy_from_slice(&self.cc[..8]);
        Termio {
            c_iflag: low(self.iflag),
            c_oflag: low(self.oflag),
            c_cflag: low(self.cflag),
            c_lflag: low(self.lflag),
            c_line: self.line,
            c_cc,
            __pad: 0,
        }
    }
    /// As `TCSETS` gives them.
    pub fn with_termios(self, t: &Termios) -> Modes {
        Modes {
            iflag: t.c_iflag,
            oflag: t.c_oflag,
            cflag: t.c_cflag,
            lflag: t.c_lflag,
            line: t.c_line,
            cc: t.c_cc,
            ..self
        }
        .with_speeds(self.ispeed, self.ospeed)
    }
    /// As `TCSETS2` gives them.
    pub fn with_termios2(self, t: &Termios2) -> Modes {
        Modes {
            iflag: t.c_iflag,
            oflag: t.c_oflag,
            cflag: t.c_cflag,
            lflag: t.c_lflag,
            line: t.c_line,
            cc: t.c_cc,
            ..self
        }
        .with_speeds(t.c_ispeed, t.c_ospeed)
    }
    /// As `TCSETA` gives them: the high halves stay.
    pub fn with_termio(mut self, t: &Termio) -> Modes {
        let merge = |old: u32, new: u16| old & 0xffff_0000 | u32::from(new);
        self.iflag = merge(self.iflag, t.c_iflag);
        self.oflag = merge(self.oflag, t.c_oflag);
        self.cflag = merge(self.cflag, t.c_cflag);
        self.lflag = merge(self.lflag, t.c_lflag);
        self.line = t.c_line;
        self.cc[..8].copy_from_slice(&t.c_cc);
        self.with_speeds(self.ispeed, self.ospeed)
    }
    /// The codes say the speeds; where they say "other", these do.
    fn with_speeds(self, ispeed: u32, ospeed: u32) -> Modes {
        let ospeed = speed(self.cflag & CBAUD).unwrap_or(ospeed);
        let code = self.cflag >> IBSHIFT & CBAUD;
        let ispeed = if code == B0 { ospeed } else { speed(code).unwrap_or(ispeed) };
        Modes { ispeed, ospeed, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_follow_their_codes() {
        let m = Modes::default();
        let fast = Termios { c_cflag: B115200 | CS8, ..m.termios() };
        assert_eq!(m.with_termios(&fast).ospeed, 115_200);
        assert_eq!(m.with_termios(&fast).ispeed, 115_200);
        let odd = Termios2 {
            c_cflag: BOTHER | CS8 | BOTHER << IBSHIFT,
            c_ispeed: 7,
            c_ospeed: 12345,
            ..m.termios2()
        };
        let odd = m.with_termios2(&odd);
        assert_eq!((odd.ispeed, odd.ospeed), (7, 12345));
        assert_eq!(odd.with_termios(&odd.termios()).ospeed, 12345, "kept by a call that cannot say it");
    }

    #[test]
    fn the_short_form_keeps_the_high_halves() {
        let m = Modes { lflag: Modes::default().lflag | EXTPROC, ..Modes::default() };
        assert_eq!(m.with_termio(&m.termio()), m);
    }
}
