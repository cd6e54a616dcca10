//! Options of the Internet protocols: `ip(7)`, `ipv6(7)`, `tcp(7)`, `udp(7)`, and interfaces, `netdevice(7)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Options of `SOL_IP`.
    pub IP_OPTIONS: u32 = net {
        IP_TOS = 1,
        IP_TTL = 2,
        IP_HDRINCL = 3,
        IP_RECVOPTS = 6,
        IP_RETOPTS = 7,
        IP_PKTINFO = 8,
        IP_MTU_DISCOVER = 10,
        IP_RECVERR = 11,
        IP_RECVTTL = 12,
        IP_RECVTOS = 13,
        IP_MTU = 14,
        IP_FREEBIND = 15,
        IP_TRANSPARENT = 19,
        IP_BIND_ADDRESS_NO_PORT = 24,
        IP_MULTICAST_IF = 32,
        IP_MULTICAST_TTL = 33,
        IP_MULTICAST_LOOP = 34,
        IP_ADD_MEMBERSHIP = 35,
        IP_DROP_MEMBERSHIP = 36,
        IP_MULTICAST_ALL = 49,
        IP_UNICAST_IF = 50,
    }

    /// Options of `SOL_IPV6`.
    pub IPV6_OPTIONS: u32 = net {
        IPV6_ADDRFORM = 1,
        IPV6_CHECKSUM = 7,
        IPV6_UNICAST_HOPS = 16,
        IPV6_MULTICAST_IF = 17,
        IPV6_MULTICAST_HOPS = 18,
        IPV6_MULTICAST_LOOP = 19,
        IPV6_ADD_MEMBERSHIP = 20,
        IPV6_DROP_MEMBERSHIP = 21,
        IPV6_MTU_DISCOVER = 23,
        IPV6_MTU = 24,
        IPV6_RECVERR = 25,
        IPV6_V6ONLY = 26,
        IPV6_RECVPKTINFO = 49,
        IPV6_PKTINFO = 50,
        IPV6_RECVHOPLIMIT = 51,
        IPV6_HOPLIMIT = 52,
        IPV6_RECVTCLASS = 66,
        IPV6_TCLASS = 67,
        IPV6_DONTFRAG = 62,
        IPV6_TRANSPARENT = 75,
        IPV6_FREEBIND = 78,
    }

    /// Path MTU discovery.
    pub PMTUDISC: u32 = net {
        IP_PMTUDISC_DONT = 0,
        IP_PMTUDISC_WANT = 1,
        IP_PMTUDISC_DO = 2,
        IP_PMTUDISC_PROBE = 3,
    }

    /// Options of `SOL_TCP`.
    pub TCP_OPTIONS: u32 = net {
        TCP_NODELAY = 1,
        TCP_MAXSEG = 2,
        TCP_CORK = 3,
        TCP_KEEPIDLE = 4,
        TCP_KEEPINTVL = 5,
        TCP_KEEPCNT = 6,
        TCP_SYNCNT = 7,
        TCP_LINGER2 = 8,
        TCP_DEFER_ACCEPT = 9,
        TCP_WINDOW_CLAMP = 10,
        TCP_INFO = 11,
        TCP_QUICKACK = 12,
        TCP_CONGESTION = 13,
        TCP_USER_TIMEOUT = 18,
        TCP_FASTOPEN = 23,
        TCP_TIMESTAMP = 24,
        TCP_NOTSENT_LOWAT = 25,
        TCP_ULP = 31,
        TCP_FASTOPEN_CONNECT = 30,
    }

    /// States of TCP connections.
    pub TCP_STATES: u8 = none {
        TCP_ESTABLISHED = 1,
        TCP_SYN_SENT = 2,
        TCP_SYN_RECV = 3,
        TCP_FIN_WAIT1 = 4,
        TCP_FIN_WAIT2 = 5,
        TCP_TIME_WAIT = 6,
        TCP_CLOSE = 7,
        TCP_CLOSE_WAIT = 8,
        TCP_LAST_ACK = 9,
        TCP_LISTEN = 10,
        TCP_CLOSING = 11,
    }

    /// Options of `SOL_UDP`.
    pub UDP_OPTIONS: u32 = libc {
        UDP_CORK = 1,
        UDP_SEGMENT = 103,
        UDP_GRO = 104,
    }

    /// Flags of interfaces.
    pub INTERFACE_FLAGS: u32 = libc {
        IFF_UP = 1,
        IFF_BROADCAST = 2,
        IFF_DEBUG = 4,
        IFF_LOOPBACK = 8,
        IFF_POINTOPOINT = 0x10,
        IFF_NOTRAILERS = 0x20,
        IFF_RUNNING = 0x40,
        IFF_NOARP = 0x80,
        IFF_PROMISC = 0x100,
        IFF_ALLMULTI = 0x200,
        IFF_MULTICAST = 0x1000,
    }

    /// Types of links.
    pub LINK_TYPES: u16 = if_arp {
        ARPHRD_ETHER = 1,
        ARPHRD_LOOPBACK = 772,
        ARPHRD_NONE = 65534,
    }

    /// Protocols of Ethernet.
    pub ETHER_TYPES: u16 = if_arp {
        ETH_P_IP = 0x800,
        ETH_P_ARP = 0x806,
        ETH_P_IPV6 = 0x86dd,
        ETH_P_ALL = 3,
    }

    /// Direction of a packet.
    pub PACKET_TYPES: u8 = if_packet {
        PACKET_HOST = 0,
        PACKET_BROADCAST = 1,
        PACKET_MULTICAST = 2,
        PACKET_OTHERHOST = 3,
        PACKET_OUTGOING = 4,
    }
}

/// Room for the name of an interface.
pub const IFNAMSIZ: usize = 16;

layout! {
    /// `struct ifreq`.
    pub struct Ifreq = libc::ifreq {
        /// Name of the interface.
        ifr_name: [u8; IFNAMSIZ],
        /// What is asked for.
        ifr_data: [u64; 3] = ifr_ifru,
    }
    /// `struct ifconf`.
    pub struct Ifconf = net::ifconf {
        /// Size of the buffer.
        ifc_len: i32,
        @pad __pad: i32,
        /// Its address.
        ifc_buf: u64 = ifc_ifcu,
    }
}
