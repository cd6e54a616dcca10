//! Mount options of a tmpfs, `tmpfs(5)`.

use kcore::addr::PAGE_SIZE;
use kcore::id::{Gid, Uid};

use crate::Errno;

/// Limits and the root's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TmpFsOptions {
    /// Most bytes of content; `u64::MAX` for no limit.
    pub size: u64,
    /// Most inodes.
    pub inodes: u64,
    /// Mode of the root.
    pub mode: u32,
    /// Owner of the root.
    pub uid: Uid,
    /// Group of the root.
    pub gid: Gid,
}

impl Default for TmpFsOptions {
    fn default() -> Self {
        TmpFsOptions { size: u64::MAX, inodes: u64::MAX, mode: 0o1777, uid: Uid::ROOT, gid: Gid::ROOT }
    }
}

/// A size such as `64k` or `20%` of `whole` bytes, in bytes.
fn size(text: &str, whole: u64) -> Option<u64> {
    if let Some(percent) = text.strip_suffix('%') {
        return Some(whole / 100 * percent.parse::<u64>().ok()?);
    }
    let (digits, shift) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (&text[..text.len() - 1], 10),
        b'm' => (&text[..text.len() - 1], 20),
        b'g' => (&text[..text.len() - 1], 30),
        b't' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl TmpFsOptions {
    /// What a new mount starts with on a machine with `memory` bytes: half of it, and an inode for each page of that.
    pub fn for_memory(memory: u64) -> TmpFsOptions {
        TmpFsOptions { size: memory / 2, inodes: memory / 2 / PAGE_SIZE, ..TmpFsOptions::default() }
    }
    /// These options changed by `text`, on a machine with `memory` bytes. Errors: `EINVAL`.
    pub fn parse(mut self, text: &str, memory: u64) -> Result<TmpFsOptions, Errno> {
        let unlimited = |n: u64| if n == 0 { u64::MAX } else { n };
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let number = || value.parse::<u32>().map_err(|_| Errno::EINVAL);
            match name {
                "size" => self.size = unlimited(size(value, memory).ok_or(Errno::EINVAL)?),
                "nr_blocks" => {
                    let bytes = size(value, memory).and_then(|n| n.checked_mul(PAGE_SIZE));
                    self.size = unlimited(bytes.ok_or(Errno::EINVAL)?);
                }
                "nr_inodes" => self.inodes = unlimited(size(value, memory).ok_or(Errno::EINVAL)?),
                "mode" => {
                    self.mode = u32::from_str_radix(value, 8).map_err(|_| Errno::EINVAL)? & 0o7777;
                }
                "uid" => self.uid = Uid(number()?),
                "gid" => self.gid = Gid(number()?),
                // There is no swap and there are no huge pages; inode numbers have 64 bits.
                "inode32" | "inode64" | "noswap" | "huge" | "mpol" => {}
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_modes() {
        let base = TmpFsOptions::for_memory(1 << 30);
        let o = base.parse("size=64k,nr_inodes=10,mode=755,uid=3,gid=4,huge=never", 1 << 30).unwrap();
        assert_eq!((o.size, o.inodes, o.mode, o.uid, o.gid), (65536, 10, 0o755, Uid(3), Gid(4)));
        assert_eq!(base.parse("size=50%", 1000).unwrap().size, 500);
        assert_eq!(base.parse("nr_blocks=2", 1000).unwrap().size, 8192);
        assert_eq!(base.parse("size=0", 1000).unwrap().size, u64::MAX);
        assert_eq!(base.parse("", 1000), Ok(base));
        for bad in ["size", "size=x", "size=99999999999t", "mode=9", "uid=-1", "what"] {
            assert_eq!(base.parse(bad, 1000), Err(Errno::EINVAL), "{bad}");
        }
    }
}
