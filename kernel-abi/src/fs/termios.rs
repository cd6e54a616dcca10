//! Terminals: `termios(3)`, `ioctl_tty(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Input modes.
    pub IFLAGS: u32 = general {
        IGNBRK = 1,
        BRKINT = 2,
        IGNPAR = 4,
        PARMRK = 0o10,
        INPCK = 0o20,
        ISTRIP = 0o40,
        INLCR = 0o100,
        IGNCR = 0o200,
        ICRNL = 0o400,
        IUCLC = 0o1000,
        IXON = 0o2000,
        IXANY = 0o4000,
        IXOFF = 0o10000,
        IMAXBEL = 0o20000,
        IUTF8 = 0o40000,
    }

    /// Output modes.
    pub OFLAGS: u32 = general {
        OPOST = 1,
        OLCUC = 2,
        ONLCR = 4,
        OCRNL = 0o10,
        ONOCR = 0o20,
        ONLRET = 0o40,
        OFILL = 0o100,
        OFDEL = 0o200,
        NLDLY = 0o400,
        NL0 = 0,
        NL1 = 0o400,
        CRDLY = 0o3000,
        CR0 = 0,
        CR1 = 0o1000,
        CR2 = 0o2000,
        CR3 = 0o3000,
        TABDLY = 0o14000,
        TAB0 = 0,
        TAB1 = 0o4000,
        TAB2 = 0o10000,
        TAB3 = 0o14000,
        XTABS = 0o14000,
        BSDLY = 0o20000,
        BS0 = 0,
        BS1 = 0o20000,
        VTDLY = 0o40000,
        VT0 = 0,
        VT1 = 0o40000,
        FFDLY = 0o100000,
        FF0 = 0,
        FF1 = 0o100000,
    }

    /// Control modes.
    pub CFLAGS: u32 = general {
        CSIZE = 0o60,
        CS5 = 0,
        CS6 = 0o20,
        CS7 = 0o40,
        CS8 = 0o60,
        CSTOPB = 0o100,
        CREAD = 0o200,
        PARENB = 0o400,
        PARODD = 0o1000,
        HUPCL = 0o2000,
        CLOCAL = 0o4000,
        CBAUD = 0o10017,
        CBAUDEX = 0o10000,
        CIBAUD = 0o2003600000,
        CMSPAR = 0o10000000000,
        CRTSCTS = 0o20000000000,
        ADDRB = 0o4000000000,
    }

    /// Speeds, under `CBAUD`.
    pub SPEEDS: u32 = general {
        B0 = 0,
        B50 = 1,
        B75 = 2,
        B110 = 3,
        B134 = 4,
        B150 = 5,
        B200 = 6,
        B300 = 7,
        B600 = 0o10,
        B1200 = 0o11,
        B1800 = 0o12,
        B2400 = 0o13,
        B4800 = 0o14,
        B9600 = 0o15,
        B19200 = 0o16,
        B38400 = 0o17,
        BOTHER = 0o10000,
        B57600 = 0o10001,
        B115200 = 0o10002,
        B230400 = 0o10003,
        B460800 = 0o10004,
        B500000 = 0o10005,
        B576000 = 0o10006,
        B921600 = 0o10007,
        B1000000 = 0o10010,
        B1152000 = 0o10011,
        B1500000 = 0o10012,
        B2000000 = 0o10013,
        B2500000 = 0o10014,
        B3000000 = 0o10015,
        B3500000 = 0o10016,
        B4000000 = 0o10017,
    }

    /// Local modes.
    pub LFLAGS: u32 = general {
        ISIG = 1,
        ICANON = 2,
        XCASE = 4,
        ECHO = 0o10,
        ECHOE = 0o20,
        ECHOK = 0o40,
        ECHONL = 0o100,
        NOFLSH = 0o200,
        TOSTOP = 0o400,
        ECHOCTL = 0o1000,
        ECHOPRT = 0o2000,
        ECHOKE = 0o4000,
        FLUSHO = 0o10000,
        PENDIN = 0o40000,
        IEXTEN = 0o100000,
        EXTPROC = 0o200000,
    }

    /// Places in `c_cc`.
    pub CONTROL_CHARS: usize = general {
        VINTR = 0,
        VQUIT = 1,
        VERASE = 2,
        VKILL = 3,
        VEOF = 4,
        VTIME = 5,
        VMIN = 6,
        VSWTC = 7,
        VSTART = 8,
        VSTOP = 9,
        VSUSP = 10,
        VEOL = 11,
        VREPRINT = 12,
        VDISCARD = 13,
        VWERASE = 14,
        VLNEXT = 15,
        VEOL2 = 16,
        NCCS = 19,
    }

    /// When `tcsetattr(3)` takes effect.
    pub SET_ACTIONS: u32 = general {
        TCSANOW = 0,
        TCSADRAIN = 1,
        TCSAFLUSH = 2,
    }

    /// What `TCFLSH` throws away.
    pub FLUSH_QUEUES: u32 = general {
        TCIFLUSH = 0,
        TCOFLUSH = 1,
        TCIOFLUSH = 2,
    }

    /// What `TCXONC` does.
    pub FLOW_ACTIONS: u32 = general {
        TCOOFF = 0,
        TCOON = 1,
        TCIOFF = 2,
        TCION = 3,
    }

    /// Control bytes of packet mode, `TIOCPKT`.
    pub PACKET_MODE: u8 = general {
        TIOCPKT_DATA = 0,
        TIOCPKT_FLUSHREAD = 1,
        TIOCPKT_FLUSHWRITE = 2,
        TIOCPKT_STOP = 4,
        TIOCPKT_START = 8,
        TIOCPKT_NOSTOP = 0x10,
        TIOCPKT_DOSTOP = 0x20,
        TIOCPKT_IOCTL = 0x40,
    }

    /// Modem lines.
    pub MODEM_LINES: u32 = general {
        TIOCM_LE = 1,
        TIOCM_DTR = 2,
        TIOCM_RTS = 4,
        TIOCM_ST = 8,
        TIOCM_SR = 0x10,
        TIOCM_CTS = 0x20,
        TIOCM_CAR = 0x40,
        TIOCM_RNG = 0x80,
        TIOCM_DSR = 0x100,
        TIOCM_OUT1 = 0x2000,
        TIOCM_OUT2 = 0x4000,
        TIOCM_LOOP = 0x8000,
    }
}

