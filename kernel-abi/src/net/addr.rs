//! Socket addresses: `unix(7)`, `ip(7)`, `ipv6(7)`, `netlink(7)`, `packet(7)`. Ports and addresses are in network byte order.

/// Room for a path in [`SockaddrUn`].
pub const UNIX_PATH_MAX: usize = 108;
/// Size of `struct sockaddr_storage`.
pub const SOCKADDR_STORAGE: usize = 128;

layout! {
    /// `struct sockaddr_un`.
    pub struct SockaddrUn = net::sockaddr_un {
        /// `AF_UNIX`.
        sun_family: u16,
        /// Path, or a NUL and an abstract name.
        sun_path: [u8; UNIX_PATH_MAX],
    }
    /// `struct sockaddr_in`.
    pub struct SockaddrIn = net::sockaddr_in {
        /// `AF_INET`.
        sin_family: u16,
        /// Port.
        sin_port: [u8; 2],
        /// Address.
        sin_addr: [u8; 4],
        @pad __pad: [u8; 8],
    }
    /// `struct sockaddr_in6`.
    pub struct SockaddrIn6 = net::sockaddr_in6 {
        /// `AF_INET6`.
        sin6_family: u16,
        /// Port.
        sin6_port: [u8; 2],
        /// Flow label.
        sin6_flowinfo: [u8; 4],
        /// Address.
        sin6_addr: [u8; 16],
        /// Interface of a link-local address.
        sin6_scope_id: u32,
    }
    /// `struct sockaddr_nl`.
    pub struct SockaddrNl = netlink::sockaddr_nl {
        /// `AF_NETLINK`.
        nl_family: u16,
        @pad nl_pad: u16,
        /// Port.
        nl_pid: u32,
        /// Multicast groups.
        nl_groups: u32,
    }
    /// `struct sockaddr_ll`.
    pub struct SockaddrLl = if_packet::sockaddr_ll {
        /// `AF_PACKET`.
        sll_family: u16,
        /// Protocol.
        sll_protocol: [u8; 2],
        /// Interface.
        sll_ifindex: i32,
        /// `ARPHRD_*`.
        sll_hatype: u16,
        /// `PACKET_*`.
        sll_pkttype: u8,
        /// Length of the address.
        sll_halen: u8,
        /// Address.
        sll_addr: [u8; 8],
    }
    /// `struct ip_mreqn`, and with its first two fields `struct ip_mreq`.
    pub struct IpMreqn = net::ip_mreqn {
        /// Group.
        imr_multiaddr: [u8; 4],
        /// Address of the interface.
        imr_address: [u8; 4],
        /// Its index.
        imr_ifindex: i32,
    }
    /// `struct ipv6_mreq`.
    pub struct Ipv6Mreq = net::ipv6_mreq {
        /// Group.
        ipv6mr_multiaddr: [u8; 16],
        /// Interface.
        ipv6mr_ifindex: i32,
    }
    /// `struct in_pktinfo`.
    pub struct InPktinfo = net::in_pktinfo {
        /// Interface.
        ipi_ifindex: i32,
        /// Local address.
        ipi_spec_dst: [u8; 4],
        /// Destination in the header.
        ipi_addr: [u8; 4],
    }
    /// `struct in6_pktinfo`.
    pub struct In6Pktinfo = net::in6_pktinfo {
        /// Destination in the header.
        ipi6_addr: [u8; 16],
        /// Interface.
        ipi6_ifindex: i32,
    }
}
