//! `/proc/PID/net`: sockets, interfaces and routes of a task's network namespace.

use alloc::vec::Vec;

use abi::Errno;
use netstack::unix::UnixAddr;
use vfs::fs::pseudo::{FixedDir, FnFile, PseudoNode};

use super::task::TaskRef;
use super::text::{Text, line};

const IP_SOCKETS: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const IP6_SOCKETS: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const UDP: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
const UDP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
const DEV: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed";
const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
const ARP: &str = "IP address       HW type     Flags       HW address            Mask     Device";
const NETLINK: &str =
    "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode";
const PACKET: &str = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode";
const UNIX: &str = "Num       RefCount Protocol Flags    Type St Inode Path";

/// Tables of which nothing is there yet: their headers, without the line's padding.
const EMPTY: [(&str, &str, usize); 11] = [
    ("arp", ARP, 0),
    ("dev", DEV, 0),
    ("netlink", NETLINK, 0),
    ("packet", PACKET, 0),
    ("raw", UDP, 0),
    ("raw6", UDP6, 0),
    ("route", ROUTE, 127),
    ("tcp", IP_SOCKETS, 149),
    ("tcp6", IP6_SOCKETS, 0),
    ("udp", UDP, 127),
    ("udp6", UDP6, 0),
];

/// The directory `net`.
pub(super) fn dir(of: &TaskRef) -> PseudoNode {
    let mut dir = FixedDir::new().file("if_inet6", FnFile(|| Ok(alloc::vec::Vec::new())));
    for (name, header, width) in EMPTY {
        let text = move || Ok((alloc::format!("{header:<width$}") + "\n").into_bytes());
        dir = dir.file(name, FnFile(text));
    }
    let of = of.clone();
    PseudoNode::dir(dir.file("unix", FnFile(move || unix(&of))))
}

/// `unix`: one line for each socket. Where it lies in memory is nobody's business.
fn unix(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    const ACCEPTS: u32 = 1 << 16;
    const UNCONNECTED: u32 = 1;
    const CONNECTED: u32 = 3;
    let mut t = Text::default();
    line!(t, "{UNIX}");
    for s in of.kernel()?.unix().list() {
        let flags = if s.listening { ACCEPTS } else { 0 };
        let state = if s.connected { CONNECTED } else { UNCONNECTED };
        let (kind, ino, refs) = (s.kind.raw(), s.ino, s.references);
        t.put(format_args!("{:016x}: {refs:08X} {:08X} {flags:08X} {kind:04X} {state:02X} {ino:5}", 0, 0));
        match &s.addr {
            UnixAddr::Unnamed => {}
            UnixAddr::Path(path) => t.bytes(&[b" ", &path[..]].concat()),
            UnixAddr::Abstract(name) => {
                t.bytes(b" @");
                let shown: Vec<u8> = name.iter().map(|b| if *b == 0 { b'@' } else { *b }).collect();
                t.bytes(&shown);
            }
        }
        t.bytes(b"\n");
    }
    Ok(t.into_bytes())
}
