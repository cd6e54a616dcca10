//! Options of unix sockets, [`socket(7)`](https://man7.org/linux/man-pages/man7/socket.7.html).

use abi::Errno;
use abi::net::socket::*;

use super::account::DEFAULT;
use super::socket::{Phase, UnixSocket};
use crate::OptionValue;

/// Least send buffer.
const MIN_SNDBUF: u32 = 4608;

impl UnixSocket {
    /// `getsockopt(2)` at level `SOL_SOCKET`. Those about the peer are the caller's, from [`UnixSocket::peer_identity`].
    ///
    /// Errors: `ENOPROTOOPT`.
    pub fn get_option(&self, name: u32) -> Result<OptionValue, Errno> {
        let n = match name {
            SO_TYPE => self.kind().raw(),
            SO_DOMAIN => AF_UNIX.into(),
            SO_PROTOCOL => 0,
            SO_ACCEPTCONN => (self.lock().phase == Phase::Listening).into(),
            SO_ERROR => self.lock().error.take().map_or(0, |e| e.raw().cast_unsigned()),
            SO_SNDBUF => u32::try_from(self.account.limit()).unwrap_or(u32::MAX),
            SO_COOKIE => return Ok(OptionValue::long(self.ino())),
            _ => return self.options.get(name),
        };
        Ok(OptionValue::int(n.cast_signed()))
    }

    /// `setsockopt(2)` at level `SOL_SOCKET`; `privileged` says that the caller has `CAP_NET_ADMIN`.
    ///
    /// Errors: `EINVAL`, `EDOM`, `EPERM`, `EOPNOTSUPP`, `ENOPROTOOPT`.
    pub fn set_option(&self, name: u32, value: &[u8], privileged: bool) -> Result<(), Errno> {
        let int = || {
            let bytes = value.first_chunk().ok_or(Errno::EINVAL)?;
            Ok::<u32, Errno>(u32::from_ne_bytes(*bytes))
        };
        match name {
            SO_SNDBUF | SO_SNDBUFFORCE => {
                if name == SO_SNDBUFFORCE && !privileged {
                    return Err(Errno::EPERM);
                }
                let most = if name == SO_SNDBUF { DEFAULT } else { i32::MAX as usize / 2 };
                let wanted = int()?.min(u32::try_from(most).unwrap_or(u32::MAX));
                self.account.set_limit((wanted * 2).max(MIN_SNDBUF) as usize);
                Ok(())
            }
            SO_REUSEPORT if int()? != 0 => Err(Errno::EOPNOTSUPP),
            _ => self.options.set(name, value, privileged),
        }
    }
}