layout! {
    /// `struct termios` of the kernel, `TCGETS`.
    pub struct Termios = general::termios {
        /// Input modes.
        c_iflag: u32,
        /// Output modes.
        c_oflag: u32,
        /// Control modes.
        c_cflag: u32,
        /// Local modes.
        c_lflag: u32,
        /// Line discipline.
        c_line: u8,
        /// Control characters.
        c_cc: [u8; NCCS],
    }
    /// `struct termios2`, `TCGETS2`.
    pub struct Termios2 = general::termios2 {
        /// Input modes.
        c_iflag: u32,
        /// Output modes.
        c_oflag: u32,
        /// Control modes.
        c_cflag: u32,
        /// Local modes.
        c_lflag: u32,
        /// Line discipline.
        c_line: u8,
        /// Control characters.
        c_cc: [u8; NCCS],
        /// Speed of input.
        c_ispeed: u32,
        /// Speed of output.
        c_ospeed: u32,
    }
    /// `struct termio`, the form of System V, `TCGETA`.
    pub struct Termio = general::termio {
        /// Input modes.
        c_iflag: u16,
        /// Output modes.
        c_oflag: u16,
        /// Control modes.
        c_cflag: u16,
        /// Local modes.
        c_lflag: u16,
        /// Line discipline.
        c_line: u8,
        /// Control characters.
        c_cc: [u8; 8],
        @pad __pad: u8,
    }
    /// `struct winsize`, `TIOCGWINSZ`.
    pub struct Winsize = general::winsize {
        /// Rows of characters.
        ws_row: u16,
        /// Columns of characters.
        ws_col: u16,
        /// Width in pixels.
        ws_xpixel: u16,
        /// Height in pixels.
        ws_ypixel: u16,
    }
}
