//! Sockets: families, types, options, `socket(2)`, `setsockopt(2)`, `socket(7)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Address families.
    pub FAMILIES: u16 = net {
        AF_UNSPEC = 0,
        AF_UNIX = 1,
        AF_INET = 2,
        AF_AX25 = 3,
        AF_IPX = 4,
        AF_APPLETALK = 5,
        AF_NETROM = 6,
        AF_BRIDGE = 7,
        AF_ATMPVC = 8,
        AF_X25 = 9,
        AF_INET6 = 10,
        AF_ROSE = 11,
        AF_KEY = 15,
        AF_NETLINK = 16,
        AF_PACKET = 17,
        AF_RDS = 21,
        AF_PPPOX = 24,
        AF_LLC = 26,
        AF_CAN = 29,
        AF_TIPC = 30,
        AF_BLUETOOTH = 31,
        AF_RXRPC = 33,
        AF_PHONET = 35,
        AF_IEEE802154 = 36,
        AF_CAIF = 37,
        AF_ALG = 38,
        AF_NFC = 39,
        AF_VSOCK = 40,
        AF_KCM = 41,
        AF_QIPCRTR = 42,
        AF_SMC = 43,
        AF_XDP = 44,
        AF_MCTP = 45,
        AF_MAX = 46,
    }

    /// Types of sockets.
    pub SOCKET_TYPES: u32 = net {
        SOCK_STREAM = 1,
        SOCK_DGRAM = 2,
        SOCK_RAW = 3,
        SOCK_RDM = 4,
        SOCK_SEQPACKET = 5,
    }

    /// Flags that go with the type.
    pub SOCKET_FLAGS: u32 = libc {
        SOCK_NONBLOCK = 0o4000,
        SOCK_CLOEXEC = 0o2000000,
    }

    /// Protocols of the Internet families.
    pub IP_PROTOCOLS: u32 = libc {
        IPPROTO_IP = 0,
        IPPROTO_ICMP = 1,
        IPPROTO_IGMP = 2,
        IPPROTO_TCP = 6,
        IPPROTO_UDP = 17,
        IPPROTO_IPV6 = 41,
        IPPROTO_SCTP = 132,
        IPPROTO_UDPLITE = 136,
        IPPROTO_ICMPV6 = 58 => net,
        IPPROTO_RAW = 255,
    }

    /// Levels of socket options.
    pub SOCKET_LEVELS: u32 = net {
        SOL_IP = 0,
        SOL_SOCKET = 1,
        SOL_TCP = 6,
        SOL_UDP = 17,
        SOL_IPV6 = 41,
        SOL_ICMPV6 = 58,
        SOL_RAW = 255,
        SOL_PACKET = 263,
        SOL_NETLINK = 270,
    }

    /// Options of `SOL_SOCKET`.
    pub SOCKET_OPTIONS: u32 = net {
        SO_DEBUG = 1,
        SO_REUSEADDR = 2,
        SO_TYPE = 3,
        SO_ERROR = 4,
        SO_DONTROUTE = 5,
        SO_BROADCAST = 6,
        SO_SNDBUF = 7,
        SO_RCVBUF = 8,
        SO_KEEPALIVE = 9,
        SO_OOBINLINE = 10,
        SO_NO_CHECK = 11,
        SO_PRIORITY = 12,
        SO_LINGER = 13,
        SO_BSDCOMPAT = 14,
        SO_REUSEPORT = 15,
        SO_PASSCRED = 16,
        SO_PEERCRED = 17,
        SO_RCVLOWAT = 18,
        SO_SNDLOWAT = 19,
        SO_RCVTIMEO = 20,
        SO_SNDTIMEO = 21,
        SO_BINDTODEVICE = 25,
        SO_ATTACH_FILTER = 26,
        SO_DETACH_FILTER = 27,
        SO_PEERNAME = 28,
        SO_TIMESTAMP = 29,
        SO_ACCEPTCONN = 30,
        SO_PEERSEC = 31,
        SO_SNDBUFFORCE = 32,
        SO_RCVBUFFORCE = 33,
        SO_PASSSEC = 34,
        SO_TIMESTAMPNS = 35,
        SO_MARK = 36,
        SO_TIMESTAMPING = 37,
        SO_PROTOCOL = 38,
        SO_DOMAIN = 39,
        SO_RXQ_OVFL = 40,
        SO_PEEK_OFF = 42,
        SO_NOFCS = 43,
        SO_LOCK_FILTER = 44,
        SO_SELECT_ERR_QUEUE = 45,
        SO_BUSY_POLL = 46,
        SO_MAX_PACING_RATE = 47,
        SO_BPF_EXTENSIONS = 48,
        SO_INCOMING_CPU = 49,
        SO_ATTACH_BPF = 50,
        SO_ATTACH_REUSEPORT_CBPF = 51,
        SO_ATTACH_REUSEPORT_EBPF = 52,
        SO_MEMINFO = 55,
        SO_INCOMING_NAPI_ID = 56,
        SO_COOKIE = 57,
        SO_PEERGROUPS = 59,
        SO_ZEROCOPY = 60,
        SO_TXTIME = 61,
        SO_BINDTOIFINDEX = 62,
        SO_TIMESTAMP_NEW = 63,
        SO_TIMESTAMPNS_NEW = 64,
        SO_TIMESTAMPING_NEW = 65,
        SO_RCVTIMEO_NEW = 66,
        SO_SNDTIMEO_NEW = 67,
        SO_DETACH_REUSEPORT_BPF = 68,
        SO_PREFER_BUSY_POLL = 69,
        SO_BUSY_POLL_BUDGET = 70,
        SO_NETNS_COOKIE = 71,
        SO_BUF_LOCK = 72,
        SO_RESERVE_MEM = 73,
        SO_TXREHASH = 74,
        SO_RCVMARK = 75,
        SO_PASSPIDFD = 76,
        SO_PEERPIDFD = 77,
        SO_RCVPRIORITY = 82,
        SO_PASSRIGHTS = 83,
    }

    /// How `shutdown(2)` shuts down.
    pub SHUTDOWN: u32 = net {
        SHUT_RD = 0,
        SHUT_WR = 1,
        SHUT_RDWR = 2,
    }

    /// Flags of `send(2)` and `recv(2)`.
    pub MSG_FLAGS: u32 = net {
        MSG_OOB = 1,
        MSG_PEEK = 2,
        MSG_DONTROUTE = 4,
        MSG_CTRUNC = 8,
        MSG_TRUNC = 0x20,
        MSG_DONTWAIT = 0x40,
        MSG_EOR = 0x80,
        MSG_WAITALL = 0x100,
        MSG_FIN = 0x200,
        MSG_SYN = 0x400,
        MSG_CONFIRM = 0x800,
        MSG_RST = 0x1000,
        MSG_ERRQUEUE = 0x2000,
        MSG_NOSIGNAL = 0x4000,
        MSG_MORE = 0x8000,
        MSG_WAITFORONE = 0x10000 => libc,
        MSG_ZEROCOPY = 0x400_0000 => libc,
        MSG_FASTOPEN = 0x2000_0000 => libc,
        MSG_CMSG_CLOEXEC = 0x4000_0000,
    }

    /// Control messages of `SOL_SOCKET`.
    pub SCM: u32 = net {
        SCM_RIGHTS = 1,
        SCM_CREDENTIALS = 2,
        SCM_TIMESTAMP = 29,
        SCM_TIMESTAMPNS = 35,
        SCM_TIMESTAMPING = 37,
    }
}

