//! `netlink(7)` and `rtnetlink(7)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Families of netlink.
    pub NETLINK_FAMILIES: u32 = netlink {
        NETLINK_ROUTE = 0,
        NETLINK_USERSOCK = 2,
        NETLINK_SOCK_DIAG = 4,
        NETLINK_XFRM = 6,
        NETLINK_SELINUX = 7,
        NETLINK_AUDIT = 9,
        NETLINK_CONNECTOR = 11,
        NETLINK_NETFILTER = 12,
        NETLINK_KOBJECT_UEVENT = 15,
        NETLINK_GENERIC = 16,
        NETLINK_CRYPTO = 21,
    }

    /// Options of `SOL_NETLINK`.
    pub NETLINK_OPTIONS: u32 = netlink {
        NETLINK_ADD_MEMBERSHIP = 1,
        NETLINK_DROP_MEMBERSHIP = 2,
        NETLINK_PKTINFO = 3,
        NETLINK_BROADCAST_ERROR = 4,
        NETLINK_NO_ENOBUFS = 5,
        NETLINK_LISTEN_ALL_NSID = 8,
        NETLINK_LIST_MEMBERSHIPS = 9,
        NETLINK_CAP_ACK = 10,
        NETLINK_EXT_ACK = 11,
        NETLINK_GET_STRICT_CHK = 12,
    }

    /// Flags of requests.
    pub NLM_FLAGS: u16 = netlink {
        NLM_F_REQUEST = 1,
        NLM_F_MULTI = 2,
        NLM_F_ACK = 4,
        NLM_F_ECHO = 8,
        NLM_F_DUMP_INTR = 0x10,
        NLM_F_DUMP_FILTERED = 0x20,
        NLM_F_ROOT = 0x100,
        NLM_F_MATCH = 0x200,
        NLM_F_ATOMIC = 0x400,
        NLM_F_DUMP = 0x300,
    }

    /// Flags of requests that make something.
    pub NLM_NEW_FLAGS: u16 = netlink {
        NLM_F_REPLACE = 0x100,
        NLM_F_EXCL = 0x200,
        NLM_F_CREATE = 0x400,
        NLM_F_APPEND = 0x800,
    }

    /// Control messages.
    pub NLMSG: u16 = netlink {
        NLMSG_NOOP = 1,
        NLMSG_ERROR = 2,
        NLMSG_DONE = 3,
        NLMSG_OVERRUN = 4,
        NLMSG_MIN_TYPE = 16,
    }

    /// Messages of `NETLINK_ROUTE`.
    pub RTM: u16 = libc {
        RTM_NEWLINK = 16,
        RTM_DELLINK = 17,
        RTM_GETLINK = 18,
        RTM_SETLINK = 19,
        RTM_NEWADDR = 20,
        RTM_DELADDR = 21,
        RTM_GETADDR = 22,
        RTM_NEWROUTE = 24,
        RTM_DELROUTE = 25,
        RTM_GETROUTE = 26,
        RTM_NEWNEIGH = 28,
        RTM_DELNEIGH = 29,
        RTM_GETNEIGH = 30,
        RTM_NEWRULE = 32,
        RTM_DELRULE = 33,
        RTM_GETRULE = 34,
        RTM_GETQDISC = 38,
    }

    /// Attributes of links.
    pub IFLA: u16 = libc {
        IFLA_ADDRESS = 1,
        IFLA_BROADCAST = 2,
        IFLA_IFNAME = 3,
        IFLA_MTU = 4,
        IFLA_LINK = 5,
        IFLA_QDISC = 6,
        IFLA_STATS = 7,
        IFLA_MASTER = 10,
        IFLA_TXQLEN = 13,
        IFLA_MAP = 14,
        IFLA_OPERSTATE = 16,
        IFLA_LINKMODE = 17,
        IFLA_LINKINFO = 18,
        IFLA_NET_NS_PID = 19,
        IFLA_STATS64 = 23,
        IFLA_GROUP = 27,
        IFLA_NET_NS_FD = 28,
        IFLA_NUM_TX_QUEUES = 31,
        IFLA_NUM_RX_QUEUES = 32,
        IFLA_CARRIER = 33,
    }

    /// Attributes of addresses.
    pub IFA: u16 = libc {
        IFA_ADDRESS = 1,
        IFA_LOCAL = 2,
        IFA_LABEL = 3,
        IFA_BROADCAST = 4,
        IFA_CACHEINFO = 6,
        IFA_FLAGS = 8,
    }

    /// Attributes of routes.
    pub RTA: u16 = libc {
        RTA_DST = 1,
        RTA_SRC = 2,
        RTA_IIF = 3,
        RTA_OIF = 4,
        RTA_GATEWAY = 5,
        RTA_PRIORITY = 6,
        RTA_PREFSRC = 7,
        RTA_METRICS = 8,
        RTA_TABLE = 15,
    }
}

layout! {
    /// `struct nlmsghdr`.
    pub struct Nlmsghdr = netlink::nlmsghdr {
        /// Length with this header.
        nlmsg_len: u32,
        /// Type.
        nlmsg_type: u16,
        /// `NLM_F_*`.
        nlmsg_flags: u16,
        /// Sequence number.
        nlmsg_seq: u32,
        /// Port of the sender.
        nlmsg_pid: u32,
    }
    /// `struct nlmsgerr`.
    pub struct Nlmsgerr = netlink::nlmsgerr {
        /// Negated error, or 0.
        error: i32,
        /// Header of the request.
        msg: Nlmsghdr,
    }
    /// `struct rtattr` and `struct nlattr`: head of an attribute.
    pub struct Rtattr = netlink::rtattr {
        /// Length with this head.
        rta_len: u16,
        /// Type.
        rta_type: u16,
    }
    /// `struct ifinfomsg`.
    pub struct Ifinfomsg = netlink::ifinfomsg {
        /// `AF_UNSPEC`.
        ifi_family: u8,
        @pad __ifi_pad: u8,
        /// `ARPHRD_*`.
        ifi_type: u16,
        /// Index.
        ifi_index: i32,
        /// `IFF_*`.
        ifi_flags: u32,
        /// Which flags change.
        ifi_change: u32,
    }
    /// `struct ifaddrmsg`.
    pub struct Ifaddrmsg = netlink::ifaddrmsg {
        /// Address family.
        ifa_family: u8,
        /// Length of the prefix.
        ifa_prefixlen: u8,
        /// `IFA_F_*`.
        ifa_flags: u8,
        /// `RT_SCOPE_*`.
        ifa_scope: u8,
        /// Interface.
        ifa_index: u32,
    }
    /// `struct rtmsg`.
    pub struct Rtmsg = netlink::rtmsg {
        /// Address family.
        rtm_family: u8,
        /// Length of the destination's prefix.
        rtm_dst_len: u8,
        /// Length of the source's prefix.
        rtm_src_len: u8,
        /// Type of service.
        rtm_tos: u8,
        /// `RT_TABLE_*`.
        rtm_table: u8,
        /// `RTPROT_*`.
        rtm_protocol: u8,
        /// `RT_SCOPE_*`.
        rtm_scope: u8,
        /// `RTN_*`.
        rtm_type: u8,
        /// `RTM_F_*`.
        rtm_flags: u32,
    }
    /// `struct rtgenmsg`.
    pub struct Rtgenmsg = netlink::rtgenmsg {
        /// Address family.
        rtgen_family: u8,
    }
}
