//! Requests of `ioctl(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Requests that all or most files know.
    pub FILE_IOCTLS: u32 = ioctl {
        FIONREAD = 0x541b,
        FIONBIO = 0x5421,
        FIOCLEX = 0x5451,
        FIONCLEX = 0x5450,
        FIOASYNC = 0x5452,
        FIOQSIZE = 0x5460,
        FIGETBSZ = 2,
        FIBMAP = 1,
        FICLONE = 0x4004_9409,
        FICLONERANGE = 0x4020_940d,
        FIDEDUPERANGE = 0xc018_9436,
        FIFREEZE = 0xc004_5877,
        FITHAW = 0xc004_5878,
        FITRIM = 0xc018_5879,
        FS_IOC_GETFLAGS = 0x8008_6601,
        FS_IOC_SETFLAGS = 0x4008_6602,
        FS_IOC_GETVERSION = 0x8008_7601,
        FS_IOC_FSGETXATTR = 0x801c_581f,
        FS_IOC_FSSETXATTR = 0x401c_5820,
        FS_IOC_FIEMAP = 0xc020_660b,
    }

    /// Requests of terminals, `ioctl_tty(2)`.
    pub TTY_IOCTLS: u32 = ioctl {
        TCGETS = 0x5401,
        TCSETS = 0x5402,
        TCSETSW = 0x5403,
        TCSETSF = 0x5404,
        TCGETA = 0x5405,
        TCSETA = 0x5406,
        TCSETAW = 0x5407,
        TCSETAF = 0x5408,
        TCGETS2 = 0x802c_542a,
        TCSETS2 = 0x402c_542b,
        TCSETSW2 = 0x402c_542c,
        TCSETSF2 = 0x402c_542d,
        TCSBRK = 0x5409,
        TCSBRKP = 0x5425,
        TCXONC = 0x540a,
        TCFLSH = 0x540b,
        TIOCEXCL = 0x540c,
        TIOCNXCL = 0x540d,
        TIOCGEXCL = 0x8004_5440,
        TIOCSCTTY = 0x540e,
        TIOCNOTTY = 0x5422,
        TIOCGPGRP = 0x540f,
        TIOCSPGRP = 0x5410,
        TIOCGSID = 0x5429,
        TIOCOUTQ = 0x5411,
        TIOCSTI = 0x5412,
        TIOCGWINSZ = 0x5413,
        TIOCSWINSZ = 0x5414,
        TIOCMGET = 0x5415,
        TIOCMSET = 0x5418,
        TIOCMBIS = 0x5416,
        TIOCMBIC = 0x5417,
        TIOCGSOFTCAR = 0x5419,
        TIOCSSOFTCAR = 0x541a,
        TIOCLINUX = 0x541c,
        TIOCCONS = 0x541d,
        TIOCPKT = 0x5420,
        TIOCGPKT = 0x8004_5438,
        TIOCSETD = 0x5423,
        TIOCGETD = 0x5424,
        TIOCSBRK = 0x5427,
        TIOCCBRK = 0x5428,
        TIOCGPTN = 0x8004_5430,
        TIOCSPTLCK = 0x4004_5431,
        TIOCGPTLCK = 0x8004_5439,
        TIOCGPTPEER = 0x5441,
        TIOCGDEV = 0x8004_5432,
        TIOCSIG = 0x4004_5436,
        TIOCVHANGUP = 0x5437,
    }

    /// Requests of sockets and interfaces, `netdevice(7)`.
    pub SOCKET_IOCTLS: u32 = ioctl {
        SIOCGIFNAME = 0x8910,
        SIOCGIFCONF = 0x8912,
        SIOCGIFFLAGS = 0x8913,
        SIOCSIFFLAGS = 0x8914,
        SIOCGIFADDR = 0x8915,
        SIOCSIFADDR = 0x8916,
        SIOCGIFDSTADDR = 0x8917,
        SIOCGIFBRDADDR = 0x8919,
        SIOCSIFBRDADDR = 0x891a,
        SIOCGIFNETMASK = 0x891b,
        SIOCSIFNETMASK = 0x891c,
        SIOCGIFMETRIC = 0x891d,
        SIOCGIFMTU = 0x8921,
        SIOCSIFMTU = 0x8922,
        SIOCGIFHWADDR = 0x8927,
        SIOCGIFINDEX = 0x8933,
        SIOCGIFTXQLEN = 0x8942,
        SIOCGIFMAP = 0x8970,
        SIOCADDRT = 0x890b,
        SIOCDELRT = 0x890c,
        SIOCATMARK = 0x8905,
        SIOCGPGRP = 0x8904,
        SIOCSPGRP = 0x8902,
        FIOSETOWN = 0x8901,
        FIOGETOWN = 0x8903,
        SIOCETHTOOL = 0x8946 => libc,
    }

    /// Requests of namespaces, `ioctl_nsfs(2)`.
    pub NS_IOCTLS: u32 = ioctl {
        NS_GET_USERNS = 0xb701,
        NS_GET_PARENT = 0xb702,
        NS_GET_NSTYPE = 0xb703,
        NS_GET_OWNER_UID = 0xb704,
        NS_GET_PID_FROM_PIDNS = 0x8004_b706 => none,
        NS_GET_TGID_FROM_PIDNS = 0x8004_b707 => none,
        NS_GET_PID_IN_PIDNS = 0x8004_b708 => none,
        NS_GET_TGID_IN_PIDNS = 0x8004_b709 => none,
    }

    /// Requests of block devices.
    pub BLOCK_IOCTLS: u32 = ioctl {
        BLKROGET = 0x125e,
        BLKGETSIZE = 0x1260,
        BLKSSZGET = 0x1268,
        BLKBSZGET = 0x8008_1270,
        BLKGETSIZE64 = 0x8008_1272,
        BLKFLSBUF = 0x1261,
    }
}

/// Direction, size, type and number of a request that was made by `_IOC`.
///
/// ```
/// use abi::fs::ioctl::{IoctlParts, TIOCSPTLCK};
/// let parts = IoctlParts::of(TIOCSPTLCK);
/// assert_eq!((parts.size, parts.kind, parts.number), (4, b'T', 0x31));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoctlParts {
    /// Whether the kernel writes the argument.
    pub read: bool,
    /// Whether the kernel reads the argument.
    pub write: bool,
    /// Size of the argument.
    pub size: u16,
    /// Letter of the driver.
    pub kind: u8,
    /// Number within it.
    pub number: u8,
}

impl IoctlParts {
    /// Takes a request apart.
    pub const fn of(request: u32) -> IoctlParts {
        let [number, kind, ..] = request.to_le_bytes();
        let dir = request >> 30;
        IoctlParts {
            read: dir & 2 != 0,
            write: dir & 1 != 0,
            size: (request >> 16 & 0x3fff) as u16,
            kind,
            number,
        }
    }
}