/// Most descriptors in one `SCM_RIGHTS` message.
pub const SCM_MAX_FD: usize = 253;
/// Control message with a pidfd of the sender, `unix(7)`.
pub const SCM_PIDFD: u32 = 4;
/// Largest backlog of `listen(2)` unless `net.core.somaxconn` says otherwise.
pub const SOMAXCONN: u32 = 4096;

layout! {
    /// `struct msghdr`.
    pub struct Msghdr = net::msghdr {
        /// Address of the peer's name.
        msg_name: u64,
        /// Its length.
        msg_namelen: i32,
        @pad __pad0: i32,
        /// Address of the vector.
        msg_iov: u64,
        /// Its length.
        msg_iovlen: u64,
        /// Address of the control messages.
        msg_control: u64,
        /// Their length.
        msg_controllen: u64,
        /// `MSG_*`, of what was received.
        msg_flags: u32,
        @pad __pad1: u32,
    }
    /// `struct mmsghdr`.
    pub struct Mmsghdr = net::mmsghdr {
        /// Message.
        msg_hdr: Msghdr,
        /// Bytes transferred.
        msg_len: u32,
        @pad __pad: u32,
    }
    /// `struct cmsghdr`, followed by the data.
    pub struct Cmsghdr = net::cmsghdr {
        /// Length with this header.
        cmsg_len: u64,
        /// Level.
        cmsg_level: i32,
        /// Type.
        cmsg_type: i32,
    }
    /// `struct ucred`.
    pub struct Ucred = net::ucred {
        /// Process.
        pid: i32,
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
    }
    /// `struct linger`.
    pub struct Linger = net::linger {
        /// Whether `close(2)` waits.
        l_onoff: i32,
        /// Seconds.
        l_linger: i32,
    }
}
