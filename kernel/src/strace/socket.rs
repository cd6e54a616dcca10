//! Addresses and messages of sockets.

use alloc::string::String;

use abi::net::socket::{FAMILIES, MSG_FLAGS, Msghdr};

use super::show::{buffer, push, quoted};
use super::structs::iovecs;
use super::values::{Values, address};

const FAMILY_LEN: usize = 2;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// Longest address.
const MAX_LEN: usize = 128;

/// An address of `len` bytes.
pub(super) fn sockaddr(v: &Values<'_>, at: u64, len: u64, out: &mut String) {
    let bytes = if at == 0 { alloc::vec::Vec::new() } else { v.bytes(at, len, MAX_LEN) };
    let Some((family, rest)) = bytes.split_first_chunk::<FAMILY_LEN>() else { return address(at, out) };
    let family = u16::from_le_bytes(*family);
    push(out, format_args!("{{sa_family={}", FAMILIES.show(family.into())));
    let port = |b: &[u8]| b.first_chunk().map_or(0, |p| u16::from_be_bytes(*p));
    match family {
        AF_UNIX if rest.first() == Some(&0) => {
            out.push_str(", sun_path=@");
            quoted(&rest[1..], out);
        }
        AF_UNIX if !rest.is_empty() => {
            out.push_str(", sun_path=");
            quoted(rest.split(|b| *b == 0).next().unwrap_or(rest), out);
        }
        AF_INET => {
            let ip = rest.get(2..6).and_then(|b| <[u8; 4]>::try_from(b).ok()).unwrap_or_default();
            let ip = core::net::Ipv4Addr::from(ip);
            push(out, format_args!(", sin_port=htons({}), sin_addr=inet_addr(\"{ip}\")", port(rest)));
        }
        AF_INET6 => {
            let ip = rest.get(6..22).and_then(|b| <[u8; 16]>::try_from(b).ok()).unwrap_or_default();
            let ip = core::net::Ipv6Addr::from(ip);
            push(out, format_args!(", sin6_port=htons({}), inet_pton(AF_INET6, \"{ip}\")", port(rest)));
        }
        _ if !rest.is_empty() => {
            out.push_str(", sa_data=");
            quoted(rest, out);
        }
        _ => {}
    }
    out.push('}');
}

/// An address whose length the call has stored as an `int`.
pub(super) fn sockaddr_result(v: &Values<'_>, at: u64, len_at: u64, out: &mut String) {
    let len = v.read::<u32>(len_at).unwrap_or(0);
    sockaddr(v, at, len.into(), out);
}

/// A message, of which `len` bytes were or will be transferred.
pub(super) fn msghdr(v: &Values<'_>, at: u64, len: u64, out: &mut String) {
    v.structure(at, out, |m: &Msghdr, out| {
        out.push_str("{msg_name=");
        sockaddr(v, m.msg_name, u64::try_from(m.msg_namelen).unwrap_or(0), out);
        push(out, format_args!(", msg_namelen={}, msg_iov=", m.msg_namelen));
        iovecs(v, m.msg_iov, m.msg_iovlen, len, out);
        push(out, format_args!(", msg_iovlen={}", m.msg_iovlen));
        if m.msg_control != 0 && m.msg_controllen != 0 {
            out.push_str(", msg_control=");
            buffer(v, m.msg_control, m.msg_controllen, out);
        }
        push(out, format_args!(", msg_controllen={}, msg_flags=", m.msg_controllen));
        push(out, MSG_FLAGS.flags(m.msg_flags.into()));
        out.push('}');
    });
}
