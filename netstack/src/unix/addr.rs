//! Addresses: `struct sockaddr_un`.

use alloc::vec::Vec;

use abi::Errno;
use abi::net::addr::UNIX_PATH_MAX;
use abi::net::socket::AF_UNIX;

/// Length of `sun_family`.
const FAMILY: usize = 2;

/// The name of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnixAddr {
    /// No name: as an address to bind to, it asks for an abstract name that the kernel picks.
    Unnamed,
    /// A path, without its terminator.
    Path(Vec<u8>),
    /// A name outside the file system, without its leading NUL; it may hold NULs.
    Abstract(Vec<u8>),
}

impl UnixAddr {
    /// From the bytes that a guest gave. Errors: `EINVAL` for another family or a bad length.
    pub fn parse(raw: &[u8]) -> Result<UnixAddr, Errno> {
        let (family, name) = raw.split_at_checked(FAMILY).ok_or(Errno::EINVAL)?;
        if family != AF_UNIX.to_ne_bytes() || name.len() > UNIX_PATH_MAX {
            return Err(Errno::EINVAL);
        }
        Ok(match name {
            [] => UnixAddr::Unnamed,
            [0, rest @ ..] => UnixAddr::Abstract(rest.to_vec()),
            path => UnixAddr::Path(path.split(|b| *b == 0).next().unwrap_or(path).to_vec()),
        })
    }
    /// The bytes that a guest gets, all of them: the caller cuts them to the guest's buffer.
    pub fn encode(&self) -> Vec<u8> {
        let mut raw = AF_UNIX.to_ne_bytes().to_vec();
        match self {
            UnixAddr::Unnamed => {}
            UnixAddr::Path(path) => {
                raw.extend_from_slice(path);
                raw.push(0);
            }
            UnixAddr::Abstract(name) => {
                raw.push(0);
                raw.extend_from_slice(name);
            }
        }
        raw
    }
}

/// A socket's inode in a file system: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_round_trip() {
        for (raw, addr) in [
            (&b"\x01\0"[..], UnixAddr::Unnamed),
            (b"\x01\0/tmp/x\0", UnixAddr::Path(b"/tmp/x".to_vec())),
            (b"\x01\0\0a\0b", UnixAddr::Abstract(b"a\0b".to_vec())),
        ] {
            assert_eq!(UnixAddr::parse(raw), Ok(addr.clone()));
            assert_eq!(addr.encode(), raw);
        }
    }

    #[test]
    fn paths_end_at_a_nul_or_at_the_length() {
        assert_eq!(UnixAddr::parse(b"\x01\0ab\0cd"), Ok(UnixAddr::Path(b"ab".to_vec())));
        let longest = [&b"\x01\0"[..], &[b'x'; UNIX_PATH_MAX]].concat();
        assert_eq!(UnixAddr::parse(&longest), Ok(UnixAddr::Path([b'x'; UNIX_PATH_MAX].to_vec())));
    }

    #[test]
    fn bad_addresses() {
        for raw in [&b""[..], b"\x01", b"\x02\0x", &[1; 111]] {
            assert_eq!(UnixAddr::parse(raw), Err(Errno::EINVAL));
        }
    }
}
